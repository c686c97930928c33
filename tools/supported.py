"""Which versions of torch, TensorFlow and Keras samebits works with: each is installed and trained with.

One environment at a time, deleted after. What came out lies in .proof/supported/, one file a row: a row that
worked with this code is not run again. An interpreter that is not here is passed over, and the table says so.
Wheels stay in uv's cache only where UV_CACHE_DIR names one.
"""

import dataclasses
import fcntl
import functools
import hashlib
import importlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from samebits._files import sha256_file, write_whole
from samebits._report import Cell, Outcome, print_json, print_table
from samebits.errors import CheckFailed, UsageError
from samebits.fingerprint.cpu import processor
from samebits.process.portable_versions import NUMPY
from samebits.process.program import run_command
from samebits.run.signals import SAVED
from wheel import build

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/library.md"
FOLDER = ROOT / ".proof/supported"
WORK = ROOT / ".cache/supported"  # on the disk of uv's cache below it, so that files are linked, not copied
UV = Path(sys.executable).with_name("uv")
ROOM = 15e9  # bytes that must be free: an environment has 7 GB, and its wheels come on top

NEWEST = "newest"
PYTHONS = ("3.11", "3.12", "3.13")
VERSIONS: dict[str, list[dict[str, str]]] = {
    "torch": [{"torch": version} for version in ("2.8", "2.10", "2.11", NEWEST)],
    "keras": [
        {"tensorflow": tensorflow, "keras": keras}
        for tensorflow, keras in (("2.19", "3.10"), ("2.19", NEWEST), ("2.21", "3.12"), ("2.21", NEWEST))
    ],  # TensorFlow 2.21 takes no Keras before 3.12
}

# What each training is. torch's is the page's own.
DATA = {
    "torch": """\
import torch


def points():
    inputs = torch.linspace(-1, 1, 256).reshape(128, 2)
    return torch.utils.data.TensorDataset(inputs, (inputs.sum(1) > 0).long())
""",
    "keras": """\
import numpy as np


def points():
    inputs = np.linspace(-1, 1, 256, dtype=np.float32).reshape(128, 2)
    return inputs, (inputs.sum(1) > 0).astype(np.int64)
""",
}
KERAS = """\
import dataclasses

import keras

import samebits
import samebits.keras
from points import points


@dataclasses.dataclass(frozen=True)
class Settings:
    seed: int = samebits.option(0, "root of every random stream")
    epochs: int = samebits.option(2, "passes over the data")


def train(settings):
    samebits.keras.make_deterministic()
    samebits.seed_everything(settings.seed)
    with samebits.open_run(settings, framework="keras") as run:
        data = samebits.keras.dataset(*points(), seed=settings.seed, batch_size=16, shuffle=True)
        layers = [keras.layers.Dense(32), keras.layers.Dropout(0.2), keras.layers.Dense(2)]
        model = keras.Sequential([keras.Input((2,)), *layers])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
        log = samebits.keras.RunLog(run, data)
        model.fit(data, epochs=settings.epochs, shuffle=False, verbose=0, callbacks=[log])
        run.finish(model)


samebits.main(train, Settings)
"""
STOP_AT = 11  # of 16 steps: in the second epoch
TRAIN = ("exec", "--", "python", "train.py")
# Mark in the page, between which the table stands.
BEGIN, END = "<!-- table of tools/supported.py -->\n", "<!-- end of the table -->\n"


@dataclass(frozen=True)
class Row:
    """A Python with versions of a framework's packages, as they are asked for."""

    framework: str
    asked: dict[str, str]
    python: str

    @property
    def name(self) -> str:
        """Such as torch-2.8-python3.11."""
        return "-".join([self.framework, *self.asked.values(), f"python{self.python}"])

    def requirements(self) -> list[str]:
        """What uv is asked for besides the wheel, which has the lowest versions."""
        return [
            f"{package}=={version}.*" for package, version in self.asked.items() if version != NEWEST
        ]  # an extra without an upper bound brings the newest


