"""`samebits lock`: make the locks, or check them."""

import click

from samebits.errors import CheckFailed
from samebits.lock.differences import changes
from samebits.lock.files import answers, versions, write
from samebits.lock.request import ENVIRONMENT, LOCKS, PROJECT, Request, read_request
from samebits.lock.show import show
from samebits.lock.solve import solve, solver


@click.command()
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit with 1 if a lock is stale.")
@click.option("--upgrade", is_flag=True, help="Take the newest of what environment.yml leaves open.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@click.option("--json", "json_", is_flag=True, help="Print the changes as JSON instead of a table.")
@click.option("--index", metavar="ADDRESS", help="Take wheels from this index, too; `default`: no more.")
@click.option("--conda", metavar="EXECUTABLE", help="What conda-lock solves with.  [default: micromamba]")
def command(
    only_check: bool, upgrade: bool, dry_run: bool, json_: bool, index: str | None, conda: str | None
) -> None:
    """Make the locks of the project in the current folder, or check them."""
    request = read_request()
    if only_check:
        check(request)
        return
    rows = solve(solver(request, index), request, conda, upgrade)
    show({str(lock): changes(versions(lock), versions(lock, text)) for lock, text in rows.items()}, json_)
    if not dry_run:
        write(rows, request, lambda line: click.echo(line, err=json_))


def check(request: Request) -> None:
    """Compare what is asked for with what each lock says it answers.

    Raises:
        CheckFailed: a lock is stale or missing.
    """
    locks = request.locks
    stale = [str(lock) for lock in locks if not answers(lock, request)]
    if stale:
        verb = "does" if len(stale) == 1 else "do"
        asked = f"{ENVIRONMENT} and {PROJECT} ask" if LOCKS.is_dir() else f"{ENVIRONMENT} asks"
        raise CheckFailed(f"{', '.join(stale)} {verb} not answer what {asked} for; run `make lock`")
    click.echo(f"{', '.join(map(str, locks))}: up to date")
