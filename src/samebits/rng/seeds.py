"""One root seed: seeds derived from it, and every global generator seeded with it."""

import hashlib
import importlib.abc
import operator
import sys
from contextlib import ExitStack
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from samebits.errors import UsageError
from samebits.rng import generators

LIMIT = 2**63  # seeds lie in [0, LIMIT): what every framework's signed 64-bit seed can hold


def derive_seed(root: int, *path: str | int) -> int:
    """The seed of the stream that `path` names, under the seed `root`.

    It is the first 63 bits of a SHA-256, so streams are independent of each other, and one stream more never
    moves another. `1` and `"1"`, `("a", "b")` and `("ab",)` are different paths.

    >>> derive_seed(0, "dropout")
    2544350672122396241

    Args:
        root: the seed of the run, an integer in [0, 2**63).
        path: names and numbers, such as `"sample", epoch, index`; numbers may be negative.

    Returns:
        An integer in [0, 2**63).

    Raises:
        UsageError: the root is no such integer, or an element of the path is neither text nor an integer.
    """
    return first_63_bits(hasher(root, *path).digest())


def first_63_bits(digest: bytes) -> int:
    """The derived seed that a digest stands for: an integer in [0, 2**63)."""
    return int.from_bytes(digest[:8], "big") >> 1


def hasher(root: int, *path: str | int) -> Any:
    """The SHA-256 object behind `derive_seed`.

    A copy of it, updated with `encode(element)`, is that of the path one element longer.
    """
    return hashlib.sha256(b"samebits:" + encode(checked(root)) + b"".join(map(encode, path)))


def encode(element: str | int) -> bytes:
    """One element of a path as bytes, in a way that no two paths share (as in bencode)."""
    if type(element) is int:  # first, because a loader comes through here once per sample
        return b"i%d;" % element
    if isinstance(element, str):
        text = element.encode("utf-8", "surrogatepass")
        return b"s%d:%b" % (len(text), text)
    if isinstance(element, bool):
        raise UsageError(f"a seed is derived from names and integers, not from {element!r}")
    try:
        return b"i%d;" % operator.index(element)  # NumPy's integers, and torch's tensors of one integer
    except TypeError:
        raise UsageError(f"a seed is derived from names and integers, not from {element!r}") from None


def checked(seed: int) -> int:
    """The seed as a Python integer.

    Raises:
        UsageError: it is no integer (True, 1.0 and "1" are none) or lies outside [0, 2**63).
    """
    try:
        number = None if isinstance(seed, bool) else operator.index(seed)
    except TypeError:
        number = None
    if number is None or not 0 <= number < LIMIT:
        raise UsageError(f"seed is {seed!r}: give an integer from 0 to 2**63 - 1")
    return number


def seed_everything(seed: int) -> None:
    """Seed every global generator: Python's, NumPy's, torch's on every device, TensorFlow's and Keras's.

    Only what the program has imported is seeded, and nothing is imported for it. A framework that is imported
    later is seeded with the same seed as soon as its import ends, so the place of the call does not matter.
    Each generator gets the plain seed, as `torch.manual_seed(seed)` or `keras.utils.set_random_seed(seed)`
    would give it, and none depends on which other frameworks there are.

    Generators that the program made itself (`numpy.random.default_rng()`, `torch.Generator()`) are not
    reached.

    Args:
        seed: an integer in [0, 2**63).

    Raises:
        UsageError: the seed is no such integer.
    """
    seed = checked(seed)
    from samebits.process import (
        check,  # here: it reads files that a program which only derives seeds never needs
    )

    check.this_process(strict=False)
    seed_imported(seed)


def seed_imported(seed: int) -> None:
    """`seed_everything` without its checks."""
    for _, row in generators.imported():
        row.seed(seed)
    on_import.seed = seed
    if on_import not in sys.meta_path:
        sys.meta_path.insert(0, on_import)


def seed_step(seed: int) -> None:
    """Give one training step generators of its own: what was drawn between steps no longer matters.

    Python's, NumPy's and torch's (on every device in use), as far as they are imported: about 10 µs, where
    `seed_everything` takes 70 for torch alone. Keras's layers keep generators of their own, which nothing
    else moves.

    Args:
        seed: an integer in [0, 2**63), as `derive_seed` gives it.
    """
    for _, row in generators.imported():
        if row.seed_step is not None:
            row.seed_step(seed)


class SeedOnImport(importlib.abc.MetaPathFinder):
    """Seeds a framework when its import ends, and keeps the import from moving other generators.

    (`import tensorflow` draws from Python's.)
    """

    seed: int | None = None  # that of the last seed_everything; None: nothing is seeded

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if self.seed is None or name not in generators.ROWS:
            return None
        others = sys.meta_path[sys.meta_path.index(self) + 1 :]  # another that does the same may be there
        spec = next((spec for finder in others if (spec := finder.find_spec(name, path, target))), None)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            with ExitStack() as stack:
                for other in ("random", "numpy.random"):
                    if other in sys.modules and other != name:
                        stack.callback(generators.row(other).save())
                execute(module)
            if self.seed is not None:
                generators.row(name).seed(self.seed)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign] # of this one loader object
        return spec


on_import = SeedOnImport()
