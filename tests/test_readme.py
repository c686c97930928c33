"""Every command of the README, executed in a fresh copy of the repository, as a newcomer would type it.

Long ones are sampled: what is appended here shortens a training, never skips it.
"""

import os
import re
import shutil
import subprocess

import pytest
from tests.conftest import ROOT, copy_repository

# What a `make test ARGS=…` above these tests hands down.
FROM_MAKE = ("ARGS", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")
SHORTER = {
    "make train FRAMEWORK=keras": 'ARGS="--epochs 1"',  # only: both
    "make smoke": 'ARGS="--epochs 1"',
    "make smoke RUNS=10 JOBS=2": 'RUNS=2 ARGS="--epochs 1"',
    "make smoke NET=hazards": "",
    "make resume-proof": 'KILLS=1 ONLY="kill"',
    "make smoke-controls": 'ARGS="--only seed"',
    "make matrix": 'ONLY=process ARGS="--epochs 1"',
    "make train SEEDS=5": 'SEEDS=2 ARGS="--epochs 1"',
    "./entrypoint samebits verify runs/torch": "",  # only: torch
    "./entrypoint samebits verify runs/keras": "",  # only: keras alone
    "./entrypoint samebits fingerprint diff torch-cpu runs/torch": "|| test $? = 1",  # only: torch
    "./entrypoint samebits fingerprint diff keras-cpu runs/keras": "|| test $? = 1",  # only: keras alone
    "./entrypoint samebits lint src/starter": "",
    "./entrypoint doctor --deep": "",
    "make train PROFILE=portable": 'ARGS="--epochs 1"',
    "make portable-check": 'ARGS="--table numpy"',
    "make portable-proof": 'ARGS="--cpu EPYC --table numpy --part numpy.exp"',
    "make bench": 'ARGS="entrypoint --rounds 1"',
    "make proof": "ARGS=lint",
    "make train": "",
    "make doctor": "",
    "make lock-check": "",
    "make attest": "",
    "make sbom": "",
    "cookiecutter .": "--no-input --output-dir ../made",  # only: template
    "make": "",
}
ELSEWHERE = {
    "make wheel": "tests/test_wheel.py runs what it calls",  # only: template
    "make test": "is what runs this test",
    "make image-test": "tests/image is part of `make test`",
    "make image": "tests/image/test_image.py runs it, on a base that needs no registry",
    "make image-reproduce": "tests/image/test_reproduce.py runs it, with a small lock",
    "make image-save": "tests/image/test_keep.py runs it",
    "make image-load": "tests/image/test_keep.py runs it",
    "make mirror": "tests/image/test_keep.py runs it",
    "make c-library-proof": "tests/samebits/proof/portable/test_images.py runs what it calls",
    "make notebook": "tests/notebooks/test_server.py runs it",
    "make update-base": "tests/image/test_update_base.py runs it",
    "make docker-train": "tests/image/test_image.py runs it",
    "make docker-smoke": "tests/image/test_image.py runs it",
    "make env": "tests/samebits/bootstrap/test_create_env.py runs what it calls",
    "make lock": "tests/samebits/lock/test_command.py runs what it calls, where a package index answers",
}


def commands() -> list[str]:
    readme = (ROOT / "README.md").read_text()
    others = r"^<!-- only: \w+ alone -->\n.*?^<!-- only: \w+ -->\n"  # of a project with one framework
    readme = re.sub(others, "", readme, flags=re.DOTALL | re.MULTILINE)
    blocks = re.findall(r"^```sh\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    lines = (line.partition("#")[0].strip() for block in blocks for line in block.splitlines())
    inline = re.findall(r"`(make[^`]*|samebits exec [^`]*|\./entrypoint [^`]*)`", readme)
    return list(dict.fromkeys([*filter(None, lines), *inline]))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """The repository as a newcomer has it."""
    copy = copy_repository(tmp_path_factory.mktemp("newcomer") / "samebits")
    subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
    yield copy
    shutil.rmtree(copy)  # pytest keeps the folders of three sessions, and this one has an environment of 9 GB


def test_the_readme_has_commands():
    assert {"make train", "make test", "make smoke", "make image"} <= set(commands())


@pytest.mark.parametrize("command", commands())
def test_command(fresh, command):
    if command in ELSEWHERE:
        pytest.skip(ELSEWHERE[command])
    shorter = SHORTER.get(command, "")
    if "apt-get" in command:
        if os.getuid() != 0 or not shutil.which("apt-get"):
            pytest.skip("installing Debian's packages needs root and apt-get")
        command = command.removeprefix("sudo ")
    elif command.startswith("cookiecutter"):  # only: template
        command = f"{ROOT}/.venv/bin/{command}"  # only: template
    elif "my_script.py" in command:
        (fresh / "my_script.py").write_text("import os; print(os.environ['OMP_NUM_THREADS'])\n")
        command = f'PATH="$PWD/.venv/bin:$PATH" {command}' if command.startswith("samebits") else command
    elif command not in SHORTER and not re.fullmatch(r'make train (FRAMEWORK=\w+|ARGS="[-\w ]+")', command):
        pytest.fail(f"the README has a new command that no test executes: {command}")
    done = subprocess.run(
        f"{command} {shorter}",
        shell=True,
        cwd=fresh,
        env={name: value for name, value in os.environ.items() if name not in FROM_MAKE},
        capture_output=True,
        text=True,
        timeout=850,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    if command.startswith("make train"):
        told = r"^seed \d+: sha256 [0-9a-f]{64}" if "SEEDS" in command else r"^sha256 [0-9a-f]{64}  runs/"
        assert re.search(told, done.stdout, re.MULTILINE)
