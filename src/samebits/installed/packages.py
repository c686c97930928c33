"""The packages of an environment: which there are, what they need, and what their RECORDs say."""

import base64
import binascii
import csv
import importlib.metadata
import json
import os
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from samebits.bootstrap.rows import pins
from samebits.errors import UsageError

# What the wheel format lets stand without a hash.
UNHASHED = (".dist-info/RECORD", ".dist-info/RECORD.jws", ".dist-info/RECORD.p7s")


@dataclass(frozen=True)
class Recorded:
    """One row of a RECORD: the file, its SHA-256 in hexadecimal digits, its bytes, and whose RECORD it is."""

    path: Path
    sha256: str
    size: int
    owner: str


class Package:
    """One installed distribution, read from its metadata folder."""

    def __init__(self, distribution: importlib.metadata.Distribution) -> None:
        self.distribution = distribution
        folder = Path(str(getattr(distribution, "_path", "")))
        try:
            metadata = distribution.metadata
            self.name: str = canonicalize_name(metadata["Name"])
            self.version: str = metadata["Version"] or "of no version"
            self.python: str = metadata["Requires-Python"] or ""
            self.requires: list[str] = distribution.requires or []
        except (AttributeError, TypeError):  # a folder of metadata without METADATA
            self.name, self.version, self.python, self.requires = folder.name, "without METADATA", "", []

    def is_editable(self, root: Path) -> bool:
        """Whether it is the project in `root`, installed as a link to its source."""
        try:
            direct = json.loads(self.distribution.read_text("direct_url.json") or "{}")
            editable = direct.get("dir_info", {}).get("editable") is True
            return editable and direct["url"] == root.resolve().as_uri()
        except (ValueError, KeyError, AttributeError):
            return False

    def recorded(self) -> tuple[list[Recorded], list[Path], list[str]]:
        """Its RECORD: rows with a hash, files that may stand without one, and what is wrong with it."""
        text = self.distribution.read_text("RECORD")
        if text is None:
            return [], [], [f"{self.name} {self.version} has no RECORD"]
        site = Path(str(self.distribution.locate_file("")))
        rows: list[Recorded] = []
        unhashed: list[Path] = []
        faults: list[str] = []
        for row in csv.reader(text.splitlines()):
            name, digest, size = [*row, "", "", ""][:3]
            path = Path(os.path.normpath(site / name))
            if not digest and (path.suffix == ".pyc" or name.endswith(UNHASHED)):
                unhashed.append(path)
                continue
            try:
                rows.append(Recorded(path, _hexadecimal(digest), int(size), self.name))
            except ValueError:
                faults.append(f"{name}: the RECORD of {self.name} has no sha256 and size for it")
        return rows, unhashed, faults


def _hexadecimal(digest: str) -> str:
    algorithm, _, encoded = digest.partition("=")
    try:
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except binascii.Error:
        raw = b""
    if algorithm != "sha256" or len(raw) != 32:
        raise ValueError(digest)
    return raw.hex()


def installed(site: Path) -> list[Package]:
    """Every distribution in a site-packages folder, by name."""
    distributions = importlib.metadata.distributions(path=[str(site)])
    return sorted(
        (Package(distribution) for distribution in distributions),
        key=lambda package: (package.name, package.version),
    )


def locked(locks: Sequence[Path]) -> dict[str, tuple[str, str]]:
    """The rows of PyPI locks: name to version and the lock's file name.

    Raises:
        UsageError: a lock cannot be read or has no rows.
    """
    rows: dict[str, tuple[str, str]] = {}
    for lock in locks:
        try:
            pinned = pins(lock.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not a text file"
            raise UsageError(f"{lock} cannot be read: {why}; --lock names the lock") from None
        if not pinned:
            raise UsageError(f"{lock} has no rows NAME==VERSION; --lock names the lock") from None
        rows |= {name: (version, lock.name) for name, version in pinned.items()}
    return rows


def unlike_lock(packages: Sequence[Package], rows: Mapping[str, tuple[str, str]]) -> list[str]:
    """One line for each package that is missing, more than locked, twice there, or in another version."""
    faults = []
    there: dict[str, list[str]] = {}
    for package in packages:
        there.setdefault(package.name, []).append(package.version)
    for name in sorted(rows.keys() | there.keys()):
        versions = there.get(name, [])
        if name not in rows:
            faults.append(f"{name} {versions[0]} is installed and in no lock")
        elif not versions:
            faults.append(f"{name} {rows[name][0]} is in {rows[name][1]} and not installed")
        elif len(versions) > 1:
            faults.append(f"{name} is installed {len(versions)} times: {', '.join(versions)}")
        elif not _same_version(versions[0], rows[name][0]):
            faults.append(f"{name} {versions[0]} is installed, {rows[name][1]} has {rows[name][0]}")
    return faults


def _same_version(first: str, second: str) -> bool:
    try:
        return Version(first) == Version(second)
    except InvalidVersion:
        return first == second


def unmet(packages: Sequence[Package], python: str) -> tuple[int, list[str]]:
    """What `pip check` does, and extras that one package asks another for.

    Args:
        packages: all that are installed.
        python: the interpreter's version.

    Returns:
        How many requirements were looked at, and one line for each that is not met.
    """
    there = {package.name: package for package in packages}
    environment: dict[str, str | AbstractSet[str]] = {**default_environment()}  # type: ignore[dict-item]
    environment["python_full_version"] = python
    faults: list[str] = []
    looked_at = 0
    for package in packages:
        try:
            if not SpecifierSet(package.python).contains(python, prereleases=True):
                faults.append(
                    f"{package.name} {package.version} needs Python {package.python}, this is {python}"
                )
        except InvalidSpecifier:
            faults.append(f"{package.name} {package.version}: Requires-Python is {package.python!r}")
    waiting = [(package.name, "") for package in packages]  # with an extra, or with none
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop(0)
        package = there[name]
        for text in package.requires:
            try:
                need = Requirement(text)
            except InvalidRequirement:
                faults.append(f"{package.name} {package.version}: {text!r} is not a requirement")
                continue
            if need.marker and not need.marker.evaluate({**environment, "extra": extra}):
                continue
            if extra and (need.marker is None or need.marker.evaluate({**environment, "extra": ""})):
                continue  # looked at without the extra
            looked_at += 1
            other = there.get(canonicalize_name(need.name))
            who = f"{package.name}[{extra}]" if extra else package.name
            if other is None:
                faults.append(f"{who} {package.version} needs {need.name}{need.specifier}: not installed")
                continue
            if not need.specifier.contains(other.version, prereleases=True):
                faults.append(
                    f"{who} {package.version} needs {need.name}{need.specifier}: {other.version} is installed"
                )
            more = [pair for wanted in sorted(need.extras) if (pair := (other.name, wanted)) not in seen]
            seen.update(more)
            waiting.extend(more)
    return looked_at, faults
