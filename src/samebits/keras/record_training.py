"""What a training in Keras computes, step by step, as lines of a record.

A step is one call of an optimiser's `apply`. In a graph it is traced once, and then runs in each step: what
belongs to it is put together when it is traced, and `record_emit.emit` takes the values when it runs.
"""

import functools
import itertools
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FrameType
from typing import Any, cast

import keras
import tensorflow as tf

from samebits.chance.places import users
from samebits.hashing.digest import digest
from samebits.keras import record_generators
from samebits.keras.record_digests import (
    Digest,
    at_optimizer,
    described,
    digest_of,
    digests,
    finished,
    gradients_of,
    lacks,
    loss_of,
    now,
    now_value,
    number_of,
    outlines,
)
from samebits.keras.record_emit import UNREAD, emit, read
from samebits.keras.record_names import buffers, held, parameters, seeds, state
from samebits.keras.record_seen import Applying, Called, Seen, Thread, Trained
from samebits.keras.record_values import Values
from samebits.record import places
from samebits.record.evaluated import Evaluated
from samebits.record.format import AFTER_BACKWARD, AT_OPTIMIZER
from samebits.record.moves import CODE, Looks
from samebits.record.names import Models
from samebits.record.tables import Tables, Write
from samebits.record.training import MOST_CALLS, MOST_LOSSES, settings

AUTOGRAPH = "__autograph_generated_file"  # in the name of a file that AutoGraph has made of the user's code
SEEN = "_samebits_seen"  # of a graph: what was traced since the last step in it
IN_A_GRAPH = "a step in a graph, or the batch for it"  # which the graph may ask for


