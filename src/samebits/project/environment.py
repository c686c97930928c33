"""environment.yml: what is installed where samebits runs, as conda and the Dockerfile read it."""

import json
import platform
import re
from collections.abc import Iterable
from importlib.metadata import distributions

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from samebits.installed.packages import Package

# Chosen, whatever else needs them.
CHOSEN = ("samebits", "torch", "tensorflow", "keras")
NOT_PIPS = ("pip", "uv")  # they install; conda brings pip
HEAD = """\
# What was installed when `samebits init` wrote this. conda reads it whole, the Dockerfile its pip half.
# `samebits init --force environment.yml` writes it again.
"""


def environment_file(name: str) -> str:
    """The text of an environment.yml with every distribution that can be imported here.

    Args:
        name: the environment's name; what conda does not accept in it becomes a hyphen.
    """
    packages = _packages()
    needed = {need for package in packages.values() for need in _needs(package)}
    pinned: dict[bool, list[str]] = {True: [], False: []}  # whether it was chosen
    left_out = []
    for key, package in packages.items():
        version, origin = _version(package), _origin(package)
        if key in NOT_PIPS:
            continue
        if version is None or (origin and key != "samebits"):
            left_out.append(f"{key} {package.version}: {origin or 'its version is not one'}")
        else:
            pinned[key in CHOSEN or key not in needed].append(_row(key, version, origin))
    lines = [
        f"name: {json.dumps(re.sub(r'[^A-Za-z0-9._-]+', '-', name))}",
        "channels:",
        "  - conda-forge",
        "dependencies:",
        f"  - python={platform.python_version().rstrip('+')}",
        "  - pip",
        "  - pip:",
        *_part("what you chose: nothing else here needs it", pinned[True]),
        *_part("what these need", pinned[False]),
    ]
    if left_out:
        lines.append("      # left out, as no index has them in this form:")
        lines += [f"      #   {line}" for line in left_out]
    return HEAD + "\n".join(lines) + "\n"


def _part(heading: str, rows: list[str]) -> list[str]:
    return [f"      # {heading}", *(f"      - {row}" for row in rows)] if rows else []


def _row(name: str, version: Version, origin: str) -> str:
    """A pin. `==2.10.0` is met by 2.10.0+cpu, too, and other indexes than PyTorch's have no `+cpu`."""
    notes = [f"here {version}, of a special index"] if version.local else []
    if origin:
        notes.append(f"here {origin}: put its wheel beside this file for the Dockerfile")
    return f"{name}=={version.public}" + (f"  # {'; '.join(notes)}" if notes else "")


def _packages() -> dict[str, Package]:
    """By name, and sorted; of two with one name the one that is imported."""
    packages: dict[str, Package] = {}
    for distribution in distributions():
        package = Package(distribution)
        packages.setdefault(canonicalize_name(package.name), package)
    return dict(sorted(packages.items()))


def _needs(package: Package) -> Iterable[str]:
    """The names of what it needs here, without any extra."""
    for text in package.requires:
        try:
            need = Requirement(text)
        except InvalidRequirement:
            continue
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            yield canonicalize_name(need.name)


def _version(package: Package) -> Version | None:
    try:
        return Version(package.version)
    except InvalidVersion:
        return None


def _origin(package: Package) -> str:
    """Where it was installed from, if not from an index: without addresses, which can hold passwords."""
    if (package.distribution.read_text("INSTALLER") or "").strip() == "conda":
        return ""  # the address is that of the folder in which conda's own machines built it
    try:
        direct = json.loads(package.distribution.read_text("direct_url.json") or "{}")
        if "vcs_info" in direct:
            return f"from {direct['vcs_info']['vcs']}, commit {direct['vcs_info']['commit_id']}"
        if direct.get("dir_info", {}).get("editable"):
            return "linked to its source"
    except (ValueError, KeyError, TypeError, AttributeError):
        return "from somewhere that its direct_url.json does not say"
    if "dir_info" in direct:
        return "from a folder"
    return "from a file" if direct else ""
