"""Image archives, read as a stream: what `docker save` writes and `buildah push docker-archive:` sends."""

import hashlib
import json
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

CHUNK = 1 << 20
KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
}


class Damaged(Exception):  # noqa: N818
    """The archive is not an image, or not the one that it says it is; the text says why."""


@dataclass(frozen=True)
class Entry:
    """One path of a layer, with everything that its digest depends on."""

    kind: str
    mode: str
    owner: str
    time: float
    target: str
    attributes: tuple[tuple[str, str], ...]
    content: str

    def differs_in(self, other: "Entry") -> list[str]:
        return [name for name in self.__dataclass_fields__ if getattr(self, name) != getattr(other, name)]


@dataclass
class Archive:
    """An image: its configuration's digest (the image's ID), and its layers' in order."""

    image: str = ""
    configuration: dict[str, Any] = field(default_factory=dict)
    layers: list[str] = field(default_factory=list)
    entries: dict[str, dict[str, Entry]] = field(default_factory=dict)  # by layer, in the layer's order


class _Hashed:
    """A file object that hashes what is read through it, and the same unpacked where it is gzip."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.sha256 = hashlib.sha256()
        self.unpacked: tuple[Any, Any] | None = None
        self.begun = False

    def read(self, size: int = CHUNK) -> bytes:
        data: bytes = self.file.read(size)
        if data and not self.begun:
            self.begun = True
            if data[:2] == b"\x1f\x8b":
                self.unpacked = zlib.decompressobj(wbits=31), hashlib.sha256()
        self.sha256.update(data)
        if self.unpacked:
            unzip, sha256 = self.unpacked
            sha256.update(unzip.decompress(data))
        return data

    def digests(self) -> set[str]:
        """Of all that there is to read; the rest is read here."""
        while self.read():
            pass
        hashes = [self.sha256] + ([self.unpacked[1]] if self.unpacked else [])
        return {f"sha256:{sha256.hexdigest()}" for sha256 in hashes}


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    content = ""
    if member.isreg():
        file = tar.extractfile(member)
        assert file is not None
        sha256 = hashlib.sha256()
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
        content = sha256.hexdigest()
    device = f"{member.devmajor}:{member.devminor}" if member.isdev() else ""
    return Entry(
        kind=KINDS.get(member.type, f"type {member.type.decode(errors='replace')}"),
        mode=f"{member.mode & 0o7777:04o}",
        owner=f"{member.uid}:{member.gid}",
        time=member.mtime,
        target=member.linkname or device,
        attributes=tuple(sorted((k, v) for k, v in member.pax_headers.items() if "xattr" in k)),
        content=content,
    )


def read(stream: BinaryIO, wants: Callable[[str], bool] = lambda name: False) -> Archive:
    """Read an archive to its end, and check it: every layer is the one that the configuration names.

    Args:
        stream: the archive; need not be seekable.
        wants: whether the entries of the layer in this member of the archive are listed, too.

    Raises:
        Damaged: it is no archive of one image, it is cut short, or a digest in it is not its content's.
    """
    digests: dict[str, set[str]] = {}
    entries: dict[str, dict[str, Entry]] = {}
    links: dict[str, str] = {}
    texts: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                if member.issym() or member.islnk():
                    folder = member.name.rpartition("/")[0] if member.issym() else ""
                    links[member.name] = _join(folder, member.linkname)
                if not member.isreg():
                    continue
                hashed = _Hashed(tar.extractfile(member))
                if member.name.endswith(".tar") and wants(member.name):
                    with tarfile.open(fileobj=hashed, mode="r|") as layer:  # type: ignore[call-overload]
                        entries[member.name] = {entry.name: _entry(layer, entry) for entry in layer}
                elif member.size < CHUNK:
                    texts[member.name] = hashed.read()
                digests[member.name] = hashed.digests()
        (manifest,) = json.loads(texts["manifest.json"])
        configuration = json.loads(texts[manifest["Config"]])
        layers, members = configuration["rootfs"]["diff_ids"], manifest["Layers"]
    except (tarfile.TarError, EOFError, zlib.error, KeyError, TypeError, ValueError) as error:
        raise Damaged(f"it is cut short or no archive of one image ({type(error).__name__})") from None
    (image,) = digests[manifest["Config"]]
    if manifest["Config"].rpartition("/")[2].removesuffix(".json") != image.removeprefix("sha256:"):
        raise Damaged(f"its configuration is {image}, and is stored as {manifest['Config']}")
    if len(layers) != len(members):
        raise Damaged(f"it has {len(members)} layers, and its configuration names {len(layers)}")
    archive = Archive(image, configuration, layers)
    for layer, name in zip(layers, members, strict=True):
        name = links.get(name, name)
        if layer not in digests.get(name, set()):
            raise Damaged(f"the layer {name} is not {layer}, which its configuration names")
        if name in entries:
            archive.entries[layer] = entries[name]
    return archive


def _join(folder: str, target: str) -> str:
    """A link's target, seen from the archive's root."""
    parts = folder.split("/") if folder else []
    for part in target.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
