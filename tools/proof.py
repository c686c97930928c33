"""Run everything, part by part; a part that has passed on this very tree is not run again.

Results lie in .proof/, one file a part, so that an interrupted proof goes on where it stopped.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from samebits._files import write_whole
from samebits.errors import CheckFailed
from samebits.process.program import run_command

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".proof"
# What `make proof ARGS=…` hands down: a part is always the command that its table says, and no other.
FROM_MAKE = {"MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL", "ARGS"}
FROM_MAKE |= {
    "DEVICE",
    "FRAMEWORK",
    "JOBS",
    "JSON",
    "KEEP",
    "KILLS",
    "NET",
    "ONLY",
    "PROFILE",
    "REPEATS",
    "RUNS",
}
FROM_MAKE |= {"SEEDS", "STRESS"}


@dataclass(frozen=True)
class Part:
    """A command of this repository and the claim that it is evidence for."""

    name: str
    shows: str
    command: str


HAZARDS = "the operations that go wrong on GPUs repeat"
RESUMED = "stopped, killed or damaged: the same bits"
MATRIX = "nothing that must not matter does, and what must does"
STRESS = "twenty processes under load and jitter, one hash"
CONTROLS = "each protection is what protects"
PARTS = (
    Part("lint", "style, types, imports and shell scripts are clean", "make lint"),
    Part("tests", "every test that this machine can run, image included", "make test"),
    Part("slow-tests", "what `make test` only samples", "./entrypoint python -m pytest -m slow"),
    Part("smoke-torch", "ten processes, one hash", "make smoke RUNS=10 FRAMEWORK=torch"),  # only: torch
    Part("smoke-keras", "ten processes, one hash", "make smoke RUNS=10 FRAMEWORK=keras"),  # only: keras
    Part("hazards-torch", HAZARDS, "make smoke RUNS=5 NET=hazards FRAMEWORK=torch"),  # only: torch
    Part("hazards-keras", HAZARDS, "make smoke RUNS=5 NET=hazards FRAMEWORK=keras"),  # only: keras
    Part("resume-torch", RESUMED, "make resume-proof KILLS=25 FRAMEWORK=torch"),  # only: torch
    Part("resume-keras", RESUMED, "make resume-proof KILLS=25 FRAMEWORK=keras"),  # only: keras
    Part("matrix-torch", MATRIX, "make matrix FRAMEWORK=torch"),  # only: torch
    Part("matrix-keras", MATRIX, "make matrix FRAMEWORK=keras"),  # only: keras
    Part("stress-torch", STRESS, "make matrix ONLY=stress FRAMEWORK=torch"),  # only: torch
    Part("stress-keras", STRESS, "make matrix ONLY=stress FRAMEWORK=keras"),  # only: keras
    Part("portable", "one hash on five CPUs of two makers, by emulation", "make portable-proof"),
    Part("c-library", "one hash with another C library, Debian trixie's", "make c-library-proof"),
    Part("controls-torch", CONTROLS, "make smoke-controls FRAMEWORK=torch"),  # only: torch
    Part("controls-keras", CONTROLS, "make smoke-controls FRAMEWORK=keras"),  # only: keras
    Part(
        "image-reproduce",
        "two builds by two people, one image digest",
        "make image-reproduce BASE=$(tools/image.py test-base) INTERPRETER=base",
    ),
    Part("versions", "other versions work, too", "./entrypoint python tools/supported.py"),  # only: template
    Part("bench", "what it costs", "make bench"),  # only: template
)


def tree_hash() -> str:
    """A hash of every file that git tracks or would track, with its name."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    sha256 = hashlib.sha256()
    for name in sorted(filter(None, listed.split(b"\0"))):
        path = ROOT / os.fsdecode(name)
        if path.is_file():
            sha256.update(name + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return sha256.hexdigest()


def run(part: Part, tree: str, again: bool) -> dict[str, object]:
    """Run a part unless this tree has passed it before; its output goes to .proof/NAME.log."""
    result_file = FOLDER / f"{part.name}.json"
    if not again and result_file.exists():
        former: dict[str, object] = json.loads(result_file.read_text())
        if former["tree"] == tree and former["status"] == 0:
            return former
    log = FOLDER / f"{part.name}.log"
    began = time.monotonic()
    with open(log, "w", encoding="utf-8") as output:
        done = subprocess.run(
            part.command,
            shell=True,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name not in FROM_MAKE},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("make[")]
    result: dict[str, object] = {
        "name": part.name,
        "command": part.command,
        "shows": part.shows,
        "tree": tree,
        "status": done.returncode,
        "last_line": lines[-1] if lines else "",
        "minutes": round((time.monotonic() - began) / 60, 1),
    }
    write_whole(result_file, json.dumps(result, indent=2) + "\n")
    return result


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([part.name for part in PARTS]), metavar="[PART]...")
@click.option("--again", is_flag=True, help="Run what has already passed on this tree, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def command(names: tuple[str, ...], again: bool, as_json: bool) -> None:
    """Run all parts of the proof, or only NAMES, and say what each showed."""
    FOLDER.mkdir(exist_ok=True)
    tree = tree_hash()
    screen = Console(stderr=True)
    results = []
    for part in PARTS:
        if names and part.name not in names:
            continue
        with screen.status(f"{part.name}: {part.command}"):
            results.append(run(part, tree, again))
        word = "shown" if results[-1]["status"] == 0 else "FAILED"
        screen.print(f"{part.name}: {word}  ({part.command})", highlight=False)
    if as_json:
        print(json.dumps(results, indent=2))
    else:
        table = Table("part", "what it shows", "result", "its last line")
        for result in results:
            verdict = "shown" if result["status"] == 0 else f"failed, see .proof/{result['name']}.log"
            table.add_row(str(result["name"]), str(result["shows"]), verdict, str(result["last_line"]))
        Console().print(table)
    failed = [str(result["name"]) for result in results if result["status"] != 0]
    if failed:
        raise CheckFailed(f"not shown: {', '.join(failed)}; the logs are in .proof/")


if __name__ == "__main__":
    sys.exit(run_command(command, "tools/proof.py"))
