"""A conda prefix against its own records (`conda-meta/*.json`) and against conda-lock.yml."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from samebits.errors import UsageError
from samebits.installed.packages import Recorded
from samebits.installed.venv import Content

# uv builds the image and is taken out of it: the Dockerfile removes these two.
REMOVED = ("bin/uv", "bin/uvx")
# What the installer writes for itself.
OWN = re.compile(r"conda-meta/([^/]+\.json|history|state|frozen)|CACHEDIR\.TAG")


@dataclass(frozen=True)
class Prefix:
    """What the records of a prefix say.

    Attributes:
        folder: the prefix.
        packages: archive to its SHA-256, as installed.
        paths: path in the prefix to its row in the records.
        owners: path in the prefix to its package.
        faults: records that cannot be read.
    """

    folder: Path
    packages: dict[str, str]
    paths: dict[str, Mapping[str, Any]]
    owners: dict[str, str]
    faults: list[str]


def is_prefix(folder: Path) -> bool:
    """Whether conda, mamba or their like made the folder."""
    return (folder / "conda-meta").is_dir()


def read(folder: Path) -> Prefix:
    """Read every record of a prefix."""
    prefix = Prefix(folder, {}, {}, {}, [])
    for file in sorted((folder / "conda-meta").glob("*.json")):
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            archive = f"{record['name']}-{record['version']}-{record['build']}"
            rows = {row["_path"]: row for row in record["paths_data"]["paths"]}
        except (OSError, ValueError, KeyError, TypeError):
            prefix.faults.append(f"conda-meta/{file.name} is no record of a package")
            continue
        prefix.packages[archive] = record.get("sha256") or ""
        prefix.paths.update(rows)
        prefix.owners.update(dict.fromkeys(rows, archive))
    return prefix


def locked(lock: Path) -> dict[str, str]:
    """The rows of conda-lock.yml: archive to its SHA-256.

    The image has no YAML reader, and conda-lock writes one line a key.

    Raises:
        UsageError: the lock cannot be read or has no rows.
    """
    try:
        text = lock.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{lock} cannot be read: {error.strerror}; --conda-lock names the lock") from None
    rows = {}
    for block in re.split(r"^- name: ", text, flags=re.MULTILINE)[1:]:
        url = re.search(r"^  url: (\S+)$", block, re.MULTILINE)
        sha256 = re.search(r"^    sha256: ([0-9a-f]{64})$", block, re.MULTILINE)
        if url is None or sha256 is None:
            raise UsageError(f"{lock}: {block.split()[0]} has no url or no sha256; `make lock` writes both")
        rows[_archive(url[1])] = sha256[1]
    if not rows:
        raise UsageError(f"{lock} has no packages; --conda-lock names the lock")
    return rows


def _archive(url: str) -> str:
    name = PurePosixPath(urlsplit(url).path).name
    return name.removesuffix(".conda").removesuffix(".tar.bz2")


def unlike_lock(prefix: Prefix, rows: Mapping[str, str], lock: str) -> list[str]:
    """One line for each package that is missing, more than locked, or of another archive."""
    faults = []
    for archive in sorted(rows.keys() | prefix.packages.keys()):
        if archive not in rows:
            faults.append(f"{archive} is installed and not in {lock}")
        elif archive not in prefix.packages:
            faults.append(f"{archive} is in {lock} and not installed")
        elif prefix.packages[archive] != rows[archive]:
            faults.append(f"{archive} was installed from another archive than {lock} has")
    return faults


def files(prefix: Prefix, content: Content) -> tuple[list[Recorded], list[str], list[str]]:
    """What the records say about the files.

    Returns:
        Rows to be hashed; bytecode whose hash is in no record; what is wrong already.
    """
    rows: list[Recorded] = []
    bytecode: list[str] = []
    faults: list[str] = list(prefix.faults)
    for name, row in sorted(prefix.paths.items()):
        owner = prefix.owners[name]
        if row.get("path_type") == "softlink":
            if name not in content.links:
                faults.append(f"{name} of {owner} is missing or no link")
        elif name in content.files:
            sha256 = row.get("sha256_in_prefix") or row.get("sha256")
            if not sha256 and name.endswith(".pyc"):
                bytecode.append(name)  # compiled while the package was installed
            elif not sha256:
                faults.append(f"{name}: the record of {owner} has no sha256 for it")
            else:
                size = -1 if row.get("prefix_placeholder") else row.get("size_in_bytes", -1)
                rows.append(Recorded(prefix.folder / name, sha256, size, owner))
        elif name not in REMOVED and row.get("path_type") != "directory" and name not in content.folders:
            faults.append(f"{name} of {owner} is missing")
    for name, target in content.links.items():
        if name not in prefix.paths:
            faults.append(f"{name} is a link to {target}, and in no record")
        elif not (prefix.folder / name).resolve().is_relative_to(prefix.folder.resolve()):
            faults.append(f"{name} is a link out of the prefix, to {target}")
    for name in content.files:
        if name not in prefix.paths and not OWN.fullmatch(name):
            if name.endswith(".pyc"):
                bytecode.append(name)
            else:
                faults.append(f"{name} is in no record of conda-meta")
    return rows, bytecode, faults
