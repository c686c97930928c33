"""Whether evaluation decides how a training continues, although a setting promises that it does not.

`evaluate_every: int = option(1, …, affects_weights=False)` promises that the weights are the same however
often the model is evaluated. ReduceLROnPlateau and early stopping break that promise, and so does a model
that is evaluated in training mode, if it has BatchNorm. A run looks for it once an epoch, in what it holds
and in what `log` is given between steps; docs/resume.md says what it can see and what it cannot.
"""

import re
import struct
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from samebits.checkpoint.state import VALUES, TrainingState
from samebits.run.settings import without_effect

PROMISE = re.compile("eval|valid|test")  # in the name of a setting that says when evaluation happens
OF_TRAINING = re.compile("train|loss$")  # the name of a logged number begins so: it is not evaluation's
ENOUGH = 2  # one match of a number with six digits or more, or two of a shorter one, such as 0.5
ITEMS = 1000  # a longer list is data


class Evaluation:
    """Watches one run. Nothing is changed: what is found is printed once, and kept for the manifest.

    Args:
        setting: the one that promises `affects_weights=False`.
        state: what the run saves.
    """

    def __init__(self, setting: str, state: TrainingState) -> None:
        self.lines: list[str] = []
        self.changed: list[str] = []  # what is held and changed between an epoch's last step and its end
        self._marks: dict[str, bytes] | None = None  # of what is held, at the epoch's last step
        self._setting, self._training_state = setting, state
        self._logged: dict[str, float] = {}  # since the last step, between steps
        self._means: list[float] = []  # of what the steps logged, since the last step
        self._numbers: dict[str, float | None] | None = None  # in the held objects, at the last look
        self._statistics: dict[str, int] | None = None  # at the epoch's last step
        self._matches: dict[tuple[str, str], int] = {}
        self._apart: set[tuple[str, str]] = set()
        self._of_training: set[str] = set()
        for what in state.toolkit.watches_evaluation(state.objects):
            self._say(what)

    def end_of_batches(self) -> None:
        """The epoch's steps are over."""
        if self._marks is None:
            self._marks = self._training_state.marks()
        self._statistics = self._training_state.toolkit.running_statistics(self._training_state.objects)

    def end_of_epoch(self) -> None:
        """So is everything at its end: what has changed since its last step may follow evaluation."""
        if self._marks is not None:
            now = self._training_state.marks()
            changed = (name for name, mark in now.items() if self._before(name, mark) != mark)
            self.changed += (name for name in changed if name not in self.changed)
            self._marks = None

    def _before(self, name: str, mark: bytes) -> bytes | None:
        """A mark at the epoch's last step; of an object that had none, what it is now."""
        marks = self._marks or {}
        return marks.get(name) if name.startswith(f"{VALUES}.") else marks.get(name, mark)

    def logged(self, means: Mapping[str, float], values: Mapping[str, Any]) -> None:
        """An epoch's line: the means of what its steps logged, and what was logged after them."""
        self._means += means.values()
        self._of_training |= means.keys()
        for name, value in values.items():
            if isinstance(number := _number(value), float):
                self._logged[name] = number

    def begin_step(self) -> None:
        """The next step begins: what evaluation has changed, it changed by now."""
        if self._numbers is None:
            self._numbers = self._read()
        elif self._logged:
            self._look_at_statistics()
            self.look()
        self._statistics = None

    def look(self) -> None:
        """Compare the numbers in the held objects with those of the last look and with what was logged."""
        before, now = self._numbers or {}, self._read()
        evaluated = {name: value for name, value in self._logged.items() if not self._is_of_training(name)}
        if evaluated:
            for path, number in now.items():
                changed = path in before and before[path] != number
                plateau = self._training_state.toolkit.takes_a_metric(
                    self._training_state.objects[path.partition(".")[0]]
                )
                if number is None or (plateau and not path.endswith(".best")):
                    continue
                if plateau and changed:
                    self._look_at_plateau(path, number, evaluated)
                elif not plateau:
                    self._compare(path, number, changed, evaluated)
        self._numbers, self._logged, self._means = now, {}, []

    def _is_of_training(self, name: str) -> bool:
        return name in self._of_training or OF_TRAINING.match(name) is not None

    def _compare(self, path: str, number: float, changed: bool, evaluated: Mapping[str, float]) -> None:
        """A number that took a logged value, and kept it when the next one came, follows evaluation.

        One that is logged itself, such as a learning rate, is never apart from what is logged.
        """
        for name, value in evaluated.items():
            pair = (path, name)
            if _rounded(value) != _rounded(number):
                self._apart.add(pair)
            elif changed:
                self._matches[pair] = self._matches.get(pair, 0) + _digits(value)
            if pair in self._apart and self._matches.get(pair, 0) >= ENOUGH:
                self._say(f"{path} follows {name}")

    def _look_at_plateau(self, path: str, number: float, evaluated: Mapping[str, float]) -> None:
        name = path.partition(".")[0]
        called = f"{name} ({type(self._training_state.objects[name]).__name__})"
        of_training = [*self._means, *(v for n, v in self._logged.items() if n not in evaluated)]
        for metric, value in evaluated.items():
            if _rounded(value) == _rounded(number):
                return self._say(f"{called} follows {metric}")
        if not any(abs(number - mean) <= 1e-3 * abs(mean) for mean in of_training):
            self._say(f"{called} follows a number that is not the steps' loss")
        return None

    def _look_at_statistics(self) -> None:
        if self._statistics is None or all(map(self._is_of_training, self._logged)):
            return
        now = self._training_state.toolkit.running_statistics(self._training_state.objects)
        for name, count in now.items():
            if self._statistics.get(name, count) != count:
                self._say(
                    f"{name} updates its running statistics during it, so call eval() on the model before"
                )
                return

    def _say(self, what: str) -> None:
        line = (
            f"evaluation decides how the training continues: {what}. So {self._setting} affects the weights: "
            "remove affects_weights=False from that setting"
        )
        if line not in self.lines:
            self.lines.append(line)
            print(f"samebits: {line}", file=sys.stderr)

    def _read(self) -> dict[str, float | None]:
        return {
            path: number
            for name, state in self._training_state.remembered()
            for path, number in _numbers(name, state)
        }


