"""How large a difference is, where both records hold the tensors of its step: elements and ULPs."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from samebits.diff import again
from samebits.diff.place import Place
from samebits.diff.reader import Event, Process, Record
from samebits.hashing.compare import TensorDifference, compare_tensor
from samebits.hashing.weights import COMPLEX, Stored, read_header
from samebits.record.format import AFTER_BACKWARD, AT_OPTIMIZER
from samebits.record.values import file_name, of_layer, of_operation

EARLIER, LATER = (f"gradients/{when}/" for when in (AFTER_BACKWARD, AT_OPTIMIZER))
# Where the tensor of a place stands: what its name in a file begins with, those that come first first.
PREFIXES: Mapping[str, tuple[str, ...]] = {
    "batch": ("calls/",),
    "forward": ("calls/",),
    "loss": ("calls/", "losses/"),
    "gradient": (EARLIER, LATER),
    "clipping": (LATER,),
    "parameter": ("parameters/",),
    "optimizer state": ("state/",),
    "buffer": ("buffers/",),
}
COMPUTED = ("calls/", "losses/", "layers/", "operations/")  # have numbers instead of names


class Both(NamedTuple):
    """The tensors of a step in both records, by name."""

    first: Mapping[str, Stored]
    second: Mapping[str, Stored]

    def differences(self, *prefixes: str) -> Iterator[TensorDifference]:
        """The tensors that both have and that differ, in the order in which they were computed.

        Args:
            prefixes: of the names.
        """
        for prefix in prefixes:
            names = (name for name in self.first if name.startswith(prefix) and name in self.second)
            for name in sorted(names, key=_by_number) if prefix.startswith(COMPUTED) else names:
                if difference := self.difference(name):
                    yield difference

    def difference(self, name: str) -> TensorDifference | None:
        """How one tensor differs; None: it does not, or one of both lacks it."""
        for stored in (name, *(f"{name}:{kind}" for kind in COMPLEX)):
            here, there = (_at_optimizer(tensors, stored) for tensors in self)
            if here is not None and there is not None and here.size:
                return compare_tensor(name, here, there)
        return None


def _at_optimizer(tensors: Mapping[str, Stored], name: str) -> Stored | None:
    """A tensor; of gradients at the optimiser, which are written where they are others, those before."""
    if name not in tensors and name.startswith(LATER):
        name = EARLIER + name.removeprefix(LATER)
    return tensors.get(name)


def read_step(ours: Process, theirs: Process, first: Event, second: Event) -> Both | None:
    """The tensors of a step, where both records hold them.

    Args:
        ours, theirs: the processes.
        first, second: their `step` events.

    Raises:
        UsageError: a file is damaged.
    """
    try:
        return Both(_read(ours, first), _read(theirs, second))
    except OSError:
        return None


def _read(process: Process, event: Event) -> Mapping[str, Stored]:
    name = file_name(process.path.stem, event["optimizer"], event["step"])
    return read_header(process.path.with_name(name))


def _by_number(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in name.split("/")]


def of_place(place: Place, ours: Process, theirs: Process) -> TensorDifference | None:
    """How the tensor differs that a verdict names; None where the records do not hold it.

    Raises:
        UsageError: a file is damaged.
    """
    if place.what not in PREFIXES or place.first is None or place.second is None:
        return None
    if place.part is not None and not place.part.has_values:
        return None
    both = read_step(ours, theirs, place.first, place.second)
    if both is None:
        return None
    prefixes = PREFIXES[place.what]
    if place.part is not None:
        if place.part.first.get("weights") != place.part.second.get("weights"):
            return None  # what it computes with is to blame
        stored = of_operation if place.part.operation else of_layer
        prefixes = (f"{stored(place.part.first)}/",)
    if not place.name:
        return next(both.differences(*prefixes), None)
    named = (both.difference(f"{prefix}{place.name}") for prefix in prefixes)
    return next((each for each in named if each is not None), None)


def more(place: Place, first: Record, second: Record) -> tuple[str, ...]:
    """The commands that record the tensors of a place, for both records; one line where it is the same."""
    if place.what not in PREFIXES or place.first is None or place.second is None:
        return ()
    if place.part is not None and not place.part.has_values:
        return ()
    lines = []
    for record, event in ((first, place.first), (second, place.second)):
        step = event["step"]
        window = f"{step}:{step}"
        inside = () if place.part is None else ("--level", place.part.first["event"], "--steps", window)
        if not (command := again.command(record, "record", *inside, "--values", window)):
            return ()
        lines.append(command)
    if lines[0] == lines[1]:
        return (lines[0],)
    return tuple(f"{line}   # {who}" for who, line in zip("AB", lines, strict=True))


def twice(place: Place, first: Record, second: Record) -> str:
    """The command that executes each operation twice up to a place; "" where the commands are not the same.

    Such an operation may give the same result in the step in which the records differ, and not before it.
    """
    if place.step is None:
        return ""
    command, other = (
        again.command(record, "twice", "--steps", f"1:{place.step}") for record in (first, second)
    )
    return command if command == other else ""
