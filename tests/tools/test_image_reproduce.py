"""What two image archives are compared by, and that a damaged one is none."""

import gzip
import hashlib
import importlib
import io
import json
import tarfile
from typing import Any

import pytest
from tests.conftest import ROOT


@pytest.fixture
def reproduce(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("image_reproduce")


def layer(*paths: str, content: bytes = b"content", **attributes: Any) -> bytes:
    """A layer as a tar; `attributes` are set on its last path."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in paths:
            member = tarfile.TarInfo(path)
            data = content if path == paths[-1] else b"other"
            for name, value in attributes.items() if path == paths[-1] else ():
                setattr(member, name, value)
            member.size = len(data) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def archive(*layers: bytes, zipped: bool = False, **configuration: Any) -> bytes:
    """An image as `docker save` writes it."""
    configuration["rootfs"] = {"diff_ids": [f"sha256:{digest(content)}" for content in layers]}
    text = json.dumps(configuration).encode()
    names = [f"{digest(content)}.tar" for content in layers]
    manifest = [{"Config": f"{digest(text)}.json", "Layers": names}]
    files = {
        name: gzip.compress(content) if zipped else content
        for name, content in zip(names, layers, strict=True)
    }
    files |= {f"{digest(text)}.json": text, "manifest.json": json.dumps(manifest).encode()}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


@pytest.fixture
def difference(reproduce: Any) -> Any:
    """What is said of two images; the manifest is left out."""

    def difference(first: bytes, second: bytes) -> str:
        built = [
            reproduce.Built(digest(data), {}, reproduce.read(io.BytesIO(data), lambda name: True))
            for data in (first, second)
        ]
        return str(reproduce.difference(*built))

    return difference


SAME = layer("etc", "etc/x")


@pytest.mark.parametrize(
    ("content", "other", "said"),
    [
        (SAME, SAME, "None"),
        (layer("a", content=b"1"), layer("a", content=b"2"), "/a: content 6b86b273ff34 and d4735e3a265e"),
        (layer("a", mode=0o600), layer("a", mode=0o644), "/a: mode 0600 and 0644"),
        (layer("a", uid=1, gid=2), layer("a"), "/a: owner 1:2 and 0:0"),
        (layer("a", mtime=5), layer("a", mtime=6), "/a: time 5 and 6"),
        (layer("a", pax_headers={"SCHILY.xattr.user.x": "1"}), layer("a"), "/a: attributes "),
        (
            layer("a", type=tarfile.SYMTYPE, linkname="b"),
            layer("a", type=tarfile.SYMTYPE, linkname="c"),
            "/a: target b and c",
        ),
        (layer("a", content=b"other"), layer("a", "b"), "/b: only the second build has it"),
        (layer("a", "b", content=b"other"), layer("b", "a", content=b"other"), "/a: order: "),
        (layer("a", uname="me"), layer("a"), "its tar headers: "),
    ],
    ids=["same", "content", "mode", "owner", "time", "attributes", "target", "missing", "order", "headers"],
)
def test_the_first_path_that_differs(difference: Any, content: bytes, other: bytes, said: str) -> None:
    told = difference(archive(SAME, content), archive(SAME, other))
    assert told == said or told.startswith(f"layer 2 of 2: {said}")


def test_more_paths_are_counted_and_later_layers_are_not_looked_at(difference: Any) -> None:
    first, second = (layer("b", "c", "a", mode=mode, content=b"other") for mode in (0o600, 0o644))
    assert (
        difference(archive(first, second), archive(second, first)) == "layer 1 of 2: /a: mode 0600 and 0644"
    )
    said = difference(archive(layer("b", "c")), archive(layer("a", "d")))
    assert said == "layer 1 of 1: /a: only the second build has it, and 3 more in this layer"


def test_the_configuration_differs(difference: Any) -> None:
    first = archive(SAME, history=[{"created": "now"}, {"created": "now"}])
    second = archive(SAME, history=[{"created": "now"}, {"created": "then"}])
    assert difference(first, second) == "the configuration: history.1.created: 'now' and 'then'"


def test_zipped_layers_are_checked_by_what_is_in_them(reproduce: Any) -> None:
    assert reproduce.read(io.BytesIO(archive(SAME, zipped=True))).layers == [f"sha256:{digest(SAME)}"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"no archive at all" * 100,
        lambda data: data[:1000],
        lambda data: data.replace(b"content", b"CONTENT"),
        lambda data: data.replace(b"rootfs", b"ROOTFS"),
        lambda data: data.replace(b"manifest.json", b"manifest.nosj"),
    ],
)
def test_a_damaged_archive(reproduce: Any, damage: Any) -> None:
    with pytest.raises(reproduce.Damaged):
        reproduce.read(io.BytesIO(damage(archive(SAME))))


def test_the_inputs_are_copied_as_somebody_else_has_them(reproduce: Any, tmp_path: Any) -> None:
    """Other modes, times and names; the same contents and executables, and all that .dockerignore lets in."""
    first, second = (reproduce.copy_inputs(person, tmp_path) for person in reproduce.PEOPLE)
    paths = sorted(path.relative_to(first) for path in first.rglob("*"))
    assert paths == sorted(path.relative_to(second) for path in second.rglob("*"))
    assert {str(path) for path in paths} >= {
        "Dockerfile",
        ".dockerignore",
        "entrypoint",
        "src/samebits/run/run.py",
    }
    assert "__pycache__" not in str(paths)
    for path in paths:
        left, right = (first / path).stat(), (second / path).stat()
        assert left.st_mode & 0o7777 == right.st_mode & 0o7700
        assert left.st_mtime != right.st_mtime
        assert (first / path).is_dir() or (first / path).read_bytes() == (ROOT / path).read_bytes()
        assert (first / path).is_dir() or bool(left.st_mode & 0o100) == bool(
            (ROOT / path).stat().st_mode & 0o100
        )