@dataclass
class Result:
    """What came out of a row.

    Attributes:
        versions: what was installed, by package: the framework's and NumPy.
        sha256: of the weights, with PROFILE=run.
        portable: "shown", "refused", or empty where it was neither.
        outcome: "works", "no wheel", "no interpreter" or "fails".
        faults: what failed, and what it said last.
        code: a hash of samebits as it was.
        date: of the trial, ISO 8601.
    """

    name: str
    python: str
    versions: dict[str, str] = field(default_factory=dict)
    sha256: str = ""
    portable: str = ""
    outcome: str = ""
    faults: list[str] = field(default_factory=list)
    code: str = ""
    date: str = ""

    def cells(self) -> list[str]:
        """Its row of a table: frameworks, Python, NumPy, hash, portable, outcome."""
        titles = {"torch": "torch", "tensorflow": "TensorFlow", "keras": "Keras"}
        names = [f"{title} {self.versions[key]}" for key, title in titles.items() if key in self.versions]
        digits = self.sha256[:12]
        result = "; ".join([self.outcome, *self.faults])
        return [", ".join(names), self.python, self.versions.get("numpy", ""), digits, self.portable, result]


HEADINGS = ("versions", "Python", "NumPy", "sha256 of the weights", "PROFILE=portable", "result")


def rows() -> Iterator[Row]:
    """All, those of one version one after another: most of their wheels are the same."""
    for framework, asked in VERSIONS.items():
        for versions, python in itertools.product(asked, PYTHONS):
            yield Row(framework, versions, python)


def interpreter(version: str) -> str | None:
    """A Python of this version, on PATH or pyenv's; a version manager's stub may start nothing."""
    name = f"python{version}"
    folders = [Path(folder) for folder in os.get_exec_path()]
    for path in (*(folder / name for folder in folders), *Path.home().glob(f".pyenv/versions/*/bin/{name}")):
        if path.is_file() and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            return str(path)
    return None


def try_row(row: Row, wheel: Path) -> Result:
    """Install a row's versions and train with them.

    Raises:
        UsageError: the disk is too full, or no package index answers.
    """
    result = Result(row.name, row.python, dict(row.asked), date=time.strftime("%Y-%m-%d"))
    python = interpreter(row.python)
    if python is None:
        result.outcome = "no interpreter"
        return result
    _make_room()
    environment, project = WORK / "environment", WORK / "project"
    for folder in (environment, project):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        missing = install(environment, python, [f"{wheel}[{row.framework}]", *row.requirements()])
        if missing:
            result.outcome = missing
            return result
        result.versions = _installed(environment, [*row.asked, "numpy"])
        make_project(project, row.framework)
        check(environment / "bin", project, row.framework, result)
        result.outcome = "fails" if result.faults else "works"
    finally:
        for folder in (environment, project):
            shutil.rmtree(folder, ignore_errors=True)
    return result


def install(environment: Path, python: str, packages: list[str]) -> str:
    """Make an environment of wheels, newest versions first.

    Returns:
        "no wheel" where one of the packages has none for this Python, else "".

    Raises:
        UsageError: uv failed for another reason; names it.
    """
    own = {"UV_CACHE_DIR": str(WORK / "uv"), "UV_PYTHON_DOWNLOADS": "never"}
    variables = {**own, **{name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}}
    pip = ["pip", "install", "--only-binary", ":all:", "--python", str(environment / "bin/python")]
    for words in (["venv", "--python", python, str(environment)], [*pip, *packages]):
        done = subprocess.run([UV, "--quiet", *words], env=variables, capture_output=True, text=True)
        if done.returncode:
            if lacks_wheel(done.stderr):
                return "no wheel"
            message = " ".join(done.stderr.split())
            raise UsageError(f"uv cannot install {' '.join(packages[1:]) or packages[0]}: {message[-300:]}")
    return ""


def lacks_wheel(message: str) -> bool:
    """Whether uv says that a version exists, but not for this Python."""
    return bool(re.search(r"only found wheels for|has no wheels with a matching Python", message))


