"""The checkpoints that a program wrote: complete files and folders that hold the state of a training.

They are known by their contents, not by their names: archives of `torch.save`, Keras and NumPy, HDF5,
safetensors, pickles, and the index of a checkpoint of TensorFlow. Nothing in them is executed.
"""

import contextlib
import glob
import os
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from samebits.errors import UsageError

Stamp = tuple[int, int, int]  # inode, time of the last change in ns, size
NUMBERED = re.compile(r"(checkpoint|ckpt|(global|train)?_?step|epoch|iter(ation)?|state)s?[-_=.]?\d+", re.I)
# What only a folder holds whose files belong together: of Hugging Face, Accelerate, torch's DCP.
PARTS = re.compile(r"optim|trainer_state\.json|random_states_\d+\.pkl|rng_state|\.metadata$")
NOT_YET = re.compile(r"^\.|^~|^te?mp[-_.]|[-_.](te?mp|part|partial|incomplete)([-_.]\d+)?$", re.I)
BEST = re.compile("best", re.I)  # has another purpose than to resume
UNLISTED = ("__pycache__",)
ZIP, HDF5, PICKLE = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", re.compile(rb"\x80[\x02-\x05]")
OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9"  # what `torch.save` wrote before it wrote archives
INDEX, INDEX_END = ".index", b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"  # of a checkpoint of TensorFlow


def stamps(folder: str) -> dict[str, Stamp]:
    """Each file below a folder, by its path in it; what links lead to is left out."""
    seen: dict[str, Stamp] = {}
    waiting = [""]
    while waiting:
        part = waiting.pop()
        with contextlib.suppress(OSError), os.scandir(os.path.join(folder, part)) as entries:
            for entry in entries:
                name = os.path.join(part, entry.name)
                with contextlib.suppress(OSError):  # it is gone meanwhile
                    if entry.is_dir(follow_symlinks=False):
                        waiting += [name] * (entry.name not in UNLISTED)
                    elif entry.is_file(follow_symlinks=False):
                        status = entry.stat()
                        seen[name] = (status.st_ino, status.st_mtime_ns, status.st_size)
    return seen


def saved(
    folder: str, before: Mapping[str, Stamp], unfinished: Collection[str] = (), pattern: str = ""
) -> list[str]:
    """The complete checkpoints that were written below a folder, the last one last.

    Args:
        folder: where a program was started.
        before: `stamps` of it, at the program's start.
        unfinished: files that the program had not closed when it was killed.
        pattern: names the files or folders that are checkpoints, such as "out/step-*"; "": what looks so.

    Returns:
        Paths in the folder: of files, or of folders whose files belong together (`checkpoint-12/`). Files
        with "best" in their names come first, as they are seldom written to resume.
    """
    now = stamps(folder)
    new = {name: stamp for name, stamp in now.items() if before.get(name) != stamp}
    old = {str(parent) for name in before for parent in Path(name).parents}
    if pattern:
        named = glob.glob(pattern, root_dir=folder, recursive=True)
    else:
        states = [name for name in new if _is_ready(name) and _judge(os.path.join(folder, name))]
        named = [_folder_of(name, new, old) or name for name in states]
    written: dict[str, int] = {}
    for name in named:
        files = [each for each in new if each == name or each.startswith(os.path.join(name, ""))]
        broken = (each in unfinished or _judge(os.path.join(folder, each)) is False for each in files)
        if files and not any(broken):
            index = _is_index(os.path.join(folder, name))
            written[name.removesuffix(INDEX) if index else name] = max(now[each][1] for each in files)
    return sorted(written, key=lambda name: (not BEST.search(name), written[name], _natural(name)))


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _is_ready(name: str) -> bool:
    return not any(NOT_YET.search(part) for part in name.split(os.sep))


def _folder_of(name: str, new: Collection[str], old: Collection[str]) -> str | None:
    """The outermost new folder around a file that is a checkpoint as a whole; None where there is none."""
    for parent in reversed(Path(name).parents[:-1]):
        if str(parent) in old:
            continue
        if NUMBERED.fullmatch(parent.name) or any(map(PARTS.search, _names(str(parent), new))):
            return str(parent)
    return None


def _names(folder: str, files: Collection[str]) -> Iterator[str]:
    return (os.path.basename(name) for name in files if os.path.dirname(name) == folder)


# ---------------------------------------------------------------- what a file holds
def _judge(path: str) -> bool | None:
    """True: a complete file of a known kind; False: one that is cut off; None: of another kind."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 8))
            tail = file.read(8)
        if head.startswith(ZIP):
            return zipfile.is_zipfile(path)  # the list of its parts is written last
        if head.startswith(HDF5):
            return _end_of_hdf5(head) <= size
        if head.startswith(OLD_TORCH):
            return True
        if PICKLE.match(head):
            return tail.endswith(b".")
        if head[8:9] == b"{" and path.endswith(".safetensors"):
            from samebits.hashing.weights import read_header  # which imports NumPy

            read_header(Path(path))
            return True
    except UsageError:  # it is a file of safetensors, and not whole
        return False
    except OSError:
        return None
    return True if _is_index(path) else None


def _is_index(path: str) -> bool:
    if not path.endswith(INDEX):
        return False
    with contextlib.suppress(OSError), open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 8))
        return file.read() == INDEX_END
    return False


def _end_of_hdf5(head: bytes) -> int:
    """How long a file of HDF5 must be, as its first block says: "end of file address"."""
    at = {0: 40, 1: 44}.get(head[8], 28)  # by the version of that block
    return int.from_bytes(head[at : at + 8], "little")
