"""The one wheel of a package's many that an installer would choose for our platform."""

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from samebits.bootstrap.request import GLIBC, UV_PLATFORM
from samebits.errors import CheckFailed


def wheel_tags(python: str) -> dict[Tag, int]:
    """Every tag that a wheel for `python` on our platform may have: its rank, the best is 0."""
    old = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    platforms = []
    for minor in range(GLIBC, 4, -1):
        platforms.append(f"manylinux_2_{minor}_x86_64")
        if minor in old:
            platforms.append(f"{old[minor]}_x86_64")
    platforms.append("linux_x86_64")
    version, interpreter = tuple(map(int, python.split("."))), "cp" + python.replace(".", "")
    tags = [
        *cpython_tags(version, abis=[interpreter], platforms=platforms),
        *compatible_tags(version, interpreter, platforms),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


def best_wheel(package: dict[str, Any], ranks: dict[Tag, int]) -> str:
    """The sha256 of the one wheel, of all that a package's version has, which an installer would choose.

    Args:
        package: a row of `packages` in a pylock.toml.
        ranks: of `wheel_tags`.

    Raises:
        CheckFailed: there is none for our platform, or the index gives no sha256.
    """
    candidates = []
    for wheel in package.get("wheels", []):
        address = wheel.get("name") or wheel.get("path") or urlsplit(wheel["url"]).path
        _, _, build, tags = parse_wheel_filename(unquote(PurePosixPath(address).name))
        fitting = [ranks[tag] for tag in tags if tag in ranks]
        if fitting:
            # Best tag first; of two builds with equal tags, the later one.
            candidates.append((-min(fitting), build, wheel["hashes"].get("sha256")))
    name = f"{package['name']} {package.get('version', '')}"
    if not candidates:
        raise CheckFailed(f"{name} has no wheel for {UV_PLATFORM}; ask for a version that has one")
    sha256: str | None = max(candidates, key=lambda candidate: candidate[:2])[2]
    if sha256 is None:
        raise CheckFailed(f"{name}: the package index gives no sha256 for its wheel; use an index that does")
    return sha256