def promised(settings: Any) -> list[str]:
    """The names of the settings that promise that evaluation does not matter."""
    return [name for name in without_effect(settings) if PROMISE.search(name)]


def watch(settings: Any, state: TrainingState) -> Evaluation | None:
    """The watch of a run whose settings promise that evaluation does not matter; else None."""
    names = promised(settings)
    return Evaluation(names[0], state) if names else None


def _numbers(path: str, value: Any) -> Iterator[tuple[str, float | None]]:
    """Every number of a state, with its place; None where a number may come."""
    if isinstance(value, Mapping):
        for key, element in value.items():
            yield from _numbers(f"{path}.{key}", element)
    elif isinstance(value, list | tuple):
        for index, element in enumerate(value if len(value) <= ITEMS else ()):
            yield from _numbers(f"{path}.{index}", element)
    elif value is None or isinstance(number := _number(value), float):
        yield path, None if value is None else number


def _number(value: Any) -> float | None:
    """A float, or a tensor or an array of one; None for everything else, whole numbers too."""
    if type(value) is not float and hasattr(value, "item") and getattr(value, "shape", None) in ((), (1,)):
        value = value.item()
    return value if isinstance(value, float) else None


def _rounded(number: float) -> bytes:
    """In float32 and without its sign: a score to be maximised may be kept as a loss, or as a tensor."""
    try:
        return struct.pack("f", abs(number))
    except OverflowError:
        return struct.pack("d", abs(number))


def _digits(number: float) -> int:
    """How much a match says: 2 from six digits on."""
    return 2 if len(repr(abs(number)).replace(".", "").strip("0")) >= 6 else 1
