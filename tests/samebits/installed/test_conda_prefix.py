"""A conda prefix against its records and its lock: a small one, linked by rattler from made-up packages."""

import asyncio
import hashlib
import io
import json
import py_compile
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import rattler
import yaml
from tests.conftest import ROOT

from samebits.installed.attest import interpreter
from samebits.installed.conda_prefix import locked
from samebits.installed.venv import Environment

OLD = "/a/placeholder/" + "x" * 120
FILES = {
    "bin/tool": (f"#!{OLD}/bin/sh\n".encode(), "text"),
    "lib/lib.so": (b"\x7fELF\0" + OLD.encode() + b"/lib\0rest", "binary"),
    "lib/plain.txt": (b"plain", ""),
    "lib/python3.11/module.py": (b"x = 1\n", ""),
    "lib/python3.11/__pycache__/module.cpython-311.pyc": (b"shipped with the package", ""),
}


def package(folder: Path, name: str, files: dict[str, tuple[bytes, str]], links: dict[str, str]) -> Path:
    """An archive as conda-build makes it."""
    archive = folder / f"{name}-1.0-0.tar.bz2"
    rows: list[dict[str, object]] = []
    with tarfile.open(archive, "w:bz2") as tar:

        def add(path: str, content: bytes) -> None:
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))

        for path, (content, mode) in files.items():
            sha256 = hashlib.sha256(content).hexdigest()
            row = {"_path": path, "path_type": "hardlink", "sha256": sha256, "size_in_bytes": len(content)}
            rows.append({**row, "file_mode": mode, "prefix_placeholder": OLD} if mode else {**row})
            add(path, content)
        for path, target in links.items():
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
            empty = hashlib.sha256().hexdigest()
            rows.append({"_path": path, "path_type": "softlink", "sha256": empty, "size_in_bytes": 0})
        index = {"name": name, "version": "1.0", "build": "0", "build_number": 0, "depends": []}
        add("info/index.json", json.dumps({**index, "subdir": "linux-64"}).encode())
        add("info/paths.json", json.dumps({"paths": rows, "paths_version": 1}).encode())
    return archive


def install(prefix: Path, archives: list[Path]) -> None:
    records = []
    for archive in archives:
        record = rattler.PackageRecord(
            name=archive.name.partition("-")[0], version="1.0", build=rattler.BuildString("0"),
            build_number=0, subdir="linux-64", sha256=hashlib.sha256(archive.read_bytes()).digest(),
        )  # fmt: skip
        records.append(
            rattler.RepoDataRecord(record, archive.name, archive.as_uri(), archive.parent.as_uri())
        )
    cache = archives[0].parent / "cache"
    asyncio.run(rattler.install(records, target_prefix=prefix, cache_dir=cache, show_progress=False))


def lock(path: Path, archives: list[Path]) -> Path:
    """In conda-lock's layout, the head of conda-lock.yml included."""
    text = (ROOT / "conda-lock.yml").read_text().partition("package:\n")[0] + "package:\n"
    for archive in archives:
        sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
        text += f"- name: {archive.name.partition('-')[0]}\n  version: '1.0'\n  manager: conda\n"
        text += f"  url: https://channel.example/linux-64/{archive.name.replace('.tar.bz2', '.conda')}\n"
        text += f"  hash:\n    md5: 0\n    sha256: {sha256}\n  category: main\n  optional: false\n"
    path.write_text(text)
    return path


class Prefix:
    def __init__(self, folder: Path) -> None:
        self.folder, self.prefix = folder, folder / "python"
        self.archives = [
            package(folder, "one", FILES, {"lib/link.txt": "plain.txt"}),
            package(folder, "uv", {"bin/uv": (b"uv", ""), "bin/uvx": (b"uvx", "")}, {}),
        ]
        install(self.prefix, self.archives)
        for name in ("uv", "uvx"):  # as the Dockerfile does
            (self.prefix / "bin" / name).unlink()

    def faults(self, archives: list[Path] | None = None) -> dict[str, list[str]]:
        where = Environment(self.folder / ".venv", self.folder, self.prefix / "bin", "3.11.15", {})
        checks = interpreter(where, lock(self.folder / "conda-lock.yml", archives or self.archives))
        assert [check.check for check in checks] == ["conda packages", "conda files"]
        return {check.check: check.faults for check in checks if check.faults}


