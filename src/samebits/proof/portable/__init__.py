"""The portable profile, shown: one table of operations and some trainings on several machines, hashed."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from samebits._files import sha256_file
from samebits._printable import short
from samebits._progress import Line
from samebits._report import print_json, print_table
from samebits.checkpoint.files import TENSORS
from samebits.errors import CheckFailed, UsageError
from samebits.fingerprint.cpu import processor
from samebits.process.variables import read
from samebits.proof.portable.libraries import DIGITS, TABLES, installed
from samebits.proof.portable.machines import NATIVE, RUN_FOLDER, Machine, emulated, in_image, recorded
from samebits.proof.processes import terminable
from samebits.run.plots import CURVES
from samebits.run.signals import SAVED

CPUS = ("Haswell", "Skylake-Client", "EPYC", "EPYC-Milan")  # two of Intel's, two of AMD's
KERAS = "samebits.proof.portable.keras_on_torch"


@click.command("portable-proof")
@click.option("--profile", type=click.Choice(["portable", "run"]), default="portable", show_default=True)
@click.option("--cpu", "cpus", multiple=True, help=f"A CPU that qemu emulates ({', '.join(CPUS)}).")
@click.option(
    "--table", "tables", type=click.Choice(list(TABLES)), multiple=True, help="Only this library's rows."
)
@click.option("--image", "images", multiple=True, help="An image with another C library, run by Docker.")
@click.option(
    "--against",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare with what --json printed on another machine.",
)
@click.option("--here", is_flag=True, help="Only on this machine, with --json.")
@click.option("--part", default="", help="Only rows with this text in their name.")
@click.option("--train", "trainings", multiple=True, help='A training: "MODULE [ARGUMENT]…", as a row.')
@click.option("--jobs", type=click.IntRange(1), default=1, envvar="JOBS", help="How many machines at once.")
@click.option("--steps", type=click.IntRange(1), default=3, show_default=True, help="Steps of a training.")
@click.option("--all", "all_", is_flag=True, help="Print every row, not only those that differ.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object in place of the table.")
def command(
    profile: str,
    cpus: tuple[str, ...],
    tables: tuple[str, ...],
    images: tuple[str, ...],
    files: tuple[Path, ...],
    here: bool,
    part: str,
    trainings: tuple[str, ...],
    jobs: int,
    steps: int,
    all_: bool,
    as_json: bool,
) -> None:
    """Compute a table of operations here and on other machines, and compare the bits.

    The other machines are emulated CPUs (four by default), containers with another C library, or a real
    machine that wrote a file. Trainings are part of the table. An emulated CPU is about a hundred times
    slower, so a training stops after a few steps, and everything in its checkpoint is compared: weights, the
    optimiser's state, generators.

    Exit status 0: the same bits on all machines; 1: the rows that differ are printed.
    """
    recordings = [recorded(file, profile) for file in files]
    others = [emulated(cpu) for cpu in cpus or (() if images or files or here else CPUS)]
    for image in images:
        container, library = in_image(image)
        others.append(container)
        print(f"{image}: {library}; here: {' '.join(platform.libc_ver())}", file=sys.stderr)
    environment = {**_environment(profile), "SAMEBITS_STOP_AT": str(steps)}
    machines = [Machine(NATIVE), *others]
    with (line := Line()):

        def compute(machine: Machine) -> Machine:
            began = time.monotonic()
            for row, digest in _rows(machine, environment, tables or installed(), part, trainings):
                machine.digests[row] = digest
                line.update(
                    "rows: " + ", ".join(f"{machine.name} {len(machine.digests)}" for machine in machines)
                )
            machine.seconds = time.monotonic() - began
            return machine

        for machine in _at_once(compute, machines, jobs):
            print(f"{machine.name}: {len(machine.digests)} rows, {machine.seconds:.0f} s", file=sys.stderr)
    for machine in recordings:
        machine.digests = {row: machine.digests[row] for row in machines[0].digests if row in machine.digests}
    machines += recordings
    different = differing(machines)
    rows = list(dict.fromkeys(row for machine in machines for row in machine.digests))
    if as_json:
        print_json(_as_json(profile, machines, different))
    elif shown := rows if all_ else different:
        _print_rows(machines, shown)
    if different:
        where = f"{len(machines)} machines, profile {profile}"
        raise CheckFailed(f"{len(different)} of {len(rows)} rows differ between {where}")
    if not as_json:
        left_out = {row: why for row, why in _left_out(machines).items() if row in rows}
        for why in dict.fromkeys(left_out.values()):
            print(f"left out, {why}: {', '.join(row for row in rows if left_out.get(row) == why)}")
        print(f"same bits: {len(rows) - len(left_out)} rows on {len(machines)} machines, profile {profile}")


def _at_once(
    compute: Callable[[Machine], Machine], machines: Sequence[Machine], jobs: int
) -> Iterator[Machine]:
    """Each machine as it is done; whatever ends this early ends all of them."""
    pool = ThreadPoolExecutor(jobs)
    with terminable():
        try:
            for done in as_completed([pool.submit(compute, machine) for machine in machines]):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for machine in machines:
                machine.stopped = True
                machine.end()
            pool.shutdown()


def differing(machines: Sequence[Machine]) -> list[str]:
    """The rows that are not the same on every machine, in order; one that a machine lacks is not the same."""
    rows = dict.fromkeys(row for machine in machines for row in machine.digests)
    left_out = _left_out(machines)
    compared = (row for row in rows if row not in left_out)
    return [row for row in compared if len({machine.digests.get(row) for machine in machines}) > 1]


def _left_out(machines: Sequence[Machine]) -> dict[str, str]:
    """The rows that one of the machines does not compare: row → why."""
    return {row: machine.why for machine in machines for row in machine.left_out}


def _environment(profile: str) -> dict[str, str]:
    """Ours, as it was before entrypoint pinned the CPU's instructions."""
    pinned = {row.name for row in read() if row.policy == "portable"} | {"SAMEBITS_PROFILE"}
    ours = {name: value for name, value in os.environ.items() if name not in pinned}
    return {**ours, "PROFILE": profile}


