"""What a command writes, tensor by tensor: the files of one training, compared with those of another."""

import glob
import io
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samebits._extras import need
from samebits._files import sha256_file
from samebits.errors import UsageError
from samebits.hashing.digest import digest
from samebits.hashing.weights import read_header

SHARED_OBJECT = re.compile(rb'("shared_object_id": ?)(\d+)')  # of Keras's configurations


@dataclass(frozen=True)
class Difference:
    """Where two sets of files differ first.

    Attributes:
        file: the file's name.
        what: how, in words.
    """

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


class Written:
    """The files that one training wrote, moved to where the next one does not find them.

    Args:
        files: by the name that the training gave them, where they lie now.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)

    def __len__(self) -> int:
        return len(self._files)

    def difference(self, other: "Written") -> Difference | None:
        """The first file that is there once only, or whose contents differ; None where all are the same.

        Raises:
            UsageError: a file cannot be read, or only by running code in it.
        """
        for name in sorted({*self._files, *other._files}):
            if name not in self._files or name not in other._files:
                which = "second" if name not in self._files else "first"
                return Difference(name, f"only the {which} of two runs wrote it")
            if (what := _differ(self._files[name], other._files[name], name)) is not None:
                return Difference(name, what)
        return None


class Files:
    """The files that patterns name, from one training to the next.

    Args:
        patterns: such as "out/*.pt"; `**` is any depth.
        folder: where those of each training are kept.
    """

    def __init__(self, patterns: Sequence[str], folder: Path) -> None:
        self._patterns, self._folder = patterns, folder
        self._before = self._stamps()
        self._number = 0

    def take(self) -> Written:
        """Move away what was written since the last call, or since the beginning."""
        self._number += 1
        new = [name for name, stamp in self._stamps().items() if self._before.get(name) != stamp]
        kept: dict[str, Path] = {}
        for name in new:
            kept[name] = self._folder / f"files-{self._number}" / os.path.relpath(name).replace("..", "up")
            kept[name].parent.mkdir(parents=True, exist_ok=True)
            shutil.move(name, kept[name])
        return Written(kept)

    def give_back(self, written: Written) -> None:
        """Copy one training's files to where it wrote them."""
        for name, path in written._files.items():
            shutil.copy2(path, name)

    def _stamps(self) -> dict[str, tuple[int, int, int]]:
        names = (name for pattern in self._patterns for name in glob.glob(pattern, recursive=True))
        stats = {name: os.stat(name) for name in names if os.path.isfile(name)}
        return {name: (each.st_ino, each.st_mtime_ns, each.st_size) for name, each in stats.items()}


def other_tensors(first: Path, second: Path, name: str) -> list[str]:
    """The floating-point tensors in two files that differ, by name; of files that cannot be read: none.

    Args:
        first, second: the files, as two trainings wrote them.
        name: their name, whose ending tells the kind.
    """
    read = next((reader for ending, reader in READERS.items() if name.endswith(ending)), None)
    if read is None or sha256_file(first) == sha256_file(second):
        return []
    try:
        ours, theirs = (
            {key: digest(value) for key, value in read(path) if _is_real(value)} for path in (first, second)
        )
    except Exception:  # objects that only running code could read; a file of another kind
        return []
    return [key for key in ours if key in theirs and ours[key] != theirs[key]]


def _is_real(value: Any) -> bool:
    """Whether it is a tensor of real or complex numbers: no state of a generator, no count, no time."""
    kind = str(value[0] if isinstance(value, tuple) else getattr(value, "dtype", "")).lower()
    return bool(re.match(r"(torch\.)?(float|bfloat|complex|f\d|bf\d|c\d)", kind))


def _differ(first_path: Path, second_path: Path, name: str) -> str | None:
    if sha256_file(first_path) == sha256_file(second_path):
        return None
    read = next((reader for ending, reader in READERS.items() if name.endswith(ending)), None)
    if read is None:
        return "other bytes"
    first, second = dict(_parts(read, first_path, name)), dict(_parts(read, second_path, name))
    if list(first) != list(second):
        alone = [key for key in {**first, **second} if key not in first or key not in second]
        return f"{alone[0]} is in one of two only" if alone else "its parts are in another order"
    differ = [key for key in first if first[key] != second[key]]
    if not differ:
        return None  # times in an archive, say
    return f"{len(differ)} of {len(first)} parts differ; the first is {differ[0]}"


def _parts(
    read: Callable[[Path], Iterator[tuple[str, Any]]], path: Path, name: str
) -> Iterator[tuple[str, str]]:
    try:
        for key, value in read(path):
            yield key, digest(value)
    except UsageError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise UsageError(f"{name} cannot be read: {why}") from None


def _torch(path: Path) -> Iterator[tuple[str, Any]]:
    """What `torch.save` wrote; of a pickle nothing is executed."""
    need("torch")
    import pickle

    import torch

    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UsageError(
            f"{path.name} holds objects that only running code in it could read, so it is not read: "
            "save a state dict, or leave it out of --files"
        ) from None
    return _leaves(held, "")


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(part, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(part, Mapping | list | tuple) for part in value):
        for number, part in enumerate(value):
            yield from _leaves(part, f"{name}[{number}]")
    else:
        yield name or "its content", value


def _safetensors(path: Path) -> Iterator[tuple[str, Any]]:
    for name, stored in read_header(path).items():
        yield name, (stored.dtype, stored.shape, stored.read())


def _arrays(path: Path) -> Iterator[tuple[str, Any]]:
    import numpy

    held = numpy.load(path, allow_pickle=False)
    if isinstance(held, numpy.ndarray):
        yield "its content", held
    else:
        yield from ((name, held[name]) for name in held.files)


def _hdf5(file: Any) -> Iterator[tuple[str, Any]]:
    try:
        import h5py
    except ImportError:
        raise UsageError(
            "h5py, which reads HDF5 and .keras files, is not installed: pip install h5py"
        ) from None
    datasets: list[tuple[str, Any]] = []
    with h5py.File(file, "r") as opened:
        opened.visititems(
            lambda name, value: (
                datasets.append((name, value[()])) if isinstance(value, h5py.Dataset) else None
            )
        )
    yield from datasets


def _keras(path: Path) -> Iterator[tuple[str, Any]]:
    """An archive of a configuration and of weights; metadata.json holds the time at which it was saved.

    In config.json an object that is used several times, such as a policy of types, has its address.
    """
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            content = archive.read(name)
            if name.endswith(".h5"):
                yield from _hdf5(io.BytesIO(content))
            elif name == "config.json":
                yield name, _without_addresses(content)
            elif name != "metadata.json":
                yield name, content


def _without_addresses(config: bytes) -> bytes:
    """Keras's configuration with numbers from 0 for objects that are used several times."""
    numbers: dict[bytes, int] = {}

    def number(at: re.Match[bytes]) -> bytes:
        return at[1] + str(numbers.setdefault(at[2], len(numbers))).encode()

    return SHARED_OBJECT.sub(number, config)


READERS: dict[str, Callable[[Path], Iterator[tuple[str, Any]]]] = {
    ".pt": _torch,
    ".pth": _torch,
    ".ckpt": _torch,
    ".bin": _torch,
    ".safetensors": _safetensors,
    ".npz": _arrays,
    ".npy": _arrays,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".keras": _keras,
}
