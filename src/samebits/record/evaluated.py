"""The calls of models without a step between two steps: one event of a record, whatever the framework."""

from collections.abc import Sequence
from typing import Any

import xxhash

from samebits.record.moves import MOST_MOVES, Move
from samebits.record.training import MOST_LAYERS


class Evaluated:
    """What is known of these calls so far.

    Args:
        line: the user's, of the first call.
        after: the steps that each optimiser has made, by its number as text.

    Attributes:
        count: of the calls.
        models: the classes that were called, each once.
        training: the modes in which they were called.
        other_mode: layers in another mode than their model, in any call.
        arguments, outputs: the digests of all of these, in order.
        kind: of these digests, where it is not the CPU's.
        generators: after the last call.
        moves: how generators moved meanwhile.
    """

    def __init__(self, line: str, after: dict[str, int]) -> None:
        self.line, self.after, self.count = line, after, 0
        self.models: list[str] = []
        self.training: set[bool] = set()
        self.other_mode: list[str] = []
        self.arguments, self.outputs = xxhash.xxh3_128(), xxhash.xxh3_128()
        self.kind: dict[str, Any] = {}
        self.generators: dict[str, str] = {}
        self.moves: list[Move] = []

    def mode(self, training: bool, layers: Sequence[str] = ()) -> None:
        """A model is called in a mode.

        Args:
            training: which.
            layers: are in the other one.
        """
        self.training.add(training)
        for layer in layers:
            if layer not in self.other_mode and len(self.other_mode) < MOST_LAYERS:
                self.other_mode.append(layer)

    def event(self) -> dict[str, Any]:
        """The line of the record: a `samebits.record.format.Evaluation`."""
        return {
            "event": "evaluation",
            "after": self.after,
            "count": self.count,
            "models": self.models,
            "training": sorted(self.training),
            **({"other_mode": self.other_mode} if self.other_mode else {}),
            "arguments": self.arguments.hexdigest(),
            "outputs": self.outputs.hexdigest(),
            "line": self.line,
            **self.kind,
            "generators": self.generators,
            "moves": self.moves[:MOST_MOVES],
        }
