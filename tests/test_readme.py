"""Every command of the README and of docs/commands.md, executed as a newcomer would type it, in a fresh copy.

Long ones are sampled: what is appended here shortens a training, never skips it. Where the page shows what a
command prints, the command must print it: a number and a hash stand for any other, `…` for any lines.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import ROOT, copy_repository

from samebits.process.variables import read

PAGES = ("README.md", "docs/commands.md", "docs/environment.md")
# What a `make test ARGS=…` above these tests hands down.
FROM_MAKE = ("ARGS", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")
SHORTER = {
    "make env": "",
    "make train": "",
    "make train FRAMEWORK=keras": 'ARGS="--epochs 1"',
    'make train ARGS="--epochs 5 --seed 7"': "",
    'SAMEBITS_THREADS=2 make train ARGS="--run runs/two-threads"': "",
    "make train SEEDS=5": 'SEEDS=2 ARGS="--epochs 1"',
    "make train PROFILE=portable": 'ARGS="--epochs 1"',
    "make smoke": 'ARGS="--epochs 1"',
    "make smoke NO_RESUME=1": 'ARGS="--epochs 1"',
    "make smoke RUNS=10 JOBS=2": 'RUNS=2 ARGS="--epochs 1"',
    "make smoke NET=hazards": "",
    "make resume-proof": 'KILLS=1 ONLY="kill"',
    "make smoke-controls": 'ARGS="--only seed"',
    "make matrix": 'ONLY=process ARGS="--epochs 1"',
    "make portable-check": 'ARGS="--table numpy"',
    "make portable-proof": 'ARGS="--cpu EPYC --table numpy --part numpy.exp"',
    "make bench": 'ARGS="entrypoint --rounds 1"',
    "make localise": 'ARGS="--only betas"',
    "make proof": "ARGS=lint",
    "make doctor": "",
    "make lock-check": "",
    "make attest": "",
    "make sbom": "",
    "make new": 'ARGS="--no-input"',
    "make": "",
    "cookiecutter .": "--no-input --output-dir ../made",
    "./entrypoint doctor --deep": "",
    "./entrypoint python my_script.py": "",
    "OMP_NUM_THREADS=1 .venv/bin/samebits record -o runs/one -- .venv/bin/python examples/digits.py": "",
    "OMP_NUM_THREADS=2 .venv/bin/samebits record -o runs/two -- .venv/bin/python examples/digits.py": "",
    "./entrypoint samebits diff runs/one runs/two; test $? = 1": "",
    "./entrypoint samebits smoke --files digits.pt python examples/digits.py": "",
    "./entrypoint samebits --help": "",
    "./entrypoint samebits diff runs/torch runs/two-threads": "|| test $? = 1",
    "./entrypoint samebits doctor": "",
    "./entrypoint samebits fingerprint diff runs/torch runs/two-threads": "; test $? = 1",
    "./entrypoint samebits fingerprint diff torch-cpu runs/torch": "|| test $? = 1",
    "./entrypoint samebits lint src/starter": "",
    "./entrypoint samebits smoke python my_script.py": "",
    "./entrypoint samebits verify --help": "",
    "./entrypoint samebits watch -- python my_script.py": "",
    "./entrypoint samebits record -o runs/first -- python my_script.py": "",
    "./entrypoint samebits twice -- python my_script.py": "",
    "./entrypoint samebits verify runs/torch": "",
    "samebits exec -- python my_script.py": "",
}
ELSEWHERE = {
    "make wheel": "tests/test_wheel.py runs what it calls",
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
    "make golden": "tests/samebits/fingerprint/test_golden.py runs what it calls",
    "make lock": "tests/samebits/lock/test_command.py runs what it calls, where a package index answers",
    "make lock ARGS=--upgrade": "tests/samebits/lock/test_command.py runs what it calls",
    "make lock-diff": "tests/samebits/lock/test_command.py runs what it calls",
    "make lock-diff ARGS=--upgrade": "tests/samebits/lock/test_command.py runs what it calls",
    "make lock INDEX=ADDRESS": "tests/samebits/lock/test_thin.py runs what it calls",
    "make lock INDEX=default": "tests/samebits/lock/test_thin.py runs what it calls",
    "make add": "tests/samebits/lock/test_add.py runs what it calls",
    "make add PACKAGE=pandas": "tests/samebits/lock/test_add.py runs what it calls",
    "./entrypoint samebits bisect runs/first runs/second": "tests/samebits/proof/test_why_page.py runs it",
    "./entrypoint samebits add pandas": "tests/samebits/lock/test_add.py runs it, with another package",
    "./entrypoint samebits lock --conda PATH": "tests/samebits/lock/test_command.py runs it",
    "./entrypoint pip install": "tests/test_entrypoint.py runs it",
    "./entrypoint samebits resume-proof --resume-with '--resume {checkpoint}' -- python my_script.py": (
        "tests/samebits/proof/test_own_resume.py runs it, with another script"
    ),
    "./entrypoint doctor": "tests/samebits/doctor/test_report.py runs it",
}
README = (ROOT / "README.md").read_text()


def commands() -> dict[str, list[str]]:
    """Each command of the pages, once, in their order, with the lines that the page shows below it."""
    lines: dict[str, list[str]] = {}
    for page in PAGES:
        text = (ROOT / page).read_text()
        for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            command = ""
            for line in block.splitlines():
                if kind == "sh" or line.startswith("$ "):
                    command = line.removeprefix("$ ").partition(" #")[0].strip()
                    if command:
                        lines.setdefault(command, [])
                else:
                    lines[command].append(line)
        for command in re.findall(
            r"`(make[^`]*|cookiecutter [^`]*|samebits exec [^`]*|\./entrypoint [^`]*)`", text
        ):
            lines.setdefault(" ".join(command.split()), [])
    return lines


COMMANDS = commands()
DEMONSTRATION = [command for command in COMMANDS if "sha256sum digits.pt" in command]


def pattern(shown: list[str]) -> re.Pattern[str]:
    """What an output must match of which a page shows these lines."""
    lines = []
    for line in shown:
        if line == "…":
            lines.append(r"(?:.*\n)*?")
        elif "golden" in line:  # another kind of CPU may have no golden hash yet
            lines.append(r".*golden.*\n")
        elif line.startswith("first difference: "):  # another kind of CPU computes it elsewhere
            lines.append(r"first difference: .*\n")
        else:
            escaped = re.escape(re.sub(r"[0-9a-f]{64}|[0-9a-f]{32}", "HASH", line))
            numbers = re.sub(r"\d+(?:(?:\\\.|,)\d+)*", r"[\\d.,]+", escaped)
            spaced = re.sub(r"(\\ )+", " +", numbers)  # a column is as wide as its longest text
            lines.append(spaced.replace("HASH", "(?:[0-9a-f]{64}|[0-9a-f]{32})") + r" *\n")
    return re.compile("^" + "".join(lines), re.MULTILINE)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The repository as a newcomer has it, with the README's script in it."""
    copy = copy_repository(tmp_path_factory.mktemp("newcomer") / "samebits")
    subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
    (script,) = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    (copy / "my_script.py").write_text(script)
    yield copy
    shutil.rmtree(copy)  # pytest keeps the folders of three sessions, and this one has an environment of 9 GB


