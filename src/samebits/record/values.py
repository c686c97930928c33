"""The tensors themselves of some steps, which a record holds beside its digests if it is asked for them.

For a step of an optimiser one safetensors file stands beside the file of its process. The names in it say
where the digest of each tensor stands in the `step` event: "parameters/conv.weight",
"gradients/after backward/conv.weight", "calls/0/arguments/1", "losses/0". Of a record with layers it has what
comes out of each: "layers/forward/Net/features.3/1/0" is the first tensor of its first call since the last
step, "layers/backward/Net/features.3/1/0" the first gradient that its backward has computed. Of a record
with operations it has their outputs: "operations/backward/Net/features.3/aten::convolution_backward/1/0".
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samebits.record.writer import Writer

STEPS = re.compile(r"(\d{1,12})(?::(\d{1,12}))?")
NONE = range(0)


class Wanted:
    """Which steps' tensors are asked for.

    Args:
        writer: of this process.
    """

    def __init__(self, writer: "Writer") -> None:
        self._writer = writer

    def wanted(self, counts: Iterable[int]) -> bool:
        """Whether what is computed now may belong to a step that is asked for.

        Args:
            counts: how many steps each optimiser has made; none where no optimiser was made.
        """
        steps = self._writer.values
        return bool(steps) and any(count + 1 in steps for count in (list(counts) or [0]))

    def holds(self, step: int) -> bool:
        """Whether a step is asked for, by its optimiser's count from 1."""
        return step in self._writer.values


def parse_steps(text: str) -> range:
    """The steps that a text names, both ends included.

    >>> parse_steps("17:18")
    range(17, 19)

    Raises:
        ValueError: it names none.
    """
    said = STEPS.fullmatch(text.strip())
    first, last = (int(said[1]), int(said[2] or said[1])) if said is not None else (0, 0)
    if not 1 <= first <= last:
        raise ValueError(f"{text!r} names no steps: give FIRST:LAST, such as 117:118; the first step is 1")
    return range(first, last + 1)


def as_words(steps: range) -> str:
    """The same as text.

    >>> as_words(range(17, 19))
    '17:18'
    """
    return f"{steps.start}:{steps.stop - 1}"


def file_name(process: str, optimizer: int, step: int) -> str:
    """The file with the tensors of a step.

    Args:
        process: the name of the process's own file, without its suffix.
        optimizer: the number of the optimiser.
        step: as this process counts.
    """
    return f"{process}.optimizer-{optimizer}.step-{step}.safetensors"


def of_layer(about: Mapping[str, Any]) -> str:
    """What the names of a layer's tensors in that file begin with.

    Args:
        about: its line, or what that has of "direction", "model", "module" and "occurrence".
    """
    names = ("direction", "model", "module", "occurrence")
    return "/".join(["layers", *(str(about[name]) for name in names)])


def of_operation(about: Mapping[str, Any]) -> str:
    """What the names of an operation's tensors in that file begin with.

    Args:
        about: its line, or what that has of "direction", "model", "module", "name" and "occurrence".
    """
    names = ("direction", "model", "module", "name", "occurrence")
    return "/".join(["operations", *(str(about[name]) for name in names)])


def value_files(folder: Path) -> Iterable[Path]:
    """The files with tensors in a record."""
    return folder.glob("*.safetensors")
