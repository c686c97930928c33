"""One image for all tests: the whole lock on a Debian base made on the spot, built once and then reused."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest
from tests.conftest import one_line

from samebits import container_engine

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "image.py"
BASE = "samebits-base:bookworm"
NAME = "samebits-test"
# A line that a build is given as part of its CA bundle, and that must be nowhere in what it makes.
MARKER = "samebits-test: the certificate of a company"
REGISTRY = """version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""

# Measured: the layer of all wheels, uv's cache of them that a build keeps, and a dev container's clone.
LAYER, CACHE, CLONE = 10_100_000_000, 9_600_000_000, 1_500_000_000
OURS = "samebits.test"  # a label of every image that a test builds, by which it is known to be one

Done = subprocess.CompletedProcess[str]


def run(*command: object, timeout: float = 300, **variables: str) -> Done:
    """Run a command with these variables added to the environment."""
    environment = {**os.environ, **variables}
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=timeout, env=environment
    )


def refusal(done: Done, status: int) -> str:
    """The one line of a command that was refused."""
    assert done.returncode == status, done.stderr
    return one_line(done.stderr)


def inputs() -> str:
    """A hash of everything that .dockerignore lets into the build, and of the Dockerfiles."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    files = [ROOT / "Dockerfile", ROOT / ".dockerignore", *sorted((ROOT / "docker").iterdir())]
    for name in allowed:
        files += sorted((ROOT / name).rglob("*")) if (ROOT / name).is_dir() else [ROOT / name]
    digest = hashlib.sha256()
    for path in files:
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_mode}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def space_needed(lock: str, former: Collection[str]) -> int:
    """Bytes that building the whole image takes, and the containers of the tests.

    Args:
        lock: the SHA-256 of requirements.lock.
        former: that of each image of the tests that is there: the layer of the same wheels is used again.
    """
    return CLONE + (0 if lock in former else LAYER + CACHE)


def lacking_space(free: int, needed: int, folder: object) -> str:
    """Why an image cannot be built in this much space, in one line; empty when it can."""
    if free >= needed:
        return ""
    return (
        f"an image needs {needed / 1e9:.1f} GB in {folder}, and {free / 1e9:.1f} GB are free: "
        "`docker builder prune` frees what former builds left"
    )


def engine_folder(docker: str) -> Path | None:
    """Where the engine keeps its images; None where that is on another machine, or unknown."""
    if not os.environ.get("DOCKER_HOST", "unix://").startswith("unix://"):
        return None
    for field in ("{{.DockerRootDir}}", "{{.Store.GraphRoot}}"):  # docker's name for it, and podman's
        told = run(docker, "info", "--format", field)
        if told.returncode == 0 and Path(told.stdout.strip()).is_dir():
            return Path(told.stdout.strip())
    return None


def skip_without_space(docker: str, lock: Path = ROOT / "requirements.lock", name: str = NAME) -> None:
    """Remove what former tests left, and skip where an image of this lock would still fill the disk."""
    run(docker, "image", "prune", "--force", "--filter", f"label={OURS}")  # those without a name
    folder = engine_folder(docker)
    if folder is None:
        return
    label = '{{index .Config.Labels "samebits.lock.requirements"}}'
    images = run(docker, "images", "--quiet", name).stdout.split()
    former = run(docker, "image", "inspect", "--format", label, *images).stdout.split() if images else []
    sha256 = f"sha256:{hashlib.sha256(lock.read_bytes()).hexdigest()}"
    if lacks := lacking_space(shutil.disk_usage(folder).free, space_needed(sha256, former), folder):
        pytest.skip(lacks)


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Wait until no other worker does this: what it fills meanwhile would look like too small a disk."""
    with (Path(tempfile.gettempdir()) / f"samebits-test-{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A copy of the repository whose image has three wheels: its lock is cut down, and nobody asks for CUDA.

    The two rows that tools/image.py reads for the labels stay, for another Python: nothing is installed.
    """
    copy = tmp_path / "small"
    leave = shutil.ignore_patterns(".git", ".venv*", "runs", ".cache", ".proof", ".*_cache", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=leave)
    lock = (ROOT / "requirements.lock").read_text()
    wheels = re.findall(r"^(?:click|joblib|packaging)==.*\n", lock, re.MULTILINE)
    rows = re.findall(r"^(nvidia-(?:cuda-runtime|cudnn)-cu12==\S+) (.*\n)", lock, re.MULTILINE)
    assert (len(wheels), len(rows)) == (3, 2)
    wheels += [f'{wheel} ; python_version < "3" {hash}' for wheel, hash in rows]
    (copy / "requirements.lock").write_text("".join(wheels))
    (copy / "tools" / "cuda_versions.py").write_text("")
    return copy


@pytest.fixture(scope="session")
def docker() -> str:
    """The client of an engine that answers."""
    engine, asked = container_engine.find()
    if engine is None:
        pytest.skip(
            f"no container engine answers: {'; '.join(client.complaint for client in asked) or 'no client'}"
        )
    return engine.command


@pytest.fixture(scope="session")
def base(docker: str) -> str:
    """A Debian base; skips where Debian's packages cannot be had."""
    made = run(TOOL, "test-base")
    if made.returncode != 0:
        pytest.skip(f"no Debian base to build on: {made.stderr.strip()}")
    return BASE


@pytest.fixture(scope="session")
def build(base: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Done]:
    """`tools/image.py build` on the Debian base, with a CA bundle that ends in MARKER."""
    bundle = tmp_path_factory.mktemp("ca") / "ca.pem"
    system = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
    bundle.write_text(f"{system.read_text() if system.exists() else ''}\n# {MARKER}\n")

    def build(*options: str, tool: Path = TOOL, **variables: str) -> Done:
        variables = {"BASE": base, "INTERPRETER": "base", "IMAGE": NAME, "CA": str(bundle), **variables}
        return run(tool, "build", f"--label={OURS}=", *options, timeout=1500, **variables)

    return build


@pytest.fixture(scope="session")
def image(docker: str, build: Callable[..., Done]) -> str:
    """The image's name, tagged by its inputs; images of former inputs are dropped, their layers stay."""
    name = f"{NAME}:{inputs()}"
    with alone("image"):
        if run(docker, "image", "inspect", name).returncode != 0:
            skip_without_space(docker)
            former = run(docker, "images", "--format", "{{.Repository}}:{{.Tag}}", NAME).stdout.split()
            built = build(IMAGE=name)
            assert built.returncode == 0, built.stderr[-3000:]
            run(docker, "rmi", *former)
    return name


@pytest.fixture(scope="session")
def compiling(docker: str, image: str, build: Callable[..., Done]) -> Iterator[str]:
    """docker/compile.Dockerfile over the same image; skips where the base's packages cannot be had."""
    name = f"{image}-compile"
    built = build(IMAGE=image, TARGET="compile")
    if "Temporary failure resolving" in built.stderr or "Unable to fetch" in built.stderr:
        pytest.skip("no mirror of Debian's packages can be reached from a build")
    assert built.returncode == 0, built.stderr[-3000:]
    yield name
    run(docker, "rmi", name)


@pytest.fixture(scope="session")
def contain(docker: str, image: str) -> Callable[..., Done]:
    """`docker run --rm OPTION … IMAGE ARG …`; keyword `options` are the engine's."""

    def contain(*arguments: object, options: tuple[object, ...] = (), timeout: float = 300) -> Done:
        return run(docker, "run", "--rm", *options, image, *arguments, timeout=timeout)

    return contain


@pytest.fixture
def container(docker: str, image: str) -> Iterator[Callable[..., str]]:
    """Start a container in the background and get its id; removed at the end."""
    started: list[str] = []

    def container(*arguments: object, options: tuple[object, ...] = ()) -> str:
        done = run(docker, "run", "--detach", *options, image, *arguments)
        assert done.returncode == 0, done.stderr
        started.append(done.stdout.strip())
        return started[-1]

    yield container
    for name in started:
        run(docker, "rm", "--force", name)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's registry on a free port of this machine, where Docker wants no certificate: host and port."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("a registry to push to: apt-get install docker-registry")
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = folder / "registry.yml"
    settings.write_text(REGISTRY.format(folder=folder / "data", port=port))
    with subprocess.Popen([program, "serve", settings], stderr=subprocess.DEVNULL) as serving:
        try:
            deadline = time.monotonic() + 30
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                assert time.monotonic() < deadline, "the registry does not answer"
                time.sleep(0.1)
            yield f"localhost:{port}"
        finally:
            serving.terminate()
    shutil.rmtree(folder)  # a base is in it