@pytest.fixture(scope="module")
def typed(fresh: Path) -> Callable[[str], str]:
    """Runs a command once, as from a shell that no entrypoint was in, and gives what it printed."""
    printed: dict[str, str] = {}
    ours = {*FROM_MAKE, *(row.name for row in read())}
    shell = {
        name: value
        for name, value in os.environ.items()
        if name not in ours and not name.startswith("SAMEBITS_")
    }
    own = f"{ROOT}/.venv/bin"
    shell["PATH"] = os.pathsep.join(part for part in shell["PATH"].split(os.pathsep) if part != own)

    def run(command: str) -> str:
        if command not in printed:
            done = subprocess.run(
                command,
                shell=True,
                cwd=fresh,
                env=shell,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=850,
            )
            assert done.returncode == 0, done.stdout[-4000:]
            printed[command] = done.stdout
        return printed[command]

    return run


def test_the_pages_have_commands():
    assert {"make train", "make test", "make smoke", "make image", "make lock"} <= set(COMMANDS)
    assert len(DEMONSTRATION) == 4
    assert all(COMMANDS[command] for command in DEMONSTRATION)


def test_a_shown_line_that_is_not_printed_is_found():
    shown = ["run 1 of 2: sha256 " + "a" * 64 + "  14.4 s", "…", "same bits"]
    printed = "run 2 of 2: sha256 " + "b" * 64 + "  9.1 s\nmore\nsame bits\n"
    assert pattern(shown).search("before\n" + printed)
    assert not pattern(shown).search(printed.replace("same bits", "other bits"))
    assert not pattern(shown).search(printed.replace("b" * 64, "b" * 60))


