"""Run everything, part by part; a part that has passed on this very tree is not run again.

Results lie in .proof/, one file a part, so that an interrupted proof resumes where it stopped.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from samebits._files import write_whole
from samebits._report import Cell, Outcome, as_json, cell, print_json, print_table
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
    Part("lint", "style, words, types, imports, shell scripts and pages are clean", "make lint"),
    Part("tests", "every test that this machine can run, image included", "make test"),
    Part("slow-tests", "what `make test` only samples", "./entrypoint python -m pytest -m slow"),
    Part("smoke-torch", "ten processes, one hash", "make smoke RUNS=10 FRAMEWORK=torch"),
    Part("smoke-keras", "ten processes, one hash", "make smoke RUNS=10 FRAMEWORK=keras"),
    Part("hazards-torch", HAZARDS, "make smoke RUNS=5 NET=hazards FRAMEWORK=torch"),
    Part("hazards-keras", HAZARDS, "make smoke RUNS=5 NET=hazards FRAMEWORK=keras"),
    Part("resume-torch", RESUMED, "make resume-proof KILLS=25 FRAMEWORK=torch"),
    Part("resume-keras", RESUMED, "make resume-proof KILLS=25 FRAMEWORK=keras"),
    Part("matrix-torch", MATRIX, "make matrix FRAMEWORK=torch"),
    Part("matrix-keras", MATRIX, "make matrix FRAMEWORK=keras"),
    Part("stress-torch", STRESS, "make matrix ONLY=stress FRAMEWORK=torch"),
    Part("stress-keras", STRESS, "make matrix ONLY=stress FRAMEWORK=keras"),
    Part("portable", "one hash on five CPUs of two makers, by emulation", "make portable-proof"),
    Part("c-library", "one hash with another C library, Debian trixie's", "make c-library-proof"),
    Part("controls-torch", CONTROLS, "make smoke-controls FRAMEWORK=torch"),
    Part("controls-keras", CONTROLS, "make smoke-controls FRAMEWORK=keras"),
    Part(
        "image-reproduce",
        "two builds by two people, one image digest",
        "make image-reproduce BASE=$(tools/image.py test-base) INTERPRETER=base",
    ),
    Part("versions", "other versions work, too", "./entrypoint python tools/supported.py"),
    Part("bench", "what it costs", "make bench"),
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


def run(part: Part, tree: str, again: bool) -> dict[str, Any]:
    """Run a part unless this tree has passed it before; its output goes to .proof/NAME.log."""
    result_file = FOLDER / f"{part.name}.json"
    if not again and result_file.exists():
        former: dict[str, Any] = json.loads(result_file.read_text())
        if former["tree"] == tree and former.get("outcome") == "ok":
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
    result: dict[str, Any] = {
        "name": part.name,
        "command": part.command,
        "shows": part.shows,
        "tree": tree,
        "outcome": "ok" if done.returncode == 0 else "fail",
        "status": done.returncode,
        "last_line": lines[-1] if lines else "",
        "minutes": round((time.monotonic() - began) / 60, 1),
    }
    write_whole(result_file, as_json(result) + "\n")
    return result


def _row(result: dict[str, Any]) -> tuple[Cell, ...]:
    outcome: Outcome = result["outcome"]
    says = "" if outcome == "ok" else f"see .proof/{result['name']}.log"
    return result["name"], result["shows"], cell(outcome, says), result["last_line"]


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([part.name for part in PARTS]), metavar="[PART]...")
@click.option("--again", is_flag=True, help="Run what has already passed on this tree, too.")
@click.option("--json", "json_", is_flag=True, help="Print the results as JSON.")
def command(names: tuple[str, ...], again: bool, json_: bool) -> None:
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
        screen.print(f"{part.name}: {results[-1]['outcome']}  ({part.command})", highlight=False)
    if json_:
        print_json(results)
    else:
        print_table(("part", "what it shows", "outcome", "its last line"), map(_row, results))
    failed = [result["name"] for result in results if result["outcome"] != "ok"]
    if failed:
        raise CheckFailed(f"not shown: {', '.join(failed)}; the logs are in .proof/")


if __name__ == "__main__":
    sys.exit(run_command(command, "tools/proof.py"))
