"""What belongs to a step in Keras: what was computed, or traced, since the last one."""

import threading
import weakref
from collections.abc import Iterable
from typing import Any

from samebits.keras.record_names import held


class Trained:
    """An optimiser.

    Attributes:
        number: in the order of their first steps.
        steps: that it has made.
    """

    def __init__(self, number: int) -> None:
        self.number, self.steps = number, 0


class Called:
    """A model that was called. It may be gone before the step, such as a part of another one.

    Args:
        model: which.
        buffers: its variables that no optimiser trains, with their names.

    Attributes:
        owner: its class.
    """

    def __init__(self, model: Any, buffers: Iterable[tuple[str, Any]]) -> None:
        self.owner = type(model).__name__
        self._model = weakref.ref(model)
        self._buffers = [(name, weakref.ref(held(buffer))) for name, buffer in buffers]

    @property
    def model(self) -> Any:
        """The model; None where it is gone."""
        return self._model()

    def left(self) -> dict[str, Any]:
        """The buffers of a model that is gone, as far as another one has them, too."""
        if self._model() is not None:
            return {}
        return {name: buffer for name, known in self._buffers if (buffer := known()) is not None}


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
        self.models: list[Called] = []
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