def _rows(
    machine: Machine, environment: dict[str, str], tables: Sequence[str], part: str, trainings: Sequence[str]
) -> Iterator[tuple[str, str]]:
    words = ("-m", "samebits.proof.portable.operations")
    for table in tables:
        for line in _lines(machine, environment, *words, table, part, *machine.skipped):
            row, digest = json.loads(line)
            yield row, digest
    for training in trainings:
        if part in training:
            yield training, _train(machine, environment, training.split())
    if part in KERAS and "torch" in tables and find_spec("keras"):
        allow = {"SAMEBITS_ALLOW": "KERAS_BACKEND", "KERAS_BACKEND": "torch"}
        for line in _lines(machine, {**environment, **allow}, "-m", KERAS):
            yield KERAS, line.strip()


def _lines(machine: Machine, environment: dict[str, str], *arguments: str) -> Iterator[str]:
    """What a Python process on that machine prints, line by line.

    Raises:
        CheckFailed: it failed; with the last thing that it said.
    """
    with tempfile.TemporaryFile() as errors:
        command = machine.command(arguments, environment)
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
        )
        machine.running = process
        if machine.stopped:
            machine.end()
        try:
            assert process.stdout is not None
            yield from process.stdout
            status = process.wait()
        finally:
            machine.end()
        if status not in (0, SAVED):
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines() or ["nothing"]
            how = f"signal {-status}" if status < 0 else f"status {status}"
            raise CheckFailed(f"{machine.name}: `python {' '.join(arguments)}` ended with {how}: {said[-1]}")


def _train(machine: Machine, environment: dict[str, str], module: Sequence[str]) -> str:
    """Train in a folder of its own, and stop; the sha256 of what the checkpoint holds."""
    with tempfile.TemporaryDirectory(prefix="samebits-portable-") as folder:
        run = Path(folder) / "run"
        for _ in _lines(machine, {**environment, RUN_FOLDER: str(run), CURVES: "0"}, "-m", *module):
            pass
        files = sorted(Path(folder).rglob(TENSORS)) or sorted(Path(folder).rglob("weights.safetensors"))
        if not files:
            raise UsageError(
                f"`python -m {' '.join(module)}` left no checkpoint: it must call run.checkpoint(…)"
            )
        return sha256_file(files[-1])


def _print_rows(machines: Sequence[Machine], rows: Sequence[str]) -> None:
    table = []
    for row in rows:
        first, *others = (machine.digests.get(row, "missing") for machine in machines)
        table.append(
            (row, _short(first), *("same" if digest == first else _short(digest) for digest in others))
        )
    print_table(("", *(machine.name for machine in machines)), table)


def _short(digest: str) -> str:
    is_hash = len(digest) in (DIGITS, 64) and set(digest) <= set("0123456789abcdef")
    return short(digest) if is_hash else digest[:40]


def _as_json(profile: str, machines: Sequence[Machine], different: Sequence[str]) -> dict[str, Any]:
    return {
        "profile": profile,
        "cpu": processor()["model"],
        "libc": " ".join(platform.libc_ver()),
        "same": not different,
        "different": list(different),
        "left_out": _left_out(machines),
        "machines": {
            machine.name: {"seconds": round(machine.seconds, 1), "digests": machine.digests}
            for machine in machines
        },
    }
