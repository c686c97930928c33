"""`samebits attest`: compare every file of the environment with the locks."""

import dataclasses
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from samebits._report import print_findings, print_json
from samebits.errors import CheckFailed, UsageError
from samebits.fingerprint.locked import CONDA_LOCK, DEV_LOCK, LOCK
from samebits.process.variables import TABLE, find_root

FILE = click.Path(path_type=Path)


@click.command()
@click.option("--environment", "folder", type=FILE, help="A virtual environment.  [default: this one]")
@click.option("--lock", "locks", type=FILE, multiple=True,
              help="A lock of wheels, once or more.  [default: this project's]")  # fmt: skip
@click.option("--conda-lock", type=FILE, help="The lock of conda's Python.  [default: this project's]")
@click.option("--json", "json_", is_flag=True, help="Print a JSON list with every fault, not a table.")
def command(folder: Path | None, locks: Sequence[Path], conda_lock: Path | None, json_: bool) -> None:
    """Compare every installed file with locks, RECORDs and sources; exit with 1 when one differs.

    Without a lock it says whether files are as their wheels' RECORDs have them, and not whether they are the
    packages that were meant.
    """
    from samebits.installed.attest import attest, in_short, project  # packaging takes a tenth of a second
    from samebits.installed.venv import find

    root = find_root()
    environment = find(folder or Path(sys.prefix), root)
    here = ".".join(platform.python_version_tuple()[:2])
    if environment.python != here:
        raise UsageError(
            f"this is Python {here}; bytecode of {environment.python} needs {environment.python}"
        )
    if not locks:
        development = not environment.is_images and (environment.prefix / ".ready-dev").exists()
        locks = [root / LOCK, root / DEV_LOCK] if development else [root / LOCK]
        if not locks[0].exists() and not (root / CONDA_LOCK).exists():
            locks = []  # somebody's own project
    try:
        checks = attest(environment, locks, conda_lock or root / CONDA_LOCK)
        if folder is None and (root / TABLE).exists():
            checks.append(project(root))
    except OSError as error:  # somebody else's file, or one that goes while it is looked at
        raise CheckFailed(f"{error.filename} cannot be read: {error.strerror}") from None
    if json_:
        print_json([{**dataclasses.asdict(check), "outcome": check.outcome} for check in checks])
    else:
        print_findings(check.finding() for check in checks)
    failed = [check for check in checks if check.faults]
    if failed:
        faults = [fault for check in failed for fault in check.faults]
        raise CheckFailed(f"{len(failed)} of {len(checks)} checks failed: {in_short(faults)}")
