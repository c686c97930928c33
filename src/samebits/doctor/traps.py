"""What looks like care for determinism and is none: misspelt, without effect, or contradicting each other."""

import difflib
import os
import re
import sysconfig
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from samebits._report import Finding
from samebits.process import started
from samebits.process.variables import Row, read

FIX = "rm -r .venv, then `make env`"
ALIKE = 0.92  # of difflib's ratio: one or two letters of a long name
OLD_NAME = re.compile(r"The old name of ([A-Z_]+)")
LIBRARY = re.compile(r"(lib[A-Za-z_]+(?:\.alt)?(?:-builtins)?)\.so\b")
CUDA_WHEEL = re.compile(r"(nvidia_[a-z_]+?)_cu(\d+)-")


def report() -> list[Finding]:
    """Everything of this kind that is there; one row that says so when there is nothing."""
    environment = started.environment()
    rows = read()
    findings = [*misspelt(environment, rows), *contradicting(environment, rows), *copies(_site())]
    none = "no misspelt or contradicting variable, one copy of each library"
    return findings or [Finding("traps", "ok", none)]


def placebo(row: Row) -> Finding:
    """The row for a variable that nothing reads."""
    if value := os.environ.get(row.name):
        return Finding(row.name, "warn", f"{value}: has no effect. {row.reason}", "remove it")
    return Finding(row.name, "ok", "not set")


def misspelt(environment: Mapping[str, str], rows: list[Row]) -> Iterator[Finding]:
    """Names that are nearly one of determinism.env's."""
    names = [row.name for row in rows]
    for name in sorted(environment.keys() - set(names)):
        if name.startswith("SAMEBITS_"):
            continue
        for close in difflib.get_close_matches(name, names, n=1, cutoff=ALIKE):
            yield Finding(name, "warn", "nothing reads it", f"did you mean {close}?")


def contradicting(environment: Mapping[str, str], rows: list[Row]) -> Iterator[Finding]:
    """A variable and its old name that say different things."""
    for row in rows:
        if renamed := OLD_NAME.match(row.reason):
            old, new = environment.get(row.name), environment.get(renamed[1])
            if old and new and old != new:
                line = f"'{old}', but {renamed[1]} is '{new}': libraries differ in which they read first"
                yield Finding(row.name, "fail", line, f"unset {row.name}")


def copies(site: Path) -> Iterator[Finding]:
    """CUDA libraries of which the wheels bring two: which is loaded depends on who asks first.

    Args:
        site: the folder site-packages.
    """
    wheels: dict[str, set[str]] = defaultdict(set)
    for folder in site.glob("nvidia_*.dist-info"):
        if wheel := CUDA_WHEEL.match(folder.name):
            wheels[wheel[1]].add(f"cu{wheel[2]}")
    for name, versions in sorted(wheels.items()):
        if len(versions) > 1:
            copied = f"for {' and '.join(sorted(versions))}, in the same files"
            yield Finding(name.replace("_", "-"), "fail", copied, FIX)
    libraries: dict[str, list[str]] = defaultdict(list)
    for path in sorted(site.glob("nvidia/*/lib/lib*.so*")):
        if library := LIBRARY.match(path.name):
            libraries[library[1]].append(path.relative_to(site).as_posix())
    for name, paths in libraries.items():
        if len(paths) > 1:
            yield Finding(name, "fail", f"twice: {', '.join(paths)}", FIX)


def _site() -> Path:
    return Path(sysconfig.get_path("purelib"))
