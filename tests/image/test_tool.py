"""tools/image.py where things are missing, and what it tells an engine, for which a stand-in stands."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ROOT, TOOL, Done, refusal, run

DOCKER = """#!/bin/sh
case "$*" in
  --version) echo "{version}" ;;
  info*) echo '{{"ServerVersion": "20.10.24", "Runtimes": {runtimes}}}' ;;
  "image inspect"*) echo sha256:1d; exit {inspect} ;;
  pull*) echo "no such host" >&2; exit 1 ;;
  *) echo "$@" ;;
esac
"""
SMI = "#!/bin/sh\necho 570.86.15\n"
Tool = Callable[..., Done]


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """tools/image.py with a stand-in for the engine that prints what it was told."""

    def tool(
        *arguments: str,
        version: str = "Docker version 20.10.24, build 297e128",
        runtimes: str = "{}",
        inspect: int = 0,
        gpu: bool = False,
        **variables: str,
    ) -> Done:
        client = tmp_path / "docker"
        client.write_text(DOCKER.format(version=version, runtimes=runtimes, inspect=inspect))
        client.chmod(0o755)
        if gpu:
            (tmp_path / "nvidia-smi").write_text(SMI)
            (tmp_path / "nvidia-smi").chmod(0o755)
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        return run(TOOL, *arguments, PATH=path, **{"DOCKER": str(client), "IMAGE": "it", **variables})

    return tool


def test_runs_on_the_cpu_and_says_so(tool: Tool) -> None:
    done = tool("run", "train", "--epochs", "1", FRAMEWORK="keras", JOBS="", SAMEBITS_THREADS="")
    assert "running on the CPU" in refusal(done, 0)
    me = f"--user={os.getuid()}:{os.getgid()}"
    volume = f"--volume={ROOT}/runs:/workspace/runs"
    assert done.stdout.split() == [
        *("run", "--rm", "--init", me, "--env", "FRAMEWORK", "--env", "SAMEBITS_IMAGE=sha256:1d"),
        *(volume, "it", "train", "--epochs", "1"),
    ]


@pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="this machine has a driver of its own")
@pytest.mark.parametrize(
    ("gpu", "runtimes"), [(True, '{"nvidia": {}}'), (True, "{}"), (False, '{"nvidia": {}}')]
)
def test_hands_over_the_gpu_when_driver_and_toolkit_are_there(tool: Tool, gpu: bool, runtimes: str) -> None:
    done = tool("run", gpu=gpu, runtimes=runtimes)
    assert ("--gpus all" in done.stdout) == (gpu and "nvidia" in runtimes)
    assert ("running on the CPU" in done.stderr) != ("--gpus all" in done.stdout)


def test_podman_keeps_the_callers_number(tool: Tool) -> None:
    assert "--userns=keep-id" in tool("run", version="podman version 4.3.1").stdout


def test_no_engine(tool: Tool) -> None:
    for word in ("build", "run", "size", "test-base"):
        assert "no container engine" in refusal(tool(word, DOCKER="/nonexistent/docker"), 1)


def test_no_image(tool: Tool) -> None:
    for word in ("run", "size"):
        assert "there is no image it; `make image` builds it" in refusal(tool(word, inspect=1), 1)


def test_no_registry(tool: Tool) -> None:
    done = tool("build", inspect=1, BASE="", INTERPRETER="")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "cannot fetch docker.io/nvidia/cuda:12.8.1-base-ubuntu24.04@sha256:" in last
    assert "INTERPRETER=base" in last


def test_passes_every_argument_explicitly(tool: Tool, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    given = {"BASE": "debian", "INTERPRETER": "base", "CA": str(bundle), "UV_DEFAULT_INDEX": "secret"}
    done = tool("build", "--no-cache", **given)
    assert done.returncode == 0, done.stderr
    told = done.stdout
    for name in (
        "BASE=debian",
        "MICROMAMBA=docker.io/mambaorg/",
        "COMMIT=",
        "CUDA=12.8.",
        "CUDNN=9.",
        "REQUIREMENTS_LOCK=sha256:",
        "CONDA_LOCK= ",  # the base's Python: no conda lock in it
    ):
        assert f"--build-arg {name}" in told
    python, image = told.splitlines()  # what the interpreter is taken from, and the image
    for command in python, image:
        assert f"--secret id=ca,src={bundle}" in command
        assert "--secret id=index,src=" in command
    assert "id=index,src=secret" not in told
    assert f"--file {ROOT}/docker/base-python.Dockerfile --tag it:python --build-arg BASE=debian " in python
    assert f"--file {ROOT}/Dockerfile --tag it " in image
    assert "--build-arg PYTHON_FROM=it:python " in image
    assert python.endswith(f" {ROOT}")
    assert "--no-cache" not in python
    assert image.endswith(f"--no-cache {ROOT}")


def test_the_compiler_comes_on_top_of_the_image(tool: Tool) -> None:
    given = {"BASE": "debian", "INTERPRETER": "conda", "TARGET": "compile", "CA": "", "SSL_CERT_FILE": ""}
    for name, python, compiler in (
        ("", "samebits", "samebits:compile"),
        ("host:5000/team/it", "host:5000/team/it", "host:5000/team/it:compile"),
        ("it:1", "it:1", "it:1-compile"),
    ):
        image, last = tool("build", "--build-arg", "COMPILER=g++", IMAGE=name, **given).stdout.splitlines()
        assert f"--file {ROOT}/Dockerfile --tag {python} " in image
        assert "--build-arg PYTHON_FROM=conda " in image
        assert "COMPILER" not in image
        assert f"--file {ROOT}/docker/compile.Dockerfile --tag {compiler} " in last
        assert f"--build-arg INTERPRETER=conda --build-arg IMAGE={python} " in last
        assert last.endswith(f"--build-arg COMPILER=g++ {ROOT}")


@pytest.mark.parametrize(
    "file", ["Dockerfile", *(f"docker/{path.name}" for path in (ROOT / "docker").iterdir())]
)
def test_a_dockerfile_is_given_what_it_asks_for_and_no_more(tool: Tool, file: str) -> None:
    """buildah takes a default for none, and complains of an argument that the file does not have."""
    asked = set(re.findall(r"^ARG (\w+)", (ROOT / file).read_text(), re.MULTILINE)) - {"COMPILER"}
    for interpreter in ("base", "conda"):
        told = tool("build", BASE="debian", INTERPRETER=interpreter, TARGET="compile").stdout
        for line in told.splitlines():
            if f"--file {ROOT}/{file} " in line:
                given = set(re.findall(r"--build-arg (\w+)=", line)) - {"SOURCE_DATE_EPOCH"}
                assert given == asked


def test_the_comments_of_a_dockerfile_fit_the_screen() -> None:
    for path in (ROOT / "Dockerfile", *(ROOT / "docker").iterdir()):
        for line in path.read_text().splitlines():
            assert not line.lstrip().startswith("#") or len(line) <= 110, line


def test_the_locks_become_labels(tool: Tool) -> None:
    told = tool("build", BASE="debian", INTERPRETER="conda").stdout
    for argument, name in (("REQUIREMENTS_LOCK", "requirements.lock"), ("CONDA_LOCK", "conda-lock.yml")):
        sha256 = hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
        assert f"--build-arg {argument}=sha256:{sha256} " in told


def test_the_time_is_a_constant_unless_it_is_given(tool: Tool) -> None:
    given = {"BASE": "debian", "INTERPRETER": "base"}
    for told, time in ({}, "315532800"), ({"SOURCE_DATE_EPOCH": "12345"}, "12345"):
        assert f"--build-arg SOURCE_DATE_EPOCH={time} " in tool("build", **given, **told).stdout
        done = tool("build", version="buildah version 1.28.2 (image-spec 1.1)", **given, **told)
        assert done.stdout.split()[0] == "build", done.stderr
        assert f"--layers --timestamp {time} --identity-label=false" in done.stdout
        assert "SOURCE_DATE_EPOCH" not in done.stdout
    assert "SOURCE_DATE_EPOCH is 'now'" in refusal(tool("build", SOURCE_DATE_EPOCH="now", **given), 2)


def test_buildah_only_builds(tool: Tool) -> None:
    for word in ("run", "size", "test-base"):
        assert "only builds" in refusal(tool(word, version="buildah version 1.28.2 (image-spec 1.1)"), 2)


def test_a_dirty_tree_says_so(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for folder in ("tools", "src/samebits"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    git = ("git", "-C", copy, "-c", "user.name=a", "-c", "user.email=a@b")
    ask = ("python3", "-B", "-c", "import image; print(image.commit())")
    variables = {"PYTHONPATH": str(copy / "tools")}
    assert run(*ask, **variables).stdout == "\n"  # no checkout
    for step in (("init", "-q"), ("add", "."), ("commit", "-qm", "one")):
        assert run(*git, *step).returncode == 0
    sha = run(*git, "rev-parse", "HEAD").stdout.strip()
    assert run(*ask, **variables).stdout.strip() == sha
    (copy / "new").touch()
    assert run(*ask, **variables).stdout.strip() == f"{sha}-dirty"


def test_wrong_use(tool: Tool) -> None:
    assert "usage" in refusal(tool("bulid"), 2)
    assert "usage" in refusal(tool("size", "all"), 2)
    assert "TARGET is 'all'" in refusal(tool("build", TARGET="all"), 2)
    assert "INTERPRETER is 'pyenv'" in refusal(tool("build", INTERPRETER="pyenv"), 2)
    assert "CA bundle /nonexistent" in refusal(tool("build", INTERPRETER="base", CA="/nonexistent"), 2)
