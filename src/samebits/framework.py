"""The frameworks that samebits knows, and what its own room for each must give.

The rest of samebits names no framework: it asks here for a room, and calls what the protocols below say.
"""

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from samebits import _extras
from samebits.errors import UsageError

if TYPE_CHECKING:  # these rooms lie above this file
    from samebits.checkpoint.state import Kind
    from samebits.hashing.weights import Stored, Tensor
    from samebits.process.effective import InForce
    from samebits.process.switches import Switch


@dataclass(frozen=True)
class SettingsFile:
    """A file that a framework reads when it is imported.

    Attributes:
        variable: that names its folder.
        folder: where it is without the variable.
        name: its name there: JSON.
        defaults: what it must say, where it says something about these.
    """

    variable: str
    folder: str
    name: str
    defaults: Mapping[str, Any]


@dataclass(frozen=True)
class Advice:
    """What is said where two trainings of a framework differ.

    Attributes:
        repeat: what to do about an operation that does not give the same result each time.
        unwritten: what to do about a parameter that was never written.
        weights_from: the generator that initial weights are drawn from, as records name it.
        mode: how the mode of a model can differ.
        scaler: what leaves out steps with infinite gradients.
        values: whether `samebits record --values` writes its tensors.
        twice: whether `samebits twice` executes its operations.
    """

    repeat: str = ""
    unwritten: str = ""
    weights_from: str = ""
    mode: str = "the mode of the model is another one"
    scaler: str = "loss scaler"
    values: bool = False
    twice: bool = False


@dataclass(frozen=True)
class Row:
    """What must be known of a framework that is not imported, or not installed.

    Attributes:
        module: what must be installed, that the framework can be used.
        packages: those of it that compute.
        libraries: how the file names of its shared libraries that compute begin: a regular expression.
        variables: how the names of those variables begin that no other framework reads.
        follow_the_host: its facts in a fingerprint that decide nothing and are others on another machine.
        settings: the file that it reads when it is imported, so that it has to be looked at before.
        recorded: the module after whose import its room's `record` module looks; empty: there is none.
        advice: for those whose trainings differ.
    """

    module: str
    packages: tuple[str, ...]
    libraries: str
    variables: tuple[str, ...]
    follow_the_host: tuple[str, ...] = ()
    settings: SettingsFile | None = None
    recorded: str = ""
    advice: Advice = Advice()


FRAMEWORKS = {
    "torch": Row(
        module="torch",
        packages=("torch",),
        libraries=r"lib(?:c10|torch_(?:cpu|cuda))[^/a-zA-Z]",
        variables=("ATEN_", "MKL_", "PYTORCH_", "TORCH"),
        follow_the_host=("effective.torch.interop_threads",),
        recorded="torch",
        advice=Advice(
            repeat="torch.use_deterministic_algorithms(True) names or replaces it",
            unwritten="initialise what torch.empty gives",
            weights_from="torch",
            mode="model.train() or model.eval() was called in one only",
            scaler="GradScaler",
            values=True,
            twice=True,
        ),
    ),
    "keras": Row(
        module="tensorflow",
        packages=("keras", "tensorflow"),
        libraries=r"libtensorflow[^/a-zA-Z]|_pywrap_tensorflow_internal\.",
        variables=("KERAS_", "TF_", "XLA_"),
        recorded="keras",
        settings=SettingsFile(
            variable="KERAS_HOME",
            folder="~/.keras",
            name="keras.json",
            defaults={"floatx": "float32", "epsilon": 1e-07, "image_data_format": "channels_last"},
        ),
        advice=Advice(
            repeat="tf.config.experimental.enable_op_determinism() names or replaces it",
            unwritten="give it an initializer",
            weights_from="python",  # the seeds of layers come from it
            mode="the model was called with training=True in one only",
            scaler="LossScaleOptimizer",
            values=True,
        ),
    ),
}

# What trains and is recorded by no room, by the package that brings it.
UNRECORDED = {
    "tf_keras": "Keras 2 (tf_keras): steps of its optimisers",
    "optax": "JAX: steps of optax's optimisers",
}