def _installed(environment: Path, packages: Iterable[str]) -> dict[str, str]:
    code = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    names = list(packages)
    command = [str(environment / "bin/python"), "-c", code, *names]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {name: version.partition("+")[0] for name, version in zip(names, printed.split(), strict=True)}


def make_project(folder: Path, framework: str) -> None:
    """Somebody's repository: a script of some 25 lines, and its data below src."""
    (script,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (folder / "src").mkdir(parents=True)
    (folder / "train.py").write_text(script if framework == "torch" else KERAS)
    (folder / "src/points.py").write_text(DATA[framework])
    (folder / ".gitignore").write_text("runs/\n__pycache__/\n")
    somebody = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    for words in ("init --quiet", "add --all", "commit --quiet --message all"):
        subprocess.run(["git", *somebody, *words.split()], cwd=folder, check=True)


@functools.cache
def shown_versions() -> dict[str, tuple[str, ...]]:
    """By package, the versions with which PROFILE=portable was shown; it imports both frameworks."""
    rooms = (importlib.import_module(f"samebits.{name}.portable") for name in ("torch", "keras"))
    return NUMPY | {package: versions for room in rooms for package, versions in room.VERSIONS.items()}


def check(bin: Path, project: Path, framework: str, result: Result) -> None:
    """Train in a project with the samebits of an environment, and write down what came out.

    Args:
        bin: the environment's folder of commands.
        project: a git repository with a train.py.
        framework: "torch" or "keras".
        result: gets the hash, what the portable profile did, and the faults.
    """

    def call(what: str, *words: str, status: int = 0, **variables: str) -> str | None:
        """Run samebits; returns what it wrote if the status is the expected one, else notes a fault."""
        plain = {"PATH": "/usr/bin:/bin", "HOME": str(WORK), "PYTHONPATH": "src"}
        done = subprocess.run(
            [bin / "samebits", *words],
            cwd=project,
            env={**plain, **variables},
            capture_output=True,
            text=True,
        )
        if done.returncode == status:
            return done.stdout + done.stderr
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
        result.faults.append(f"{what}: status {done.returncode}, not {status}: {last[0].strip()}")
        return None

    if call("train", *TRAIN) is None:
        return  # the rest would fail for the same reason
    result.sha256 = sha256_file(project / f"runs/{framework}/weights.safetensors")
    for what, words in {
        "smoke": ("smoke", "python", "train.py"),
        "verify": ("verify", f"runs/{framework}"),
    }.items():
        said = call(what, *words)
        if said is not None and f"sha256 {result.sha256}" not in said:
            result.faults.append(f"{what}: other weights than the training's")
    elsewhere = {"SAMEBITS_RUN_FOLDER": "runs/resumed"}
    call("interrupted", *TRAIN, status=SAVED, SAMEBITS_STOP_AT=str(STOP_AT), **elsewhere)
    if (
        call("resumed", *TRAIN, **elsewhere) is not None
        and sha256_file(project / "runs/resumed/weights.safetensors") != result.sha256
    ):
        result.faults.append("resumed: other weights than the uninterrupted training's")
    call("lint", "lint", ".")
    call("doctor", "exec", "--", "samebits", "doctor")

    known = shown_versions()
    named = [package for package in result.versions if result.versions[package] not in known[package]]
    portable = {"PROFILE": "portable", "SAMEBITS_RUN_FOLDER": "runs/portable"}
    said = call("PROFILE=portable", *TRAIN, status=2 if named else 0, **portable)
    if said is None:
        return
    # One line of samebits: TensorFlow 2.19 writes lines of its own whenever it is imported.
    refused = re.findall(r"^samebits: PROFILE=portable is verified with (\w+) ", said, re.MULTILINE)
    if named and (len(refused) != 1 or refused[0] not in named or "Traceback" in said):
        last = said.strip().splitlines()[-1:] or ["it said nothing"]
        result.faults.append(f"PROFILE=portable: not refused by {' or '.join(named)}'s version: {last[0]}")
    else:
        result.portable = "refused" if named else "shown"


def code_hash(wheel: Path) -> str:
    """What of a wheel decides what comes out: its files, whatever their times, and what it requires."""
    sha256 = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        for member in sorted(archive.infolist(), key=lambda entry: entry.filename):
            if ".dist-info/" not in member.filename:
                sha256.update(f"{member.filename} {member.CRC}\n".encode())
            elif member.filename.endswith("/METADATA"):
                text = archive.read(member).decode()
                sha256.update("".join(re.findall(r"^Requires-.*\n", text, re.MULTILINE)).encode())
    return sha256.hexdigest()


def _make_room() -> None:
    if shutil.disk_usage(WORK).free < ROOM:
        shutil.rmtree(WORK / "uv", ignore_errors=True)
    if (free := shutil.disk_usage(WORK).free) < ROOM:
        raise UsageError(f"{free / 1e9:.0f} GB are free in {WORK}, and an environment needs {ROOM / 1e9:.0f}")


def recorded(row: Row) -> Result | None:
    """What came out of a row when it was last tried."""
    try:
        return Result(**json.loads((FOLDER / f"{row.name}.json").read_text()))
    except FileNotFoundError:
        return None


def try_rows(chosen: Iterable[Row], again: bool) -> list[Result]:
    """Try rows one after another, and record each; those that worked with this code only if `again`."""
    results = []
    WORK.mkdir(parents=True, exist_ok=True)
    try:
        wheel = build(WORK)
        code = code_hash(wheel)
        for row in chosen:
            result = recorded(row)
            if again or result is None or result.code != code or result.outcome not in ("works", "no wheel"):
                print(f"{row.name} …", file=sys.stderr)
                result = try_row(row, wheel)
                result.code = code
                write_whole(FOLDER / f"{row.name}.json", json.dumps(dataclasses.asdict(result)) + "\n")
            results.append(result)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
    return results


def markdown(results: list[Result]) -> str:
    """The page's table, with the day and the machine."""
    machine = processor()["model"]
    date = max(result.date for result in results)
    lines = [f"Tried on {date}, on this CPU: {machine}.", ""]
    cells = [HEADINGS, ["---"] * len(HEADINGS), *(result.cells() for result in results)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in cells)]) + "\n"


