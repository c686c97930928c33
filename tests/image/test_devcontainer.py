"""The dev container, started and entered by docker as .devcontainer/devcontainer.json tells an editor to."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import FRAMEWORKS, copy_repository
from tests.test_project import with_comments

from .conftest import ROOT, Done, refusal, run

# An image of its own, after the one that all others share.
pytestmark = [pytest.mark.image, pytest.mark.slow, pytest.mark.timeout(1800)]

INSIDE = "/workspaces/clone"
ELSEWHERE = "make image"  # the image is the tests' own


class Entered:
    """A dev container that is running."""

    def __init__(self, docker: str, image: str, clone: Path) -> None:
        self.docker, self.image, self.clone = docker, image, clone
        self.told = with_comments(".devcontainer/devcontainer.json")
        prepare = self.told["initializeCommand"].replace(ELSEWHERE, "true")
        subprocess.run(prepare, shell=True, cwd=clone, check=True)
        if os.getuid() == 0:  # on a desktop the clone is the user's
            run("chown", "-R", self.told["containerUser"], clone)
        bundle = os.environ.get("SSL_CERT_FILE")
        options = [
            *self.told["runArgs"],
            *(["--init"] * self.told["init"]),
            f"--user={self.told['containerUser']}",
            f"--mount=type=bind,source={clone},target={INSIDE}",
            *(f"--mount={self.filled(mount)}" for mount in self.told["mounts"]),
            *(f"--env={name}={value}" for name, value in self.told["containerEnv"].items()),
            # How this machine reaches a package index.
            "--network=host",
            *([f"--volume={bundle}:/tmp/ca.pem:ro", "--env=SSL_CERT_FILE=/tmp/ca.pem"] if bundle else []),
            f"--env=UV_DEFAULT_INDEX={run(ROOT / 'src/samebits/bootstrap/pip-index').stdout.strip()}",
        ]
        assert self.told["overrideCommand"]
        wait = ("--entrypoint=/bin/sh", image, "-c", "sleep 1800")
        started = run(docker, "run", "--rm", "--detach", *options, *wait)
        assert started.returncode == 0, started.stderr
        self.container = started.stdout.strip()

    def filled(self, text: str) -> str:
        text = text.replace("${localWorkspaceFolder}", str(self.clone))
        path = run(self.docker, "inspect", "--format", "{{json .Config.Env}}", self.image).stdout
        path = path.partition('"PATH=')[2].partition('"')[0]
        return text.replace("${containerWorkspaceFolder}", INSIDE).replace("${containerEnv:PATH}", path)

    def run(self, *command: str, timeout: float = 600) -> Done:
        """A process as the editor starts it: past the image's entrypoint, with remoteEnv."""
        variables = [f"--env={name}={self.filled(value)}" for name, value in self.told["remoteEnv"].items()]
        return run(
            self.docker, "exec", *variables, f"--workdir={INSIDE}", self.container, *command, timeout=timeout
        )


@pytest.fixture(scope="module")
def entered(docker: str, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entered]:
    """A clone, its dev container, and in it what postCreateCommand makes."""
    clone = copy_repository(tmp_path_factory.mktemp("devcontainer") / "clone")
    for folder in clone.parents:  # pytest's folders are its user's only
        if folder.is_relative_to("/tmp") and folder != Path("/tmp") and folder.stat().st_uid == os.getuid():
            folder.chmod(0o755)
    (clone / ".venv-uv/bin").mkdir(parents=True)
    shutil.copy(ROOT / ".venv/bin/uv", clone / ".venv-uv/bin/uv")
    entered = Entered(docker, image, clone)
    yield entered
    run(docker, "rm", "--force", entered.container)
    shutil.rmtree(clone)


@pytest.fixture(scope="module")
def ready(entered: Entered) -> Entered:
    made = entered.run(*entered.told["postCreateCommand"].split())
    if "Failed to fetch" in made.stderr or "error sending request" in made.stderr:
        pytest.skip(f"needs a package index: {made.stderr.strip()}")
    assert made.returncode == 0, made.stderr
    return entered


def test_it_is_the_image_itself(entered: Entered) -> None:
    assert entered.told["image"] == "samebits"
    ids = [run(entered.docker, "inspect", "--format", what, name).stdout for what, name in (
        ("{{.Image}}", entered.container),
        ("{{.Id}}", entered.image),
    )]  # fmt: skip
    assert ids[0] == ids[1]


def test_the_wheels_are_the_images_and_the_project_is_the_clones(ready: Entered) -> None:
    framework = FRAMEWORKS[0]
    ask = f"import pytest, samebits, {framework}, starter.data as data; "
    ask += f"print(samebits.__file__, data.__file__, {framework}.__file__)"
    done = ready.run("./entrypoint", "python", "-c", ask)
    assert done.stdout.split() == [
        f"{INSIDE}/src/samebits/__init__.py",
        f"{INSIDE}/src/starter/data.py",
        f"/opt/samebits/.venv/lib/python3.11/site-packages/{framework}/__init__.py",
    ], done.stderr
    # The host's own environment is as it was, and nothing is installed twice.
    assert list((ready.clone / ".venv").iterdir()) == []
    assert int(run("du", "-sm", ready.clone).stdout.split()[0]) < 1500
    assert ready.run(*ready.told["postCreateCommand"].split()).stderr == ""


def test_another_lock_is_another_image(ready: Entered) -> None:
    lock = ready.clone / "requirements.lock"
    text = lock.read_text()
    try:
        lock.write_text(f"# changed\n{text}")
        assert "another requirements.lock" in refusal(ready.run("src/samebits/bootstrap/create-env"), 2)
    finally:
        lock.write_text(text)


def test_it_trains_to_the_images_bits(ready: Entered, contain: Callable[..., Done]) -> None:
    inside = ready.run("./entrypoint", "train", "--epochs", "1")
    assert inside.returncode == 0, inside.stderr
    outside = contain("train", "--epochs", "1")
    assert inside.stdout.splitlines()[-2] == outside.stdout.splitlines()[-2]
    assert inside.stdout.splitlines()[-2].startswith("sha256 ")


def test_what_the_editor_starts_itself_is_right(ready: Entered) -> None:
    """Tests and debugger: Python with python.envFile, past every entrypoint."""
    read = 'while IFS= read -r row; do export "$row"; done < .venv/entrypoint.env; exec "$@"'
    seeded = ("python", "-c", "import samebits; samebits.seed_everything(0); print(samebits.__file__)")
    done = ready.run("sh", "-c", read, "sh", *seeded)
    assert (done.stdout, done.stderr) == (f"{INSIDE}/src/samebits/__init__.py\n", "")
    tests = ("python", "-m", "pytest", "-q", "tests/samebits/process/test_variables.py")
    done = ready.run("sh", "-c", read, "sh", *tests)
    assert done.returncode == 0, done.stdout
    assert "samebits exec --" in ready.run(*seeded).stderr


def test_a_terminal_goes_through_entrypoint(ready: Entered) -> None:
    done = ready.run("sh", "-c", "echo 'echo $PYTHONHASHSEED; command -v python' | ./entrypoint shell")
    assert done.stdout.split()[-2:] == ["0", f"{INSIDE}/.venv/bin/python"], done.stderr