class Framework(Protocol):
    """What a framework's room gives itself: `samebits.torch`, `samebits.keras`."""

    Run: "type[Any]"
    """The class of an open run: `samebits.run.run.Run` and what the framework adds."""

    def choose_device(self, wanted: str) -> str:
        """The kind of device that trains, "cpu" or "cuda", for "auto", "cpu" or "cuda".

        Raises:
            UsageError: a GPU was asked for and there is none.
        """

    def processes(self) -> int:
        """How many processes the framework has connected to train together, this one included."""

    def device_facts(self, kind: str) -> dict[str, str]:
        """The facts about a device of this kind that can change bits; at least `kind`."""

    def make_deterministic(self, *, check: bool = False) -> None:
        """Switch deterministic kernels on; `check` also fills uninitialised memory, where that is possible.

        Raises:
            UsageError: the framework is set up in a way that cannot repeat.
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
            UsageError: the model has no weights or some that cannot be stored, or the file cannot be written.
        """

    def hash_weights(self, model: Any) -> str:
        """The SHA-256 of the file that `save_weights` would write.

        Raises:
            UsageError: as `save_weights`.
        """

    def tensors(self, model: Any) -> "dict[str, Tensor]":
        """Each of a model's weights, described under its canonical name. Nothing is copied yet.

        Raises:
            UsageError: the model is of another kind, or has a weight that cannot be stored.
        """


class State(Protocol):
    """What a framework's `state` module gives: how the objects of a training are saved and put back.

    `objects` are what the run saves, by name.
    """

    KINDS: "tuple[Kind, ...]"
    """The framework's own kinds of objects. The first that takes an object has it."""
    REMEMBERING: "Kind | None"
    """The kind of objects that remember numbers of their own under "attributes", where there is one."""
    KNOWN: tuple[str, ...]
    """How the names of modules begin whose objects are known to be no follower of evaluation."""

    def missing(self, objects: Mapping[str, Any]) -> str | None:
        """What the held objects need and what is not held or not made, in words; None when all is there."""

    def watch(self, objects: Mapping[str, Any]) -> None:
        """Prepare the held objects: from now on their state can be read."""

    def begin_step(self, objects: Mapping[str, Any]) -> None:
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

    def why_not_resumable(self, loader: Any) -> str | None:
        """Why a loader cannot be one of a run that holds something, in words; None when it can."""

    def order_is_saved(self, loader: Any, objects: Mapping[str, Any]) -> bool:
        """Whether a loader's order is known to follow from the global generators and from held objects."""

    def watches_evaluation(self, objects: Mapping[str, Any]) -> list[str]:
        """What is known to react to evaluation before the training begins, in words."""

    def takes_a_metric(self, target: Any) -> bool:
        """Whether one object is given a metric, the training's or evaluation's, and keeps the best one."""

    def mark(self, target: Any) -> Any:
        """What changes when evaluation changes an object between two epochs; None where only training does.

        Schedules follow the epochs, and optimisers the schedules. Of a model, versions will do.
        """

    def running_statistics(self, objects: Mapping[str, Any]) -> dict[str, int]:
        """By layer: how many batches went into the running statistics of the models that are trained."""


class Unsaved(Protocol):
    """What a framework's `unsaved` module gives: what of its objects is looked at.

    `objects` are what the run saves, by name.
    """

    KNOWN: tuple[str, ...]
    """How the names of modules begin whose objects have fields of their own: only what a user sets counts."""

    def saved(self, objects: Mapping[str, Any]) -> "Mapping[int, Any]":
        """The tensors and other parts that checkpoints hold, by identity."""

    def leaf(self, value: Any, saved: "Mapping[int, Any]") -> tuple[str, Any] | None:
        """Kind and cheap digest of a tensor or a generator; None for what is neither.

        An empty kind: it is not to be looked at, as it shares its memory with what is `saved`.
        """

    def parts(
        self, value: Any, held: bool, set_: "frozenset[str]"
    ) -> "Iterable[tuple[str, Any, bool]] | None":
        """What is looked at in one of the framework's objects; None for any other object.

        Args:
            value: the object.
            held: the run saves it.
            set_: the names of the attributes that the user's code sets, on any object.

        Returns:
            How the code writes a part (".weight", "[0]"), the part, and whether a change of it is one of the
            whole object.
        """

    def content(self, value: Any) -> "tuple[Any, ...] | None":
        """What is compared of a tensor between processes: of a large one, some numbers.

        None for no tensor, and for one that cannot be put back.
        """

    def put(self, value: Any, other: Any) -> bool:
        """Give a tensor another one's numbers, in place; False where that cannot be."""

    def keeps(self, value: Any) -> bool | None:
        """Whether the attributes of one of the framework's objects can be put back; None for any other."""

    def between_steps(self) -> dict[str, str]:
        """What keeps results between steps, and how to fix it; in words."""


