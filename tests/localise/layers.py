"""The layer that is to blame for a fault, where it is one: written before `samebits diff` was asked."""

from dataclasses import dataclass
from pathlib import Path

from samebits.diff.records import Result


@dataclass(frozen=True)
class Expected:
    """A layer.

    Attributes:
        direction: "forward" or "backward".
        model: the class of the outermost model.
        module: its path there; "" for the model itself.
    """

    direction: str
    model: str
    module: str

    def __str__(self) -> str:
        return f"{self.direction} of {self.module or 'all'} in {self.model}"


EXPECTED = {
    "another activation": Expected("forward", "Sequential", "0"),
    "more dropout": Expected("forward", "Letters", "blocks.0.dropout"),
    "batch norm remembers less": Expected("forward", "Net", "norm"),
    "less label smoothing": Expected("forward", "CrossEntropyLoss", ""),
    "no class weights": Expected("forward", "CrossEntropyLoss", ""),
    "autocast around the network": Expected("forward", "Sequential", "0.linear"),
    "a layer is frozen": Expected("backward", "Net", "first"),
    "the average is slower": Expected("forward", "Letters", "embedding"),
    "the generator is not loaded": Expected("forward", "Letters", "blocks.0.attention"),
    "index_put_ adds with two threads": Expected("forward", "Films", ""),
    "oneDNN without AVX2": Expected("forward", "Net", "first"),
    "convolutions without oneDNN": Expected("forward", "Net", "first"),
}


def is_named(expected: Expected, result: Result, _: tuple[Path, Path], __: str) -> bool:
    """Whether the verdict names the layer: see `operations.is_named`."""
    part = result.place.part if result.place is not None else None
    if part is None or part.first["event"] != "layer":
        return False
    named = (part.first[name] for name in ("direction", "model", "module"))
    return Expected(*named) == expected
