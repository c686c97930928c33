"""The tensors themselves of some steps, which a record holds beside its digests if it is asked for them.

For a step of an optimiser one safetensors file stands beside the file of its process. The names in it say
where the digest of each tensor stands in the `step` event: "parameters/conv.weight",
"gradients/after backward/conv.weight", "calls/0/arguments/1", "losses/0". Of a record with layers it has what
comes out of each: "layers/forward/features.3/1/0" is the first tensor of the first call since the last step,
"layers/backward/features.3/1/0" the first gradient that its backward has computed. Of a record with operations
it has their outputs: "operations/backward/features.3/aten::convolution_backward/1/0".
"""

import re
from collections.abc import Iterable
from pathlib import Path

STEPS = re.compile(r"(\d{1,12})(?::(\d{1,12}))?")
NONE = range(0)


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


def of_layer(direction: str, module: str, occurrence: int) -> str:
    """What the names of a layer's tensors in that file begin with.

    Args:
        direction: "forward" or "backward".
        module: its path in the outermost model.
        occurrence: how often it was there since the last step, from 1.
    """
    return f"layers/{direction}/{module}/{occurrence}"


def of_operation(direction: str, module: str, name: str, occurrence: int) -> str:
    """What the names of an operation's tensors in that file begin with.

    Args:
        direction: "forward", "backward" or "".
        module: the path of the module that called it in the outermost model.
        name: such as "aten::convolution_backward".
        occurrence: how often it was there since the last step, from 1.
    """
    return f"operations/{direction}/{module}/{name}/{occurrence}"


def value_files(folder: Path) -> Iterable[Path]:
    """The files with tensors in a record."""
    return folder.glob("*.safetensors")