def write_page(page: Path, table: str) -> None:
    """Put a table between a page's two marks.

    Raises:
        UsageError: the page lacks a mark.
    """
    text = page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise UsageError(f"{page} must have the lines `{BEGIN.strip()}` and `{END.strip()}`, once each")
    before, rest = text.split(BEGIN)
    write_whole(page, before + BEGIN + "\n" + table + "\n" + END + rest.split(END)[1])


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([row.name for row in rows()]), metavar="[ROW]...")
@click.option("--again", is_flag=True, help="Try what has already worked with this code, too.")
@click.option("--write", is_flag=True, help="Write all that is recorded into docs/library.md.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def command(names: tuple[str, ...], again: bool, write: bool, as_json: bool) -> None:
    """Try all versions, or only ROWs, such as torch-2.8-python3.11. Exit status 1 when one fails."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError("another tools/supported.py is at work here: wait for its end") from None
        results = try_rows([row for row in rows() if not names or row.name in names], again)
    if write:
        write_page(PAGE, markdown([row for row in map(recorded, rows()) if row is not None]))
    if as_json:
        print_json([dataclasses.asdict(result) for result in results])
    else:
        outcomes: dict[str, Outcome] = {"works": "ok", "fails": "fail"}
        table: list[list[Cell]] = []
        for result in results:
            *cells, last = result.cells()
            table.append([*cells, (last, outcomes.get(result.outcome, "skipped"))])
        print_table(HEADINGS, table)
    failed = [result for result in results if result.outcome == "fails"]
    if failed:
        first = f"{failed[0].name}: {failed[0].faults[0]}"
        raise CheckFailed(f"{len(failed)} of {len(results)} fail, the first {first}")
    if not as_json:
        counted = [f"{n} {word}" for word in ("works", "no wheel", "no interpreter")
                   if (n := sum(result.outcome == word for result in results))]  # fmt: skip
        print(", ".join(counted))


if __name__ == "__main__":
    sys.exit(run_command(command, "tools/supported.py"))
