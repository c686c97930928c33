"""Records Keras on TensorFlow: `record_training` looks where a model, a tape or an optimiser is called.

Keras's own loop, and a user's under `tf.function`, are traced into a graph. What is looked at there becomes
one operation more for each step, which takes the values out. Into a function that XLA compiles nobody can
look without other bits: of it the record holds the arguments, and what is left after it has returned.
"""

import functools
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common.stateless_scope import in_stateless_scope
from keras.src.backend.common.symbolic_scope import in_symbolic_scope
from tensorflow.python.eager import record as tapes
from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function

from samebits.keras.record_training import Training, class_of
from samebits.keras.record_values import Values
from samebits.record.guarded import tell
from samebits.record.writer import Writer

ELSEWHERE = "a graph that another thread traces, as distribution strategies do"
STEPS = {"train_step": "train", "test_step": "test", "predict_step": "predict"}


def attach(process: Any) -> None:
    """Record Keras in this process from now on.

    Args:
        process: a `samebits.record.begin.Process`.
    """
    training = Training(process.writer.write, lambda: process.writer.on, Values(process.writer))
    process.forks.append(training.begin)
    process.ends.append(lambda: _look(training.end))
    functions = Functions()
    _watch_functions(training, functions, process.writer)
    _watch_models(training, functions, process.writer)
    _watch_loops(training, functions, process.writer)
    _watch_epochs(training, process.writer)
    _watch_tapes(training, functions, process.writer)
    _watch_optimizers(training, functions, process.writer)


def _look(at: Callable[..., Any], *given: Any) -> Any:
    """Call what looks, so that the program does not notice; None where it raised, which is told."""
    try:
        with tapes.stop_recording():
            return at(*given)
    except Exception as error:
        tell(f"{at.__module__}.{at.__qualname__}", error)
        return None


def _replace(owner: Any, name: str, by: Callable[[Any], Callable[..., Any]]) -> None:
    """Put something in front of a function of a class; it keeps its name and module, as AutoGraph reads."""
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(by(original)))


# ---------------------------------------------------------------- functions
class Notes:
    """What is known of a `tf.function`, or of what it calls.

    Attributes:
        optimizers: whose steps are inside, and into which nobody could look.
        models: that it calls.
        told: whether what it computes is told from inside.
    """

    def __init__(self) -> None:
        self.optimizers: list[weakref.ref[Any]] = []
        self.models: list[weakref.ref[Any]] = []
        self.told = False

    def add(self, inner: "Notes") -> None:
        """What a function inside of this one does, this one does."""
        for model in inner.models:
            _add(self.models, model())
        for optimizer in inner.optimizers:
            _add(self.optimizers, optimizer())
        self.told |= inner.told


def _add(known: list[weakref.ref[Any]], new: Any) -> None:
    if new is not None and all(each() is not new for each in known):
        known.append(weakref.ref(new))


def _alive(known: list[weakref.ref[Any]]) -> list[Any]:
    return [each for reference in known if (each := reference()) is not None]


class Functions(threading.local):
    """The `tf.function`s that run, or are traced, in this thread; the innermost last.

    Attributes:
        running: of each, whether one can look into it, and its notes.
    """

    def __init__(self) -> None:
        self.running: list[tuple[str, Notes]] = []

    @property
    def closed(self) -> str:
        """Why nobody can look into what is traced here; "" where one can."""
        if not self.running:
            return "" if tf.executing_eagerly() else ELSEWHERE
        return self.running[-1][0]

    @property
    def notes(self) -> Notes:
        """Of the innermost function."""
        return self.running[-1][1] if self.running else Notes()


