"""The image, built and run by a real engine."""

import hashlib
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import FRAMEWORKS, one_line

from .conftest import MARKER, NAME, ROOT, TOOL, Done, refusal, run

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]

CALLER = 4711  # a user that neither the host nor the image knows
HARDENED = (
    "--read-only",
    "--network=none",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--tmpfs=/tmp",
)
CUDA_ROWS = {"samebits.cuda": "nvidia-cuda-runtime-cu12", "samebits.cudnn": "nvidia-cudnn-cu12"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the caller's, to be mounted; root can give it away, others are the caller themselves."""
    folder = tmp_path / "work"
    folder.mkdir()
    if os.getuid() == 0:
        os.chown(folder, CALLER, CALLER)
    return folder


def as_caller(folder: Path) -> tuple[str, ...]:
    """Run as the folder's owner, with the folder as /workspace."""
    owner = folder.stat()
    return f"--user={owner.st_uid}:{owner.st_gid}", f"--volume={folder}:/workspace"


def weights(folder: Path) -> str:
    """The hash of the only run in a folder of runs."""
    (file,) = folder.glob("*/weights.safetensors")
    return hashlib.sha256(file.read_bytes()).hexdigest()


# ---------------------------------------------------------------- it trains


# One framework is enough to compare the image with the environment; `make proof` does the other, too.
OTHERS = [pytest.param(framework, marks=pytest.mark.slow) for framework in FRAMEWORKS[1:]]


@pytest.mark.parametrize("framework", [FRAMEWORKS[0], *OTHERS])
def test_trains_to_the_same_bits_as_outside(
    contain: Callable[..., Done], start: Callable[..., Done], folder: Path, tmp_path: Path, framework: str
) -> None:
    """Hardened, as an unknown user, with data workers; the run comes out, and belongs to the caller."""
    arguments = ("train", "--epochs", "1", "--workers", "2")
    options = (*HARDENED, *as_caller(folder), f"--env=FRAMEWORK={framework}")
    inside = contain(*arguments, options=options)
    assert inside.returncode == 0, inside.stderr
    outside = start(*arguments, "--run", tmp_path / "outside" / "run", FRAMEWORK=framework)
    assert outside.returncode == 0, outside.stderr
    assert weights(folder / "runs") == weights(tmp_path / "outside")
    assert weights(folder / "runs") in inside.stdout
    assert {path.stat().st_uid for path in (folder / "runs").rglob("*")} == {folder.stat().st_uid}


def test_trains_by_default(contain: Callable[..., Done], start: Callable[..., Done], tmp_path: Path) -> None:
    """`docker run IMAGE`, nothing else: as the image's own user, with no volume."""
    inside = contain()
    assert inside.returncode == 0, inside.stderr
    outside = start("train", "--run", tmp_path / "outside" / "run")
    assert weights(tmp_path / "outside") in inside.stdout, outside.stderr


@pytest.mark.slow  # `make docker-smoke` does it, below
def test_smoke_inside(contain: Callable[..., Done]) -> None:
    done = contain("smoke", "--epochs", "1", options=(*HARDENED, "--tmpfs=/workspace:mode=1777"))
    assert done.returncode == 0, done.stderr
    assert len(set(re.findall(r"\b[0-9a-f]{64}\b", done.stdout))) == 1, done.stdout


def test_a_users_own_script(contain: Callable[..., Done], folder: Path) -> None:
    (folder / "my.py").write_text(
        "import os, samebits, torch\n"
        "samebits.seed_everything(0)\n"
        "open('made', 'w').write(os.environ['PYTHONHASHSEED'])\n"
        "print([round(x, 4) for x in torch.rand(5).tolist()])\n"
    )
    done = contain("python", "my.py", options=as_caller(folder))
    assert (done.stderr, done.stdout.strip()) == ("", "[0.4963, 0.7682, 0.0885, 0.132, 0.3074]")
    assert (folder / "made").read_text() == "0"
    assert (folder / "made").stat().st_uid == folder.stat().st_uid


@pytest.mark.parametrize("command", ["image", "docker-train", "docker-smoke", "image-size"])
def test_the_makefiles_commands(image: str, base: str, command: str) -> None:
    """As the README has them; the Dockerfile's own base needs a registry, so the base is given."""
    given = [f"IMAGE={image}", f"BASE={base}", "INTERPRETER=base", "ARGS=--epochs 1"]
    done = run("make", "-C", ROOT, command, *given, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    said = {
        "docker-train": r"^sha256 [0-9a-f]{64}  runs/",
        "docker-smoke": "^same bits: 2 runs",
        "image-size": "ratio",
    }
    assert re.search(said.get(command, ""), done.stdout, re.MULTILINE), done.stdout


# ---------------------------------------------------------------- it behaves as a command


def test_exit_statuses_pass_through(contain: Callable[..., Done]) -> None:
    assert contain("sh", "-c", "exit 7").returncode == 7
    assert "--epochs" in refusal(contain("train", "--epochs", "none"), 2)


def test_the_entrypoint_refuses(contain: Callable[..., Done]) -> None:
    done = contain(options=("--env=CUBLAS_EMULATE_SINGLE_PRECISION=1",))
    assert "CUBLAS_EMULATE_SINGLE_PRECISION" in refusal(done, 2)


@pytest.mark.parametrize(
    "init", [(), pytest.param(("--init",), marks=pytest.mark.slow)], ids=["bare", "init"]
)
def test_a_stop_saves_the_training_and_the_next_start_resumes(
    docker: str,
    container: Callable[..., str],
    contain: Callable[..., Done],
    start: Callable[..., Done],
    folder: Path,
    tmp_path: Path,
    init: tuple[str, ...],
) -> None:
    command = ("train", "--epochs", "16")
    name = container(*command, options=(*init, *as_caller(folder)))
    deadline = time.monotonic() + 120
    while "accuracy" not in run(docker, "logs", name).stdout:
        assert time.monotonic() < deadline, run(docker, "logs", name).stderr
        time.sleep(0.5)
    assert [path.name for path in (folder / "runs").iterdir()] != []
    begun = time.monotonic()
    run(docker, "stop", "--time=60", name)
    assert time.monotonic() - begun < 20
    state = json.loads(run(docker, "inspect", "--format", "{{json .State}}", name).stdout)
    assert state["ExitCode"] == 75
    assert "SIGTERM: saved after step" in one_line(run(docker, "logs", name).stderr)
    if init:  # once is enough
        return
    # The next start continues, to the bits of a training that nobody stopped.
    again = contain(*command, options=(*init, *as_caller(folder)))
    assert "resumes after step" in again.stdout, again.stderr
    whole = start(*command, "--run", tmp_path / "whole" / "run")
    assert weights(folder / "runs") == weights(tmp_path / "whole"), whole.stderr


# A first process without a handler of its own; the second is stopped while it imports torch.
@pytest.mark.parametrize("command", [("python", "-c", "import time; time.sleep(99)"), ("train",)])
def test_a_stop_reaches_what_has_no_handler_yet(
    docker: str, container: Callable[..., str], command: tuple[str, ...]
) -> None:
    name = container(*command)
    time.sleep(1)
    begun = time.monotonic()
    run(docker, "stop", "--time=60", name)
    assert time.monotonic() - begun < 20
    assert run(docker, "inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip() == "143"


def test_a_kill_is_told(docker: str, container: Callable[..., str]) -> None:
    name = container("sleep", "99", options=("--init",))
    run(docker, "kill", name)
    assert run(docker, "wait", name).stdout.strip() == "137"


@pytest.mark.parametrize(("init", "left"), [(("--init",), "0"), ((), "1")], ids=["init", "bare"])
def test_init_leaves_no_zombie(contain: Callable[..., Done], init: tuple[str, ...], left: str) -> None:
    """What a killed process had started: without --init it stays a zombie while the container lives."""
    code = (
        "import glob, subprocess, time\n"
        "subprocess.run(['sh', '-c', 'sleep 0.2 & kill -KILL $$'])\n"
        "time.sleep(1)\n"
        "states = [open(name).read().rpartition(')')[2] for name in glob.glob('/proc/[0-9]*/stat')]\n"
        "print(sum(state.startswith(' Z') for state in states))\n"
    )
    assert contain("python", "-c", code, options=init).stdout.strip() == left


# ---------------------------------------------------------------- shared memory, compilers


def test_too_little_shared_memory_is_one_line(contain: Callable[..., Done], folder: Path) -> None:
    """In the starter, and in a user's own script with torch's own loader, whose error nobody catches."""
    options = ("--init", *as_caller(folder))
    done = contain("train", "--workers", "2", "--batch-size", "512", options=("--shm-size=64k", *options))
    assert "--shm-size" in refusal(done, 2)
    assert list((folder / "runs").iterdir()) == []
    (folder / "my.py").write_text(
        "import torch, samebits.torch\n"
        "samebits.torch.make_deterministic()\n"
        "data = torch.utils.data.TensorDataset(torch.zeros(64, 100_000))\n"
        "print(sum(len(x) for x, in torch.utils.data.DataLoader(data, batch_size=32, num_workers=2)))\n"
    )
    done = contain("python", "my.py", options=("--shm-size=4m", *options))
    line = refusal(done, 1)
    assert "/dev/shm holds 4 MiB" in line
    assert "--shm-size" in line
    assert "lack shared memory (there is no /dev/shm)" in refusal(
        contain("python", "my.py", options=("--ipc=none", *options)), 1
    )
    enough = contain("python", "my.py", options=("--shm-size=64m", *options))
    assert (enough.returncode, enough.stdout) == (0, "64\n"), enough.stderr


def test_the_doctor_tells_the_shared_memory(contain: Callable[..., Done]) -> None:
    for size, outcome in ("64m", "warn"), ("1g", "ok"):
        findings = json.loads(contain("doctor", "--json", options=(f"--shm-size={size}",)).stdout)
        assert [finding["outcome"] for finding in findings if finding["subject"] == "shared memory"] == [
            outcome
        ]


COMPILED = """
import torch, samebits, samebits.torch
samebits.torch.make_deterministic()
samebits.seed_everything(0)
model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
print(torch.compile(model)(torch.ones(4, 8)).detach().numpy().tobytes().hex())
"""
# What Triton builds before its first kernel, for a GPU that is not here: a module of Python in C.
LAUNCHER = """
import pathlib, samebits.torch
samebits.torch.make_deterministic()
from triton.runtime.build import _build
pathlib.Path("/tmp/main.c").write_text("#include <Python.h>\\nint answer(void) { return PY_VERSION_HEX; }")
print(_build("launcher", "/tmp/main.c", "/tmp", [], [], [], []))
"""


def test_without_a_compiler_it_is_one_line(contain: Callable[..., Done]) -> None:
    for code in COMPILED, LAUNCHER:
        assert "`make image TARGET=compile`" in refusal(contain("python", "-c", code), 1)


@pytest.mark.slow
def test_the_target_compile_compiles_and_repeats(docker: str, compiling: str) -> None:
    """As the image's own user, in two containers, so that the second finds no cache of the first."""
    # Or Inductor tries each instruction set out in a process of its own, each of which imports torch.
    trusting = "--env=TORCHINDUCTOR_VEC_ISA_OK=1"
    options = ("--rm", "--init", "--network=none", "--cap-drop=ALL", trusting, compiling)
    command = ("run", *options, "python", "-c", COMPILED)
    first, second = (run(docker, *command, timeout=900) for _ in range(2))
    assert re.fullmatch(r"[0-9a-f]{64}\n", first.stdout), first.stderr  # 4 x 2 floats
    assert first.stdout == second.stdout
    launcher = run(docker, "run", *options, "python", "-c", LAUNCHER)
    assert launcher.stdout.startswith("/tmp/launcher"), launcher.stderr
    assert run(docker, "run", *options, "id", "-u").stdout == "1000\n"


def test_exec_goes_through_the_entrypoint_or_is_told(docker: str, container: Callable[..., str]) -> None:
    name = container("sleep", "300", options=("--init",))
    seeded = ("python", "-c", "import samebits; samebits.seed_everything(0)")
    through = run(docker, "exec", name, "/opt/samebits/entrypoint", *seeded)
    assert (through.returncode, through.stderr) == (0, "")
    past = run(docker, "exec", name, *seeded)
    assert "samebits exec --" in refusal(past, 0)


# ---------------------------------------------------------------- what is in it


def test_the_labels_are_what_is_installed(docker: str, image: str, contain: Callable[..., Done]) -> None:
    labels = json.loads(run(docker, "inspect", "--format", "{{json .Config.Labels}}", image).stdout)
    ask = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
    installed = contain("python", "-c", ask, *CUDA_ROWS.values()).stdout.split()
    assert [labels[name] for name in CUDA_ROWS] == installed
    inside = contain("sha256sum", "/opt/samebits/requirements.lock").stdout
    assert labels["samebits.lock.requirements"] == f"sha256:{inside[:64]}"
    assert labels["samebits.lock.conda"] == ""  # its Python is the base's
    if commit := run("git", "-C", ROOT, "rev-parse", "HEAD").stdout.strip():
        assert re.fullmatch("[0-9a-f]{40}", commit)
        assert re.fullmatch("[0-9a-f]{40}(-dirty)?", labels["org.opencontainers.image.revision"])


def test_any_base_asks_for_the_gpu_and_a_driver_of_the_locked_cuda(docker: str, image: str) -> None:
    """What NVIDIA's base would have set. Debian's has none of it."""
    variables = json.loads(run(docker, "inspect", "--format", "{{json .Config.Env}}", image).stdout)
    told = dict(row.split("=", 1) for row in variables)
    cuda = re.search(r"^nvidia-cuda-runtime-cu12==(\d+\.\d+)", (ROOT / "requirements.lock").read_text(), re.M)
    assert {name: value for name, value in told.items() if name.startswith("NVIDIA_")} == {
        "NVIDIA_VISIBLE_DEVICES": "all",
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        "NVIDIA_REQUIRE_CUDA": f"cuda>={cuda and cuda[1]}",
    }


def test_the_libraries_are_asked(contain: Callable[..., Done]) -> None:
    """The build's own check, with the versions of another CUDA and of another cuDNN."""
    script = ROOT / "tools" / "cuda_versions.py"
    locked = dict(re.findall(r"^(nvidia-\S+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    cuda, cudnn = (locked[row] for row in CUDA_ROWS.values())
    for told, status in ((cuda, cudnn), 0), (("12.4.127", cudnn), 1), ((cuda, "9.8.0.87"), 1):
        done = contain("python", "/tmp/check.py", *told, options=(f"--volume={script}:/tmp/check.py:ro",))
        assert done.returncode == status, done.stderr
        assert status == 0 or "but its wheel says" in refusal(done, 1)


def test_nobody_is_root_and_nothing_can_be_changed(contain: Callable[..., Done]) -> None:
    assert contain("id", "-u").stdout.strip() == "1000"
    assert contain("find", "/opt", "-writable", "-not", "-type", "l").stdout == ""


def test_there_is_no_cache_and_no_installer(contain: Callable[..., Done]) -> None:
    """The base's packages are the base's; outside of them nothing is left of the build's tools."""
    tools = "-name uv -o -name pip -o -name '*.whl' -o -name '*.tar.gz' -o -name requirements-dev.lock"
    as_root = ("--user=0", "--entrypoint=sh")  # past the entrypoint, which makes a cache folder
    everywhere = f"find /opt /root /home /run /tmp /var/tmp -type f '(' {tools} ')'"
    empty = "find /run /tmp /var/tmp /workspace -type f"
    done = contain("-c", f"{everywhere}; {empty}", options=as_root)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_ca_bundle_is_not_kept(docker: str, image: str, contain: Callable[..., Done]) -> None:
    search = f"find / -xdev -type f -size -1024k -print0 | xargs -0 grep -lF '{MARKER}'"
    as_root = ("--user=0", "--entrypoint=sh")
    assert contain("-c", search, options=as_root).stdout == ""
    done = contain("-c", f"echo '# {MARKER}' > /tmp/kept; {search}", options=as_root)
    assert done.stdout == "/tmp/kept\n"  # so the search would have found it
    history = run(docker, "history", "--no-trunc", image).stdout
    assert MARKER not in history
    assert "ca.pem" not in history


def test_the_size_is_little_more_than_the_wheels(image: str) -> None:
    done = run(TOOL, "size", IMAGE=image)
    assert done.returncode == 0, done.stderr
    assert 1 < float(done.stdout.rpartition(" ")[2]) < 1.1, done.stdout


def test_ones_own_code_is_a_layer_of_kilobytes(
    docker: str, image: str, build: Callable[..., Done], tmp_path: Path
) -> None:
    """A changed source file leaves every layer but the last as it was, whatever the umask of the checkout."""
    copy = tmp_path / "copy"
    leave = shutil.ignore_patterns(".git", ".venv*", "runs", ".cache", ".proof", ".*_cache", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=leave)
    with open(copy / "src" / "starter" / "settings.py", "a") as file:
        file.write("\n# my own line\n")
    for path in (copy / "src").rglob("*.py"):
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    changed = f"{NAME}:changed"
    try:
        built = build(tool=copy / "tools" / "image.py", IMAGE=changed)
        assert built.returncode == 0, built.stderr[-3000:]
        before, after = (
            json.loads(run(docker, "inspect", "--format", "{{json .RootFS.Layers}}", name).stdout)
            for name in (image, changed)
        )
        assert after[:-1] == before[:-1]
        assert after[-1] != before[-1]
        sizes = [int(size) for size in run(
            docker, "history", "--human=false", "--format", "{{.Size}}", changed
        ).stdout.split()]  # fmt: skip
        assert 0 < next(size for size in sizes if size) < 3_000_000
        read = run(docker, "run", "--rm", changed, "tail", "-n1", "/opt/samebits/src/starter/settings.py")
        assert read.stdout == "# my own line\n", read.stderr
    finally:
        run(docker, "rmi", changed)


# ---------------------------------------------------------------- builds that must fail


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("CUDA=12.4.127", "the build was told nvidia-cuda-runtime-cu12 12.4.127, but its wheel says "),
        ("CUDNN=9.8.0.87", "the build was told nvidia-cudnn-cu12 9.8.0.87, but its wheel says "),
        (f"REQUIREMENTS_LOCK=sha256:{'0' * 64}", "a lock's sha256 is not REQUIREMENTS_LOCK or CONDA_LOCK"),
        (f"CONDA_LOCK=sha256:{'0' * 64}", "a lock's sha256 is not REQUIREMENTS_LOCK or CONDA_LOCK"),
    ],
)
def test_a_wrong_label_fails_the_build(image: str, build: Callable[..., Done], told: str, said: str) -> None:
    done = build("--build-arg", told, IMAGE=f"{NAME}:wrong")
    assert done.returncode == 1
    assert f"samebits: {said}" in done.stderr


def test_a_base_without_python_fails_the_build(
    docker: str, base: str, build: Callable[..., Done], tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {base}\nRUN rm /usr/bin/python3.11\n")
    bare = f"{NAME}:bare"
    try:
        made = run(docker, "build", "--tag", bare, tmp_path, DOCKER_BUILDKIT="1")
        assert made.returncode == 0, made.stderr
        done = build(BASE=bare, IMAGE=f"{NAME}:wrong")
        assert done.returncode == 1
        assert "samebits: INTERPRETER=base needs a BASE that has python3.11" in done.stderr
    finally:
        run(docker, "rmi", bare)