@pytest.fixture
def conda(tmp_path: Path) -> Prefix:
    return Prefix(tmp_path)


def test_as_installed_all_is_right(conda: Prefix) -> None:
    assert OLD.encode() not in (conda.prefix / "lib/lib.so").read_bytes()  # so rattler has replaced it
    assert conda.faults() == {}


def test_bytecode_that_python_wrote_anew_is_right(conda: Prefix) -> None:
    py_compile.compile(str(conda.prefix / "lib/python3.11/module.py"))
    assert conda.faults() == {}


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lambda prefix: (prefix / "lib/plain.txt").write_text("plAin"), "lib/plain.txt has sha256"),
        (lambda prefix: (prefix / "lib/plain.txt").write_text("more"), "lib/plain.txt has 4 bytes, recorded"),
        (lambda prefix: (prefix / "lib/lib.so").write_text("x"), "lib/lib.so has sha256"),
        (lambda prefix: (prefix / "bin/tool").write_text("#!/bin/sh\n"), "bin/tool has sha256"),
        (lambda prefix: (prefix / "lib/plain.txt").unlink(), "lib/plain.txt of one-1.0-0 is missing"),
        (lambda prefix: (prefix / "lib/link.txt").unlink(), "lib/link.txt of one-1.0-0 is missing or no"),
        (lambda prefix: (prefix / "lib/more.txt").touch(), "lib/more.txt is in no record of conda-meta"),
        (lambda prefix: (prefix / "lib/a").symlink_to("/etc"), "lib/a is a link to /etc, and in no record"),
        (lambda prefix: (prefix / "bin/uv").write_text("UV"), "bin/uv has sha256"),
        (
            lambda prefix: (prefix / "lib/python3.11/__pycache__/module.cpython-311.pyc").write_text("x"),
            "module.cpython-311.pyc is not bytecode of this Python",
        ),
        (
            lambda prefix: (prefix / "conda-meta/one-1.0-0.json").write_text("{}"),
            "conda-meta/one-1.0-0.json is no record of a package",
        ),
    ],
)  # fmt: skip
def test_tampering_is_named(conda: Prefix, tamper: Callable[[Path], object], said: str) -> None:
    tamper(conda.prefix)
    faults = conda.faults()["conda files"]
    assert any(said in fault for fault in faults), faults


def test_another_link_out_of_the_prefix(conda: Prefix) -> None:
    (conda.prefix / "lib/link.txt").unlink()
    (conda.prefix / "lib/link.txt").symlink_to("/etc/hostname")
    assert conda.faults()["conda files"] == ["lib/link.txt is a link out of the prefix, to /etc/hostname"]


def test_packages_that_are_not_as_locked(conda: Prefix) -> None:
    first, uv = conda.archives
    assert conda.faults([first])["conda packages"] == ["uv-1.0-0 is installed and not in conda-lock.yml"]
    two = package(conda.folder, "two", {"a": (b"", "")}, {})
    told = conda.faults([first, uv, two])["conda packages"]
    assert told == ["two-1.0-0 is in conda-lock.yml and not installed"]
    uv.write_bytes(b"another archive")
    told = conda.faults()["conda packages"]
    assert told == ["uv-1.0-0 was installed from another archive than conda-lock.yml has"]


def test_the_projects_own_lock_can_be_read() -> None:
    rows = yaml.safe_load((ROOT / "conda-lock.yml").read_text())["package"]
    assert sorted(locked(ROOT / "conda-lock.yml").values()) == sorted(row["hash"]["sha256"] for row in rows)
    assert all(any(archive.startswith(f"{row['name']}-{row['version']}-") for row in rows)
               for archive in locked(ROOT / "conda-lock.yml"))  # fmt: skip