def _watch_functions(training: Training, functions: Functions, writer: Writer) -> None:
    known: weakref.WeakKeyDictionary[Any, Notes] = weakref.WeakKeyDictionary()

    def called(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *given: Any, **named: Any) -> Any:
            if self._run_functions_eagerly or not writer.on or functions.closed:
                return original(self, *given, **named)
            outermost, notes = not functions.running, known.setdefault(self, Notes())
            why = _compiled(self)
            if outermost:
                _look(training.before_function, sys._getframe(1))
            functions.running.append((why, notes))
            try:
                result = original(self, *given, **named)
            finally:
                functions.running.pop()
            if why or (outermost and (notes.optimizers or (notes.models and not notes.told))):
                _look(_outside, training, self, notes, given, named, result, why, sys._getframe(1))
                functions.notes.told |= bool(notes.models or notes.optimizers)
            else:
                functions.notes.add(notes)
            if outermost:
                _look(training.after_function, sys._getframe(1))
            return result

        return call

    def traced(original: Callable[..., Any]) -> Callable[..., Any]:
        def get(self: Any, *given: Any, **named: Any) -> Any:
            # Of tf.data, which would run an operation of Python's one at a time, or to be saved as a model.
            notes = Notes()
            functions.running.append(("a dataset's function", notes))
            try:
                return original(self, *given, **named)
            finally:
                functions.running.pop()
                if functions.running:
                    functions.notes.add(notes)

        return get

    _replace(Function, "__call__", called)
    _replace(Function, "get_concrete_function", traced)


def _compiled(function: Any) -> str:
    if function._jit_compile:
        return "jit_compile=True"
    if tf.config.optimizer.get_jit() or "tf_xla_auto_jit" in os.environ.get("TF_XLA_FLAGS", ""):
        return "XLA's automatic compilation"
    return ""


def _arguments(given: tuple[Any, ...], named: dict[str, Any]) -> Any:
    if named:
        return given, dict(named)
    return given[0] if len(given) == 1 else given


def _outside(
    training: Training,
    function: Any,
    notes: Notes,
    given: Any,
    named: Any,
    result: Any,
    why: str,
    frame: FrameType,
) -> None:
    """A function has returned that calls models, or into whose steps nobody could look."""
    models, arguments = _alive(notes.models), _arguments(given, named)
    name = str(getattr(function, "_name", "tf.function"))
    for optimizer in (optimizers := _alive(notes.optimizers)):
        owner = class_of(models[0]) if models else name
        inside = why or "a loop over a dataset in a graph"
        training.unseen(f"{inside}: loss, gradients and outputs of {owner}")
        training.step_outside(optimizer, models, arguments, name, frame)
    if not optimizers and models:
        training.evaluate(", ".join(map(class_of, models)), False, arguments, result, frame)


# ---------------------------------------------------------------- models
def _is_symbolic(given: Any, named: Any) -> bool:
    """Whether nothing is computed, only shapes; also of arguments that cannot be asked."""
    return _look(_has_symbolic, given, named) is not False


def _has_symbolic(given: Any, named: Any) -> bool:
    if in_stateless_scope() or in_symbolic_scope():
        return True
    flat = keras.tree.flatten((given, named))  # `tf.nest` refuses tables whose keys have no order
    return any(isinstance(each, keras.KerasTensor) for each in flat)


def _is_training(named: dict[str, Any]) -> bool:
    """The mode of a call, which Keras takes by name; training, where a tensor of the graph decides it."""
    mode = named.get("training")
    return True if tf.is_symbolic_tensor(mode) else bool(mode)


def _watch_models(training: Training, functions: Functions, writer: Writer) -> None:
    def called(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *given: Any, **named: Any) -> Any:
            thread = training.thread
            if thread.inside or thread.applying or not writer.on or _is_symbolic(given, named):
                return original(self, *given, **named)
            closed, frame = functions.closed, sys._getframe(1)
            thread.inside = True
            try:
                if closed:
                    if functions.running:
                        _add(functions.notes.models, self)
                        _look(training.see_model, self, frame)
                    return original(self, *given, **named)
                mode, arguments = bool(_look(_is_training, named)), _arguments(given, named)
                if tf.executing_eagerly() and not tapes.could_possibly_record() and thread.loop is None:
                    result = original(self, *given, **named)
                    _look(training.after_evaluation, self, arguments, mode, result, frame)
                    return result
                _add(functions.notes.models, self)
                _look(training.before_call, self, arguments, mode, frame)
                result = original(self, *given, **named)
                _look(training.after_call, self, result, frame)
                return result
            finally:
                thread.inside = False

        return call

    _replace(keras.Layer, "__call__", called)


