"""The frameworks that samebits knows, and what its own room for each must give.

The rest of samebits names no framework: it asks here for a room, and calls what the protocols below say.
"""

import importlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

from samebits import _extras
from samebits.errors import WrongUse

if TYPE_CHECKING:  # these rooms lie above this file
    from samebits.checkpoint.state import Kind
    from samebits.hashing.weights import Stored, Tensor
    from samebits.process.switches import Switch

FRAMEWORKS = {"torch": "torch", "keras": "tensorflow"}  # the framework, and the module that must be there


class Framework(Protocol):
    """What a framework's room gives itself: `samebits.torch`, `samebits.keras`."""

    def choose_device(self, wanted: str) -> str:
        """The kind of device that trains, "cpu" or "cuda", for "auto", "cpu" or "cuda".

        Raises:
            WrongUse: a GPU was asked for and there is none.
        """

    def device_facts(self, kind: str) -> dict[str, str]:
        """The facts about a device of this kind that can change bits; at least `kind`."""

    def make_deterministic(self, *, check: bool = False) -> None:
        """Switch deterministic kernels on; `check` also fills uninitialised memory, where that is possible.

        Raises:
            WrongUse: the framework is set up in a way that cannot repeat.
        """

    def switch_on(self) -> "dict[str, Switch]":
        """`make_deterministic`; returns the switches that must stay as they are now, by name."""

    def determinism(self) -> Mapping[str, Any]:
        """What the framework is really set to, read back from it, as plain JSON: for the manifest."""

    def explain(self, error: BaseException) -> str | None:
        """One line about what the framework could not repeat, or lacks; None for any other error."""

    def save_weights(self, model: Any, path: str | os.PathLike[str]) -> str:
        """Write a model's weights as safetensors, whole or not at all; returns the file's SHA-256.

        Raises:
            WrongUse: the model has no weights or some that cannot be stored, or the file cannot be written.
        """

    def hash_weights(self, model: Any) -> str:
        """The SHA-256 of the file that `save_weights` would write.

        Raises:
            WrongUse: as `save_weights`.
        """

    def tensors(self, model: Any) -> "dict[str, Tensor]":
        """Each of a model's weights, described under its canonical name. Nothing is copied yet.

        Raises:
            WrongUse: the model is of another kind, or has a weight that cannot be stored.
        """


class State(Protocol):
    """What a framework's `state` module gives: how the objects of a training are saved and put back.

    `held` is what the run holds, by name.
    """

    KINDS: "tuple[Kind, ...]"
    """The framework's own kinds of objects. The first that takes an object has it."""
    REMEMBERING: "Kind | None"
    """The kind of objects that remember numbers of their own under "attributes", where there is one."""
    KNOWN: tuple[str, ...]
    """How the names of modules begin whose objects are known to be no follower of evaluation."""

    def lacking(self, held: Mapping[str, Any]) -> str | None:
        """What the held objects need and what is not held or not made, in words; None when all is there."""

    def watch(self, held: Mapping[str, Any]) -> None:
        """Prepare the held objects: from now on their state can be read."""

    def begin_step(self, held: Mapping[str, Any]) -> None:
        """A new step of the training begins."""

    def snapshot(
        self, copies: dict[str, Any]
    ) -> "Callable[[str, Any], tuple[dict[str, Any], str, Tensor] | None]":
        """What copies a tensor into the CPU's memory, given its path and itself; None for what is no tensor.

        Args:
            copies: where former copies are found and new ones may be put.
        """

    def make_tensor(self, node: Mapping[str, Any], stored: "Stored") -> Any:
        """The tensor that `snapshot` copied."""

    def unplaceable(self, loader: Any) -> str | None:
        """Why a loader cannot be one of a run that holds something, in words; None when it can."""

    def watches_evaluation(self, held: Mapping[str, Any]) -> list[str]:
        """What is known to react to evaluation before the training begins, in words."""

    def takes_a_metric(self, held: Any) -> bool:
        """Whether one object is given a metric, the training's or evaluation's, and keeps the best one."""

    def running_statistics(self, held: Mapping[str, Any]) -> dict[str, int]:
        """By layer: how many batches went into the running statistics of the models that are trained."""


def load_toolkit(framework: str) -> Framework:
    """samebits' own room for a framework.

    Args:
        framework: "torch" or "keras".

    Raises:
        WrongUse: samebits knows no such framework, or it is not installed here.
    """
    return cast(Framework, _load(framework))


def load_state(framework: str) -> State:
    """The `state` module of a framework's room.

    Raises:
        WrongUse: as `load_toolkit`.
    """
    return cast(State, _load(framework, "state"))


def _load(framework: str, file: str = "") -> ModuleType:
    if framework not in (there := installed()):
        if framework in FRAMEWORKS and importlib.util.find_spec(f"samebits.{framework}"):
            _extras.need(FRAMEWORKS[framework])
        if not there:
            raise WrongUse(
                "no framework is installed: `pip install 'samebits[torch]'`, or samebits[keras], brings one"
            )
        known = " or ".join(map(repr, there))
        what = "is not installed here" if framework in FRAMEWORKS else "is none that samebits knows"
        raise WrongUse(f"framework {framework!r} {what}: give one of those installed, {known}")
    return importlib.import_module(".".join(filter(None, ("samebits", framework, file))))


def installed() -> list[str]:
    """The frameworks that are there, and samebits' part for them, which a project of one leaves out."""
    return [
        name
        for name, module in FRAMEWORKS.items()
        if importlib.util.find_spec(module) and importlib.util.find_spec(f"samebits.{name}")
    ]
