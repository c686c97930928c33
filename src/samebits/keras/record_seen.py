"""What belongs to a step in Keras: what was computed, or traced, since the last one."""

import threading
from typing import Any


class Trained:
    """An optimiser.

    Attributes:
        number: in the order of their first steps.
        steps: that it has made.
    """

    def __init__(self, number: int) -> None:
        self.number, self.steps = number, 0


class Seen:
    """What was computed since the last step: in a graph as tensors, else as digests.

    Attributes:
        calls: of models.
        models: that were called.
        losses: of which gradients were computed.
        gradients: as they were computed, by the variable's identity.
        before: the states of generators before the first call; None as long as there was none.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """A step has ended."""
        self.calls: list[dict[str, Any]] = []
        self.models: list[Any] = []
        self.losses: list[Any] = []
        self.gradients: dict[int, Any] = {}
        self.before: dict[str, Any] | None = None


class Applying:
    """A step of an optimiser that is being computed, or traced.

    Attributes:
        graph: in which; None where it is computed at once.
        given: the gradients, by the variable's identity.
        used: those that the optimiser uses after clipping; None where nobody saw them.
        rate: the learning rate; None where nobody saw it.
        iterations: its own count before the step, where it may skip it.
    """

    def __init__(self, graph: Any, given: dict[int, Any], iterations: Any) -> None:
        self.graph, self.given, self.iterations = graph, given, iterations
        self.used: dict[int, Any] | None = None
        self.rate: Any = None


class Thread(threading.local):
    """What this thread does now.

    Attributes:
        inside: a model's call, whose layers are no calls of their own.
        loop: the model whose `train_step`, `test_step` or `predict_step` runs, and its entry in the calls.
        applying: the step that is being computed.
        seen: what was computed at once.
    """

    def __init__(self) -> None:
        self.inside = False
        self.loop: tuple[Any, dict[str, Any]] | None = None
        self.applying: Applying | None = None
        self.seen = self.outer = Seen()