# ---------------------------------------------------------------- Keras's loop
def _watch_loops(training: Training, functions: Functions, writer: Writer) -> None:
    seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def watch(name: str, kind: str, owner: type) -> None:
        def called(original: Callable[..., Any]) -> Callable[..., Any]:
            def step(self: Any, data: Any, *given: Any, **named: Any) -> Any:
                thread = training.thread
                if thread.loop is not None or not writer.on or _is_symbolic(data, named):
                    return original(self, data, *given, **named)
                frame = sys._getframe(1)
                if functions.closed:
                    if functions.running:
                        _add(functions.notes.models, self)
                        _look(training.see_model, self, frame)
                    return original(self, data, *given, **named)
                _add(functions.notes.models, self)
                _look(training.before_loop, self, kind, data, frame)
                try:
                    result = original(self, data, *given, **named)
                    _look(training.after_loop, self, kind, data, result, frame)
                    functions.notes.told = True
                    return result
                finally:
                    thread.loop = None

            return step

        _replace(owner, name, called)

    def made(original: Callable[..., Any]) -> Callable[..., Any]:
        def make(self: Any, *given: Any, **named: Any) -> Any:
            for owner in type(self).__mro__:  # a user's class has a step of its own
                if owner not in seen:
                    seen.add(owner)
                    for name, kind in STEPS.items():
                        if name in vars(owner):
                            watch(name, kind, owner)
            return original(self, *given, **named)

        return make

    for owner in _owners(keras.Model, "make_train_function"):
        for name in ("make_train_function", "make_test_function", "make_predict_function"):
            _replace(owner, name, made)


def _watch_epochs(training: Training, writer: Writer) -> None:
    def ended(original: Callable[..., Any]) -> Callable[..., Any]:
        def on_epoch_end(self: Any, epoch: int, logs: Any = None) -> Any:
            if writer.on:
                _look(training.end_epoch, epoch, logs)
            return original(self, epoch, logs)

        return on_epoch_end

    _replace(keras.callbacks.CallbackList, "on_epoch_end", ended)


def _owners(cls: type, name: str) -> Iterator[type]:
    """The class in which a class's method is defined."""
    for owner in cls.__mro__:
        if name in vars(owner):
            yield owner
            return


# ---------------------------------------------------------------- gradients and optimisers
def _watch_tapes(training: Training, functions: Functions, writer: Writer) -> None:
    def called(original: Callable[..., Any]) -> Callable[..., Any]:
        def gradient(self: Any, target: Any, sources: Any, *given: Any, **named: Any) -> Any:
            result = original(self, target, sources, *given, **named)
            if writer.on and not functions.closed:
                _look(training.see_gradients, target, sources, result)
            return result

        return gradient

    _replace(tf.GradientTape, "gradient", called)


def _watch_optimizers(training: Training, functions: Functions, writer: Writer) -> None:
    def called(original: Callable[..., Any]) -> Callable[..., Any]:
        def apply(self: Any, grads: Any, trainable_variables: Any = None) -> Any:
            thread = training.thread
            if thread.applying is not None or not writer.on:
                return original(self, grads, trainable_variables)
            if closed := functions.closed:
                if functions.running:
                    _add(functions.notes.optimizers, self)
                else:
                    _look(training.unseen, f"steps of {class_of(self)} in {closed}")
                return original(self, grads, trainable_variables)
            grads = list(grads)
            variables = None if trainable_variables is None else list(trainable_variables)
            thread.applying = _look(training.before_apply, self, grads, variables, sys._getframe(1))
            if thread.applying is None:
                return original(self, grads, variables)
            try:
                result = original(self, grads, variables)
                _look(training.after_apply, self, thread.applying, sys._getframe(1))
                functions.notes.told = True
                return result
            finally:
                thread.applying = None

        return apply

    def used(original: Callable[..., Any]) -> Callable[..., Any]:
        def update(self: Any, grads: Any, trainable_variables: Any, learning_rate: Any) -> Any:
            grads, variables = list(grads), list(trainable_variables)
            if training.thread.applying is not None:
                _look(training.see_used, grads, variables, learning_rate)
            return original(self, grads, variables, learning_rate)

        return update

    optimizers = (keras.optimizers.Optimizer, keras.optimizers.LossScaleOptimizer)
    for owner in dict.fromkeys(each for cls in optimizers for each in _owners(cls, "apply")):
        _replace(owner, "apply", called)
    for owner in _owners(keras.optimizers.Optimizer, "_backend_update_step"):
        _replace(owner, "_backend_update_step", used)
