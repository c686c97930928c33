"""`samebits doctor`: what is well and what is not with this process and this environment."""

import importlib.metadata
import platform
import sys
from pathlib import Path

import click

from samebits._printable import some
from samebits._report import OUTCOMES, Finding, print_findings, print_json
from samebits.bootstrap.rows import pins
from samebits.doctor import traps
from samebits.errors import CheckFailed
from samebits.fingerprint import locked
from samebits.fingerprint.locked import CONDA_LOCK, LOCK
from samebits.installed import packages
from samebits.installed.attest import in_short
from samebits.process import check, shared_memory, started
from samebits.process.command_line import hint
from samebits.process.variables import PROFILES, Row, find_root, read, read_switches


def report() -> list[Finding]:
    """Everything that can be known without importing a framework."""
    return [
        _python(),
        *_packages(find_root() / LOCK),
        _shared_memory(),
        _profile(),
        *_variables(),
        *traps.report(),
    ]


def _python() -> Finding:
    interpreter = f"{sys.version.split()[0]} in {sys.prefix}"
    if sys.version_info[:2] == (3, 11) or not _is_reference(find_root()):
        return Finding("Python", "ok", interpreter)
    return Finding("Python", "fail", interpreter, "must be 3.11: run `make env`")


def _is_reference(project: Path) -> bool:
    """Whether the project has this repository's own environment, which `make env` installs."""
    return (project / CONDA_LOCK).exists()


def _packages(lock: Path) -> list[Finding]:
    """One row for each package that is not as locked; a single row when all are."""
    reference = _is_reference(lock.parent)
    if not reference and not lock.exists():
        return _without_lock(lock.parent)
    fix = "run `make env`" if reference else f"install it as {LOCK} has it"
    try:
        rows = pins(lock.read_text(encoding="utf-8"))
        unlike, unlocked = locked.unlike(lock), _unlocked(lock.parent)
    except OSError as error:
        return [Finding(LOCK, "fail", f"{lock}: {error.strerror}", "restore it from git")]
    findings = [
        Finding(name, "fail", f"{now or 'not installed'}, locked is {version}", fix)
        for name, now, version in unlike
    ]
    findings = findings or [Finding(LOCK, "ok", f"{len(rows)} packages are installed as locked")]
    return findings + unlocked


def _without_lock(project: Path) -> list[Finding]:
    """What can be said of the packages where nothing says which there must be."""
    there: dict[str, packages.Package] = {}
    for package in map(packages.Package, importlib.metadata.distributions()):
        there.setdefault(package.name, package)  # of two, Python imports the first
    looked_at, unmet = packages.unmet(list(there.values()), platform.python_version())
    met = Finding("requirements", "ok", f"{looked_at} of {len(there)} packages are met")
    if unmet:
        met = Finding("requirements", "warn", in_short(unmet), "install what is missing, or another version")
    line = f"none in {project}: whether these are the versions that you want is not known"
    return [Finding(LOCK, "warn", line, "lock them: `pip freeze > requirements.lock`"), met]


def _unlocked(root: Path) -> list[Finding]:
    """Packages that no lock has: harmless perhaps, but they can be imported in place of others."""
    findings = []
    for name, version in sorted(locked.unlocked(root).items()):
        fix = f"`make env` removes it, `make add PACKAGE={name}` keeps it"
        if not _is_reference(root):
            fix = f"remove it, or add it to {LOCK}"
        findings.append(Finding(name, "warn", f"{version}, in no lock", fix))
    return findings


def _shared_memory() -> Finding:
    enough = (shared_memory.size() or 0) >= shared_memory.ENOUGH
    fix = "" if enough else f"for data workers with large batches, {shared_memory.FIX}"
    return Finding("shared memory", "ok" if enough else "warn", shared_memory.described(), fix)


def _profile() -> Finding:
    profile = started.profile()
    if profile in PROFILES:
        return Finding("SAMEBITS_PROFILE", "ok", profile)
    return Finding("SAMEBITS_PROFILE", "fail", profile, f"must be {' or '.join(PROFILES)}")


def _variables() -> list[Finding]:
    faults = {fault.name: fault for fault in check.faults()}
    allowed = set(started.allowed())
    seen = started.variables()

    def judge(row: Row) -> Finding:
        if row.policy == "placebo":
            return traps.placebo(row)
        value = seen[row.name] or "not set"
        if row.name in allowed:
            return Finding(row.name, "warn", value, "allowed by SAMEBITS_ALLOW")
        if row.name in faults:
            return Finding(row.name, "fail", faults[row.name].line, faults[row.name].fix)
        return Finding(row.name, "ok", value)

    findings = [judge(row) for row in read()]
    left = [row.name for row in read_switches() if row.name in allowed]
    findings += [Finding(name, "warn", "open_run leaves it", "allowed by SAMEBITS_ALLOW") for name in left]
    known = {finding.subject for finding in findings}
    others = [fault for name, fault in faults.items() if name not in known | {"SAMEBITS_PROFILE"}]
    return findings + [Finding(fault.name, "fail", fault.line, fault.fix) for fault in others]


@click.command()
@click.option("--all", "all_", is_flag=True, help="Show what is ok, too.")
@click.option("--json", "json_", is_flag=True, help="Print a JSON list of everything instead of a table.")
@click.option("--deep", is_flag=True, help="Import the frameworks and check every installed file: seconds.")
@click.option("--host", is_flag=True, help="Look at Docker, the driver and the container toolkit too.")
def command(all_: bool, json_: bool, deep: bool, host: bool) -> None:
    """Show what is wrong with this process and this environment, and how to fix it.

    The last line says whether there is something to fix. Exit status 1 when a check fails.
    """
    findings = []
    if deep:
        from samebits.doctor import deep as deep_module

        findings += deep_module.report()  # first: what it imports has effective values to be read back
    findings += report()
    if host:
        from samebits.doctor import host as host_module

        findings = host_module.report() + findings
    if json_:
        print_json(findings)
    else:
        shown = [finding for finding in findings if all_ or finding.outcome != "ok"]
        if shown:
            print_findings(shown)
        click.echo(_summary(findings, all_))
    failed = [finding.subject for finding in findings if finding.outcome == "fail"]
    if failed:
        raise CheckFailed(f"{len(failed)} of {len(findings)} checks failed: {some(failed)}")


def _summary(findings: list[Finding], all_: bool) -> str:
    """The last line: what to conclude, how many checks had each outcome, and how to see those that are ok."""
    outcomes = [finding.outcome for finding in findings]
    counts = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in OUTCOMES if outcome in outcomes)
    conclusion = "problems to fix" if "fail" in outcomes else "nothing to fix"
    more = "" if all_ else f" (`{hint('samebits', 'doctor', '--all')}` lists all checks)"
    return f"{conclusion}: {counts}{more}"