class Effective(Protocol):
    """What a framework's `effective` module gives: what the framework made of the process's variables.

    Importing it imports no framework. Its functions are called when one of the framework's packages is in
    `sys.modules`; that package's import may not have ended.
    """

    def values(self) -> "dict[str, dict[str, Any]]":
        """What is in force, by package and name, as plain JSON: the fingerprint's `effective`."""

    def in_force(self) -> "Iterator[InForce]":
        """The values that variables of determinism.env decide, each with what it must be."""

    def cpu_facts(self) -> dict[str, str]:
        """What the framework's libraries have chosen by the processor: for the fingerprint's `cpu`."""

    def is_data_worker(self) -> bool:
        """Whether this process is a data worker, which the framework set up and whose parent was checked."""


class Contents(NamedTuple):
    """All that a tensor's value consists of.

    Attributes:
        layout: of a tensor that is not dense, how it is stored, in words; of one without values, its kind.
        content: the values' bytes, row by row, as an object that `memoryview` takes; where there is a layout,
            a list of the tensors and numbers that it consists of; None without values.
        dtype: as the framework gives it.
        shape: as far as it is known.
    """

    layout: str
    content: Any
    dtype: Any
    shape: tuple[int, ...]


class TensorBytes(Protocol):
    """What a framework's `tensor_bytes` module gives. Importing it imports the framework."""

    def is_tensor(self, value: Any) -> bool:
        """Whether a value is a tensor of the framework's."""

    def raw(self, tensor: Any) -> bytes | memoryview:
        """The bytes of its values, row by row."""

    def contents(self, tensor: Any) -> "Contents":
        """All that a tensor's value consists of."""


def load_toolkit(framework: str) -> Framework:
    """samebits' own room for a framework.

    Args:
        framework: "torch" or "keras".

    Raises:
        UsageError: samebits knows no such framework, or it is not installed here.
    """
    return cast(Framework, _load(framework))


def load_state(framework: str) -> State:
    """The `state` module of a framework's room.

    Raises:
        UsageError: as `load_toolkit`.
    """
    return cast(State, _load(framework, "state"))


def _load(framework: str, file: str = "") -> ModuleType:
    if framework not in (there := installed()):
        if framework in FRAMEWORKS and importlib.util.find_spec(f"samebits.{framework}"):
            _extras.need(FRAMEWORKS[framework].module)
        if not there:
            raise UsageError(
                "no framework is installed: `pip install 'samebits[torch]'`, or samebits[keras], brings one"
            )
        known = " or ".join(map(repr, there))
        what = "is not installed here" if framework in FRAMEWORKS else "is none that samebits knows"
        raise UsageError(f"framework {framework!r} {what}: give one of those installed, {known}")
    return importlib.import_module(".".join(filter(None, ("samebits", framework, file))))


def load_unsaved(framework: str) -> Unsaved:
    """The `unsaved` module of a framework's room.

    Raises:
        UsageError: as `load_toolkit`.
    """
    return cast(Unsaved, _load(framework, "unsaved"))


def effective_of_imported() -> Iterator[Effective]:
    """The `effective` module of each framework that this process has imported."""
    return (cast(Effective, importlib.import_module(f"{room}.effective")) for room in _of_imported())


def tensor_bytes_of_imported() -> Iterator[TensorBytes]:
    """The `tensor_bytes` module of each framework that this process has imported."""
    return (cast(TensorBytes, importlib.import_module(f"{room}.tensor_bytes")) for room in _of_imported())


def advice(framework: object) -> Advice:
    """What is said where two trainings differ, of any framework that a record names."""
    row = FRAMEWORKS.get(framework) if isinstance(framework, str) else None
    return row.advice if row is not None else Advice()


def recorders() -> dict[str, str]:
    """By the module whose import brings a framework: the module of samebits whose `attach` records it."""
    return {row.recorded: f"samebits.{name}.record" for name, row in FRAMEWORKS.items() if row.recorded}


def unrecorded() -> list[str]:
    """What this process has imported to train with, and no room records, in words."""
    return [what for package, what in UNRECORDED.items() if package in sys.modules]


def _of_imported() -> Iterator[str]:
    for name, row in FRAMEWORKS.items():
        room = f"samebits.{name}"
        if any(package in sys.modules for package in row.packages) and (
            room in sys.modules or name in installed()
        ):
            yield room


def installed() -> list[str]:
    """The frameworks that are there, and samebits' part for them, which a project of one leaves out."""
    return [
        name
        for name, row in FRAMEWORKS.items()
        if importlib.util.find_spec(row.module) and importlib.util.find_spec(f"samebits.{name}")
    ]
