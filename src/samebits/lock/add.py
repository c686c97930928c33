"""`samebits add`: one more package, in environment.yml, in the lock and in the environment, or nowhere."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import click
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from samebits._files import write_whole
from samebits.bootstrap.rows import pins
from samebits.errors import CheckFailed, UsageError
from samebits.lock.differences import changes
from samebits.lock.edit import added
from samebits.lock.files import all_or_nothing, versions, write
from samebits.lock.pypi import Solve
from samebits.lock.request import ENVIRONMENT, PIP, Request, read_request, text_of, versions_in
from samebits.lock.show import show
from samebits.lock.solve import solve, solver
from samebits.lock.uv import BOOTSTRAP, Uv

UNKNOWN = re.compile(r"Because (\S+) was not found in the package registry")
NO_WHEEL = re.compile(r"ha(?:s|ve) no (?:usable wheels|wheels with a matching)")
NO_VERSION = re.compile(r"Because there (?:is|are) no versions? of (\S+?) and you require \1")


@click.command()
@click.argument("packages", nargs=-1, required=True, metavar="PACKAGE...")
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@click.option("--json", "json_", is_flag=True, help="Print the changes as JSON instead of a table.")
def command(packages: Sequence[str], dry_run: bool, json_: bool) -> None:
    """Add each PACKAGE to this project: `pandas`, or `pandas==2.3.1`.

    The newest version that fits what environment.yml pins is written there; then the lock is made and the
    environment brought up to date. All of it is done, or nothing. No conda channel is asked.
    """
    wanted = [parsed(text) for text in packages]
    before = text_of(ENVIRONMENT)
    request = read_request(before)
    refuse_present(wanted, request)
    uv = solver(request, None)
    rows = choose(uv, request, wanted)
    after = added(before, rows)
    request = read_request(after)
    locks = solve(uv, request, conda_half=False)
    show({str(lock): changes(versions(lock), versions(lock, text)) for lock, text in locks.items()}, json_)
    if dry_run:
        return
    if text_of(ENVIRONMENT) != before:
        raise CheckFailed(f"{ENVIRONMENT} was changed while this ran: nothing was written, run it again")
    with all_or_nothing([ENVIRONMENT, *locks]):
        write_whole(ENVIRONMENT, after)
        write(locks, request, lambda line: click.echo(line, err=json_))
        create_environment()
    click.echo(f"{', '.join(rows)}: in {ENVIRONMENT}, {PIP} and .venv", err=json_)


def parsed(text: str) -> Requirement:
    """A package as it was asked for.

    Raises:
        UsageError: it is a file or an address, or no requirement.
    """
    if text.endswith(".whl") or "/" in text or Path(text).is_file():
        how = f"put its wheel into vendor/ and `- ./vendor/NAME.whl` below `pip:` in {ENVIRONMENT}"
        what = "an address" if "://" in text else "a file"
        raise UsageError(
            f"{text} is {what}, expected a package's name: {how}, then `make lock` and `make env`"
        )
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        raise UsageError(f"`{text}` is not a package: expected NAME or NAME==VERSION") from None
    if requirement.url or requirement.marker:
        raise UsageError(f"`{text}` has more than a version: expected NAME or NAME==VERSION")
    requirement.name = canonicalize_name(requirement.name)
    return requirement


def refuse_present(wanted: Sequence[Requirement], request: Request) -> None:
    """Refuse what environment.yml has: a command that adds changes no version that somebody chose.

    Raises:
        UsageError: one is there, or is asked for twice.
    """
    there = {next(iter(pins(entry)), re.split(r"[\[=;]", entry)[0]): entry for entry in request.pip}
    for number, requirement in enumerate(wanted):
        if requirement.name in (other.name for other in wanted[:number]):
            raise UsageError(f"{requirement.name} is asked for twice: give one PACKAGE for each")
        if requirement.name in there:
            raise UsageError(
                f"{requirement.name} is in {ENVIRONMENT} already, as {there[requirement.name]}: change its "
                "version there, then `make lock` and `make env`"
            )


def choose(uv: Uv, request: Request, wanted: Sequence[Requirement]) -> list[str]:
    """The newest versions that fit what the project pins, as rows of environment.yml.

    Raises:
        UsageError: there is no such package, or no such version.
        CheckFailed: none fits.
    """
    asked = [*request.pip, *map(str, wanted)]
    try:
        packages = Solve(uv, asked, request.python, {}, "").packages(versions_in(PIP))
    except CheckFailed as error:
        raise explained(str(error).removeprefix(": "), uv, request, wanted) from None
    versions = {package["name"]: str(package["version"]) for package in packages if "version" in package}
    rows = []
    for requirement in wanted:
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        # `==2.10.0` is met by another index's 2.10.0+cpu, too.
        version = (
            versions[requirement.name]
            if "+" in str(requirement.specifier)
            else Version(versions[requirement.name]).public
        )
        rows.append(f"{requirement.name}{extras}=={version}")
    return rows


def explained(said: str, uv: Uv, request: Request, wanted: Sequence[Requirement]) -> UsageError | CheckFailed:
    """What uv says when there is no solution, with the packages that are its subject first."""
    if match := UNKNOWN.search(said):
        return UsageError(f"{match[1]}: there is no package of this name on {uv.asked}; nothing was changed")
    if match := NO_VERSION.search(said):
        return UsageError(f"{match[1]}: there is no such version on {uv.asked}; nothing was changed")
    said = said.removeprefix("No solution found when resolving dependencies: ")
    named = [entry for entry in request.pip if re.search(rf"(?<![\w.-]){re.escape(entry)}(?![\w.-])", said)]
    new, pinned = " and ".join(map(str, wanted)), " and ".join(named)
    if NO_WHEEL.search(said) and not named:
        return UsageError(
            f"{new} has no wheel for this project's Python and platform, and nothing else is installed here; "
            "nothing was changed"
        )
    if not named:
        return CheckFailed(f"{new}: {said}; nothing was changed")
    return CheckFailed(f"{new} does not fit {pinned} of {ENVIRONMENT}: {said} Nothing was changed")


def create_environment() -> None:
    """Bring .venv up to date, as `make env` does.

    Raises:
        CheckFailed: it was not; the script has said why.
    """
    words = ["sh", str(BOOTSTRAP / "create-env"), *(["--dev"] if Path(".venv/.ready-dev").exists() else [])]
    started = subprocess.Popen(words)
    try:
        status = started.wait()
    except KeyboardInterrupt:
        started.wait()  # it has got the same signal, and cleans up
        raise
    if status:
        raise CheckFailed(
            f"the environment could not be made, see above: {ENVIRONMENT} and the locks are as they were, "
            "`make env` brings .venv back to them"
        )