class Training:
    """The models and optimisers of this process.

    Args:
        write: writes a line of the record.
        is_on: whether lines are written still.
        values: writes the tensors themselves, where they are asked for.

    Attributes:
        thread: of the thread that asks.
    """

    def __init__(self, write: Write, is_on: Callable[[], bool], values: Values) -> None:
        self._write, self._is_on, self._values = write, is_on, values
        self.begin()

    def begin(self) -> None:
        """Nothing was seen yet: in this process, or in its file."""
        self.thread = Thread()
        self._lock = threading.RLock()
        self._models, self._tables = Models(parameters, class_of, held), Tables(self._write)
        self._settings = False
        self._optimizers: weakref.WeakKeyDictionary[Any, Trained] = weakref.WeakKeyDictionary()
        self._seeds: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
        self._calls: weakref.WeakKeyDictionary[Any, Called] = weakref.WeakKeyDictionary()
        self._parts: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()  # see _parts_of
        self._trained: list[Trained] = []  # those that are gone, too
        self._evaluated: Evaluated | None = None
        self._host: dict[str, str] | None = None  # the host's generators before the step
        self._named: set[str] = set()
        self._looks = Looks()

    def _keeps(self) -> bool:
        """Whether the tensors of the step that is being computed are asked for; each may be a first one."""
        return self._values.wanted([0, *(each.steps for each in self._trained)])

    def _now(self, value: Any) -> Any:
        """A value's digest, where it has one already; in a graph the value itself."""
        return now(value, self._keeps())

    def unseen(self, what: str) -> None:
        """Something is computed that the record does not hold, which is told once.

        Args:
            what: in words.
        """
        if what not in self._named:
            self._named.add(what)
            self._write({"event": "unseen", "what": what})

    # ------------------------------------------------------------ generators
    def _states(self, models: Iterable[Any]) -> dict[str, Any]:
        """The variables of generators that models and the process have."""
        states: dict[str, Any] = {}
        for model in models:
            if (known := self._seeds.get(model)) is None:
                known = seeds(model)
                if model.built:  # else it may get more layers
                    self._seeds[model] = known
            for name, variable in known.items():
                if all(other is not variable for other in states.values()):
                    states[name if name not in states else f"{class_of(model)}.{name}"] = variable
        return states | record_generators.variables()

    def _all_generators(self, during: str, frame: FrameType | None) -> dict[str, str]:
        """Every generator's state, where no graph runs; see `_look`."""
        states = _read(self._states(self._models.all()))
        return self._look(during, frame, states) | states

    def _look(
        self, during: str, frame: FrameType | None, variables: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """The states of the host's generators, which may have moved, as the process's own variables may.

        Args:
            during: what was done since the last look; CODE: nothing that is known.
            frame: the user's code is above it; None: in a graph.
            variables: the digests of generators that are variables; None: they are read, where no graph runs.
        """
        host = record_generators.of_host() | {
            "tensorflow seeds": record_generators.seeds_of_eager_operations()
        }
        if variables is None:
            variables = _read(record_generators.variables())
        # Those of layers move in each step.
        of_process = {name: state for name, state in variables.items() if ":" not in name}
        with self._lock:
            self._looks.look(host | of_process, during, frame)
        return host

    def before_function(self, frame: FrameType) -> None:
        """A graph is about to run, in which there may be a step."""
        self._host = self._look(CODE, frame)

    # ------------------------------------------------------------ calls of models
    def seen(self, any_outer: bool = False) -> Seen:
        """Where what is computed now belongs.

        Args:
            any_outer: or what the graph around this one has computed, where this one has nothing.
        """
        if tf.executing_eagerly():
            return self.thread.seen
        graph = tf.compat.v1.get_default_graph()
        outer = graph
        while any_outer and outer is not None:
            if (known := getattr(outer, SEEN, None)) is not None:
                return cast(Seen, known)
            outer = getattr(outer, "outer_graph", None)
        if (known := getattr(graph, SEEN, None)) is None:
            setattr(graph, SEEN, known := Seen())
        return cast(Seen, known)

    def see_model(self, model: Any, frame: FrameType) -> None:
        """A model is used; the first time, what it begins with is written."""
        if not getattr(model, "built", False) or not self._models.is_new(model):
            return
        own, rest = parameters(model), buffers(model)
        new = self._models.add(model)
        if not new and (own or not rest):
            return  # a part of a model that was seen
        variables = [variable for _, variable in own]
        names = self._models.names(variables, "variable-{}".format)
        self._initial(class_of(model), id(model), names, variables, rest, frame)

    def _initial(
        self,
        owner: str,
        of: int,
        names: list[str],
        variables: Sequence[Any],
        rest: list[tuple[str, Any]],
        frame: FrameType,
    ) -> None:
        self._write_settings()
        values, others = [read(each) for each in variables], [read(each) for _, each in rest]
        numbers = {
            "parameters": self._table("parameters", of, owner, names, values),
            "buffers": self._table("buffers", of, owner, [name for name, _ in rest], others),
        }
        self._write({
            "event": "initial",
            "model": owner,
            "line": line_of(frame),
            "names": numbers,
            "parameters": digests(values),
            "buffers": digests(others),
            "generators": self._all_generators(CODE, frame),
            "moves": self._looks.take(),
        })  # fmt: skip

    def _table(self, kind: str, of: Any, owner: str, names: list[str], values: Sequence[Any]) -> int:
        describe = functools.partial(described, values)
        return self._tables.number(kind, of, owner, names, outlines(values), describe)

    def _write_settings(self) -> None:
        if self._settings:
            return
        self._settings = True
        with tf.init_scope():
            device = "cuda" if tf.config.get_visible_devices("GPU") else "cpu"
            event = settings("keras", device)
        self._write(event)

    def before_loop(self, model: Any, kind: str, data: Any, frame: FrameType) -> None:
        """Keras's loop calls `train_step`, `test_step` or `predict_step`.

        Args:
            model: whose.
            kind: "train", "test" or "predict".
            data: the batch as the loop gives it: inputs, targets, weights.
            frame: who calls it.
        """
        self.see_model(model, frame)
        if kind != "train" and tf.executing_eagerly():  # not of the step that may have begun
            self.thread.outer, self.thread.seen = self.thread.seen, Seen()
        self.thread.loop = model, self._call(model, kind == "train", data, frame)

    def after_loop(self, model: Any, kind: str, data: Any, result: Any, frame: FrameType) -> None:
        """That step has been computed, or traced."""
        self.see_model(model, frame)
        _, entry = self.thread.loop or (None, {})
        if kind == "train":
            return
        seen = self.seen()
        arguments, outputs = entry["arguments"], entry.get("outputs", [result])
        if isinstance(arguments, Digest):  # of what was computed at once, as text
            arguments = str(arguments)
        self.evaluate(class_of(model), entry["training"], arguments, outputs, frame)
        if tf.executing_eagerly():
            self.thread.seen = self.thread.outer
            self.after_function(frame)
        else:
            seen.clear()

    def before_call(self, model: Any, arguments: Any, training: bool, frame: FrameType) -> None:
        """An outermost model is called.

        Args:
            model: is called.
            arguments: with which.
            training: in which mode.
            frame: who calls it.
        """
        self.see_model(model, frame)
        if self.thread.loop is None or self.thread.loop[0] is not model:
            self._call(model, training, arguments, frame)

    def after_call(self, model: Any, result: Any, frame: FrameType) -> None:
        """The outermost model has returned."""
        self.see_model(model, frame)
        seen = self.seen()
        if self.thread.loop is not None and self.thread.loop[0] is model:
            self.thread.loop[1].setdefault("outputs", []).append(self._now(result))
        elif seen.calls:
            seen.calls[-1].setdefault("outputs", []).append(self._now(result))
        if tf.executing_eagerly():
            self._look(f"the forward pass of {class_of(model)}", frame)

    def after_evaluation(self, model: Any, arguments: Any, training: bool, result: Any, frame: Any) -> None:
        """The outermost model has returned, and no gradients are wanted: not in a graph."""
        self.see_model(model, frame)
        self.evaluate(class_of(model), training, arguments, result, frame)
        self.after_function(frame)

    def _called(self, model: Any) -> Called:
        if (known := self._calls.get(model)) is None:
            known = Called(model, buffers(model))
            if model.built:  # else it may get more
                self._calls[model] = known
        return known

    def _call(self, model: Any, training: bool, arguments: Any, frame: FrameType) -> dict[str, Any]:
        seen, eager = self.seen(), tf.executing_eagerly()
        if all(known.model is not model for known in seen.models):
            seen.models.append(self._called(model))
        if seen.before is None:
            seen.before = {}
            if eager:
                self._end_evaluation()
                seen.before |= self._look(CODE, frame)
        for name, variable in self._states([model]).items():
            if name not in seen.before:  # now, since the model changes it
                tensor = held(variable)
                seen.before[name] = digest(tensor) if eager else tf.convert_to_tensor(tensor)
        entry = {
            "module": class_of(model),
            "training": training,
            "autocast": str(model.dtype_policy.name),
            "arguments": arguments,
        }
        entry = finished(entry, self._keeps()) if eager else entry
        if len(seen.calls) < MOST_CALLS:
            seen.calls.append(entry)
        return entry

    # ------------------------------------------------------------ evaluation
    def evaluate(self, model: str, training: bool, arguments: Any, outputs: Any, frame: FrameType) -> None:
        """A model is called without a step.

        Args:
            model: its class.
            training: in which mode.
            arguments: with which.
            outputs: what it gives.
            frame: who calls it.
        """
        line = line_of(frame)
        emit(
            functools.partial(self._evaluate, line, model, training),
            {"arguments": arguments, "outputs": outputs},
            functools.partial(self._unread_call, model),
        )

    def _evaluate(self, line: str, model: str, training: bool, values: dict[str, Any]) -> None:
        with self._lock:
            if not self._is_on():  # which a graph asks each time that it runs
                return
            if (evaluated := self._evaluated) is None:
                after = {str(each.number): each.steps for each in self._trained if each.steps}
                evaluated = self._evaluated = Evaluated(line, after)
            evaluated.count += 1
            evaluated.mode(training)
            if model not in evaluated.models:
                evaluated.models.append(model)
            evaluated.arguments.update(digest_of(values["arguments"]).encode())
            evaluated.outputs.update(digest_of(values["outputs"]).encode())
            evaluated.generators = self._look(_evaluation(evaluated), None, {})
            evaluated.moves += self._looks.take()

    def after_function(self, frame: FrameType) -> None:
        """A graph has run. Now the generators that are variables can be read."""
        if (evaluated := self._evaluated) is not None:  # another thread may end it meanwhile
            evaluated.generators = self._all_generators(_evaluation(evaluated), frame)
            evaluated.moves += self._looks.take()

    def _end_evaluation(self) -> None:
        with self._lock:  # a graph that runs in another thread ends it, too
            if (evaluated := self._evaluated) is None:
                return
            self._evaluated = None
            self._write(evaluated.event())

    def end_epoch(self, epoch: int, logs: Mapping[str, Any] | None) -> None:
        """Keras's loop has come to the end of an epoch.

        Args:
            epoch: from 0.
            logs: the metrics that its callbacks are told.
        """
        values = {str(name): number_of(value) for name, value in (logs or {}).items()}
        if values:
            self._write({"event": "logs", "epoch": epoch + 1, "values": values})

    # ------------------------------------------------------------ gradients
    def see_gradients(self, target: Any, sources: Any, gradients: Any) -> None:
        """A tape has computed gradients, or they have been traced."""
        seen = self.seen()
        if len(seen.losses) < MOST_LOSSES:
            seen.losses.append(loss_of(target, self._keeps()) if tf.executing_eagerly() else target)
        for source, gradient in zip(tf.nest.flatten(sources), tf.nest.flatten(gradients), strict=True):
            if gradient is not None:
                seen.gradients[id(held(source))] = self._now(gradient)

    # ------------------------------------------------------------ steps
    def before_apply(
        self, optimizer: Any, gradients: Sequence[Any], variables: Any, frame: FrameType
    ) -> Applying:
        """An optimiser's step begins.

        Args:
            optimizer: whose.
            gradients: that it is given.
            variables: one for each; None: those that it has.
            frame: who calls it.
        """
        if tf.executing_eagerly():
            self._look(CODE, frame)
        if variables is None:
            variables = optimizer._trainable_variables
        given = {
            id(held(variable)): self._now(gradient)
            for variable, gradient in zip(variables, gradients, strict=False)
            if gradient is not None
        }
        graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
        iterations = None
        if getattr(optimizer, "inner_optimizer", None) is not None and optimizer.built:
            iterations = tf.convert_to_tensor(held(optimizer.iterations))
        return Applying(graph, given, iterations)

    def see_used(self, gradients: Any, variables: Any, rate: Any) -> None:
        """The optimiser has come to the gradients that it uses, and its learning rate."""
        applying = self.thread.applying
        if applying is None:
            return
        if (None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()) is not applying.graph:
            return  # in a branch of the graph: its tensors cannot leave it
        applying.used = {
            id(held(variable)): self._now(gradient)
            for variable, gradient in zip(variables, gradients, strict=True)
            if gradient is not None
        }
        applying.rate = now_value(rate)

    def after_apply(self, optimizer: Any, applying: Applying, frame: FrameType) -> None:
        """An optimiser's step has been computed, or traced."""
        seen = self.seen(any_outer=True)
        variables = list(optimizer._trainable_variables)
        order = [id(held(variable)) for variable in variables]
        self._step(
            optimizer,
            {
                "calls": seen.calls,
                "losses": seen.losses,
                "before": seen.before or {},
                "after_backward": [seen.gradients.get(each) for each in order],
                "given": [applying.given.get(each) for each in order],
                "used": None if applying.used is None else [applying.used.get(each) for each in order],
                "rate": applying.rate,
                "iterations": applying.iterations,
            },
            seen.models,
            frame,
        )
        seen.clear()

    def step_outside(self, optimizer: Any, models: Sequence[Any], given: Any, name: str, frame: Any) -> None:
        """A function with an optimiser's step inside has returned, into which nobody can look.

        Args:
            optimizer: whose.
            models: that were called within.
            given: the function's arguments.
            name: its name.
            frame: who called it.
        """
        owner = class_of(models[0]) if models else name
        call = {"module": owner, "training": True, "arguments": given}
        called = [self._called(model) for model in models]
        self._step(optimizer, {"calls": [call], "losses": [], "before": {}}, called, frame)

    def _step(self, optimizer: Any, seen: dict[str, Any], called: Sequence[Called], frame: FrameType) -> None:
        if optimizer not in self._optimizers:
            self._optimizers[optimizer] = Trained(len(self._trained))
            self._trained.append(self._optimizers[optimizer])
        trained = self._optimizers[optimizer]
        models = [each.model for each in called if each.model is not None]
        variables, rest, parts = self._parts_of(optimizer, trained, models)
        for each in called:
            known = [held(buffer) for buffer in rest.values()]
            left = each.left().items()
            rest = rest | {name: buffer for name, buffer in left if all(buffer is not k for k in known)}
        about = {
            "trained": trained,
            "class": class_of(optimizer),
            "line": line_of(frame),
            # A graph is traced once: nobody knows who calls it later.
            "frame": frame if tf.executing_eagerly() else None,
            "during": f"the step of {class_of(optimizer)}" if tf.executing_eagerly() else IN_A_GRAPH,
            "owner": ", ".join(dict.fromkeys(each.owner for each in called)),
            "names": list(variables),
            "buffer_names": list(rest),
            "state_names": list(parts),
        }
        emit(
            functools.partial(self._write_step, about),
            {
                **seen,
                "rate": seen.get("rate") if seen.get("rate") is not None else _rate(optimizer),
                "counted": optimizer.iterations,
                "after": self._states(models),
                "parameters": list(variables.values()),
                "buffers": list(rest.values()),
                "state": list(parts.values()),
            },
            functools.partial(self._unread, list(variables)),
        )

    def _unread(self, names: list[str], values: dict[str, Any]) -> None:
        """Name what TensorFlow computes in another way where somebody reads it."""
        for call in values["calls"]:
            self._unread_call(call["module"], call)
        lacking = (values.get("after_backward") or [], values.get("given") or [], values.get("used") or [])
        for name, *gradients in itertools.zip_longest(names, *lacking):
            if UNREAD in gradients:
                self.unseen(f"the gradient of `{name}`, which TensorFlow joins with the next operation")
        if UNREAD in values.get("losses", ()):
            self.unseen("a loss, which TensorFlow joins with the next operation")

    def _unread_call(self, module: str, values: Mapping[str, Any]) -> None:
        """The same of what a module was given, and of what it returned."""
        for part in ("arguments", "outputs"):
            if lacks(values.get(part)):
                self.unseen(f"the {part} of {module}, which TensorFlow joins with the next operation")

    def _parts_of(self, optimizer: Any, trained: Trained, models: Sequence[Any]) -> Any:
        """What an optimiser trains, what else its models hold, and its own state, each by name."""
        counts = (len(optimizer.variables), len(optimizer._trainable_variables))
        known = self._parts.get(optimizer)
        # By the models themselves: a new one may have the identity of one that is gone.
        if known is None or known[0] != counts or [each() for each in known[1]] != list(models):
            variables = list(optimizer._trainable_variables)
            names = self._models.names(variables, f"optimizer.{trained.number}.{{}}".format)
            rest: dict[str, Any] = {}
            for model in models:
                for name, buffer in buffers(model):
                    if all(buffer is not other for other in rest.values()):
                        rest[name if name not in rest else f"{class_of(model)}.{name}"] = buffer
            parts = dict(zip(names, variables, strict=True)), rest, dict(state(optimizer, names))
            known = self._parts[optimizer] = counts, [weakref.ref(model) for model in models], parts
        return known[2]

    def _write_step(self, about: dict[str, Any], values: dict[str, Any]) -> None:
        with self._lock:
            if self._is_on():
                self._write_one(about, values)

    def _write_one(self, about: dict[str, Any], values: dict[str, Any]) -> None:
        self._end_evaluation()
        trained = about["trained"]
        trained.steps += 1
        before = values["before"]
        calls = [finished(call, False) for call in values["calls"]]
        gradients = gradients_of(values) if "given" in values else {}
        before = {name: value if isinstance(value, str) else digest(value) for name, value in before.items()}
        start = before if "python" in before or self._host is None else self._host | before
        after = {name: digest(value) for name, value in values["after"].items()}
        host = self._look(about["during"], about["frame"], after)
        tables = {
            "parameters": (about["class"], about["names"]),
            "buffers": (about["owner"], about["buffer_names"]),
            "state": (about["class"], about["state_names"]),
        }
        counted, iterations = values["counted"], values.get("iterations")
        self._write({
            "event": "step",
            "optimizer": trained.number,
            "class": about["class"],
            "step": trained.steps,
            "skipped": iterations is not None and int(iterations) == int(counted),
            "line": about["line"],
            "calls": calls,
            "losses": [loss_of(each, False) for each in values["losses"] if each is not UNREAD],
            "lrs": [number_of(values["rate"])],
            "names": {
                kind: self._table(kind, trained, owner, names, values[kind])
                for kind, (owner, names) in tables.items()
            },
            "gradients": gradients,
            "parameters": digests(values["parameters"]),
            "buffers": digests(values["buffers"]),
            "state": digests(values["state"]),
            "generators": {"before": start, "after": host | after},
            "moves": self._looks.take(),
        })  # fmt: skip
        self._host = host
        if self._values.holds(trained.steps):
            self._write_values(trained, about, values, gradients)

    def _write_values(
        self, trained: Trained, about: dict[str, Any], values: dict[str, Any], gradients: Iterable[str]
    ) -> None:
        parts = ("arguments", "outputs")
        calls = {
            f"calls/{at}/{part}": call.get(part) for at, call in enumerate(values["calls"]) for part in parts
        }
        losses = {f"losses/{at}": loss for at, loss in enumerate(values["losses"])}
        seen = {AFTER_BACKWARD: values.get("after_backward"), AT_OPTIMIZER: at_optimizer(values)}
        self._values.write(trained.number, trained.steps, calls | losses, {
            **{f"gradients/{when}": (about["names"], seen[when]) for when in gradients},
            "parameters": (about["names"], values["parameters"]),
            "buffers": (about["buffer_names"], values["buffers"]),
            "state": (about["state_names"], values["state"]),
        })  # fmt: skip

    def end(self) -> None:
        """The process ends."""
        self._end_evaluation()


def class_of(model: Any) -> str:
    """The class of a model."""
    return type(model).__name__


def line_of(frame: FrameType | None) -> str:
    """Where the user's code is, for a frame inside, and not what AutoGraph has made of it."""
    while (user := users(frame)) is not None and AUTOGRAPH in user.f_code.co_filename:
        frame = user.f_back
    return places.line_of(user)


def _evaluation(evaluated: Evaluated) -> str:
    return f"evaluation by {', '.join(evaluated.models)}"


def _read(variables: Mapping[str, Any]) -> dict[str, str]:
    """The digests of those that can be read now."""
    return {
        name: digest(value) for name, variable in variables.items() if (value := read(variable)) is not None
    }


def _rate(optimizer: Any) -> Any:
    """The learning rate, where it is no schedule, which only the step itself asks."""
    while getattr(optimizer, "inner_optimizer", None) is not None:
        optimizer = optimizer.inner_optimizer
    rate = getattr(optimizer, "_learning_rate", None)
    return rate if isinstance(rate, keras.Variable | tf.Variable | float | int) else None