@pytest.mark.parametrize("command", COMMANDS)
def test_command(fresh: Path, typed: Callable[[str], str], command: str) -> None:
    if command in ELSEWHERE:
        pytest.skip(ELSEWHERE[command])
    line = f"{command} {SHORTER.get(command, '')}".strip()
    if "apt-get" in command:
        if os.getuid() != 0 or not shutil.which("apt-get"):
            pytest.skip("installing Debian's packages needs root and apt-get")
        line = command.removeprefix("sudo ")
    elif command.startswith(("samebits", "cookiecutter")):
        line = f'PATH="$PWD/.venv/bin:$PATH" {line}'
    elif command not in SHORTER and command not in DEMONSTRATION:
        pytest.fail(f"a page has a new command that no test executes: {command}")
    typed("make env")  # the README's first command; a test that runs alone needs it, too
    if "runs/torch" in command:
        typed("make train")
    printed = typed(line)
    if shown := COMMANDS[command]:
        assert pattern(shown).search(printed), printed[-4000:]
    if "make train" in command:
        told = r"^seed \d+: sha256 [0-9a-f]{64}" if "SEEDS" in command else r"^sha256 [0-9a-f]{64}  runs/"
        assert re.search(told, printed, re.MULTILINE)


def test_the_demonstration(typed: Callable[[str], str]) -> None:
    """The README's claim, whatever the hashes: the same loss, two of them; through entrypoint one."""
    typed("make env")
    results = []
    for command in DEMONSTRATION:
        *losses, hashed = [line for line in typed(command).splitlines() if "samebits:" not in line]
        results.append((losses, hashed.split()[0]))
    (plain, first), (plain_2, second), (ours, same), (ours_2, same_2) = results
    assert len(plain) >= 3
    assert plain == plain_2 == ours == ours_2
    assert first != second
    assert same == same_2


def test_what_a_difference_looks_like(fresh: Path, typed: Callable[[str], str]) -> None:
    """The README's own script, with a line that takes other randomness in every run."""
    typed("make env")
    script = (fresh / "my_script.py").read_text()
    moving = script.replace("    model = ", "    torch.seed()\n    model = ")
    assert moving != script
    (fresh / "moving.py").write_text(moving)
    (shown,) = re.findall(r"^```text\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    printed = typed("./entrypoint samebits smoke python moving.py; test $? = 1")
    for line in shown.splitlines():  # in a pipe the last line, an error's, comes first
        assert pattern([line]).search(printed), printed


def test_the_example_has_no_samebits_in_it():
    text = (ROOT / "examples/digits.py").read_text().split('"""')[2]
    assert "samebits" not in text
    assert "manual_seed(0)" in text
    assert "use_deterministic_algorithms(True)" in text
