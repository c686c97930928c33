"""Where to stop a training so that what its checkpoints lack shows: within an epoch, and at epochs' ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PERIODS = (2, 3, 4, 5, 8, 10)  # of gradient accumulation and of schedules: what counts to these hides there
SHORT = 16  # steps in an epoch; in fewer, each step is a multiple of some period that people choose


@dataclass(frozen=True)
class Course:
    """How far a finished training went, as its manifest says.

    Attributes:
        steps: all that it took.
        epochs: in how many epochs, taken as equally long; at least 1.
        every: steps between its checkpoints; 0: each epoch's end.
        lacks: why it cannot be interrupted at all; empty where it can.
    """

    steps: int
    epochs: int
    every: int = 0
    lacks: str = ""

    @property
    def each(self) -> int:
        """Steps in an epoch."""
        return max(1, self.steps // self.epochs)

    def middle(self) -> int | None:
        """The step to stop after when it is stopped once; None where there is none.

        It lies near the middle of an epoch that is not the first, where there are several. The step's number,
        in the epoch and in all, is a multiple of few PERIODS: so a counter that begins anew is out of step.
        A training whose loader cannot begin within an epoch resumes from the end of the epoch before.
        """
        if self.lacks:
            return None
        if self.each < 2:
            return max(1, self.steps // 2)
        before = self.each * (self.epochs // 2)
        periods = (*PERIODS, *([self.every] if self.every else []))

        def badness(at: int) -> float:
            hidden = sum(number % period == 0 for number in (at, before + at) for period in periods)
            return hidden + 3 * abs(2 * at - self.each) / self.each

        return before + min(range(1, self.each), key=badness)

    def stops(self) -> list[int]:
        """The steps to stop after, one after the other, in one training; nothing where it cannot be stopped.

        In short epochs `middle` lies where something hides that counts to a small number, from the training's
        beginning or from the epoch's. So the training is stopped again where that does not hide, in a later
        epoch if there is one.
        """
        first = self.middle()
        if first is None:
            return []
        later = [step for step in range(first + 1, self.steps) if step % self.each or self.each == 1]
        if self.each >= SHORT or not later:
            return [first]
        hidden = self._hides(first)

        def badness(step: int) -> tuple[int, bool, int]:
            again = self._hides(step)
            return len(hidden & again), step // self.each == first // self.each, len(again)

        second = min(later, key=badness)
        return [first, second] if hidden - self._hides(second) else [first]

    def _hides(self, step: int) -> set[tuple[int, bool]]:
        """The periods that end with a step, each with whether it is counted from the epoch's beginning."""
        return {
            (period, within)
            for within, number in ((False, step), *([(True, step % self.each)] if self.each > 1 else []))
            for period in range(2, SHORT)
            if number % period == 0
        }

    def ends(self, number: int = 3) -> list[int]:
        """The last steps of up to `number` epochs, the first and the last but one included."""
        last = min(self.epochs, self.steps) - 1
        if last < 1:
            return []
        chosen = {1 + (last - 1) * at // max(1, number - 1) for at in range(number)}
        return [self.each * epoch for epoch in sorted(chosen)]


def course(manifest: Mapping[str, Any]) -> Course:
    """How far the training of a manifest went."""
    steps = int(manifest.get("steps") or 0)
    lacks = ""
    if not manifest.get("chain"):
        lacks = "the run makes no checkpoints: call run.checkpoint(…)"
    elif steps == 0:
        lacks = "samebits saw no step: give batches by run.batches(…)"
    elif steps < 2:
        lacks = "the run has a single step"
    epochs = _count(manifest.get("metrics") or {}, "epoch")
    if not lacks and epochs < 2 and manifest.get("resumes_within_epochs") is False:
        lacks = "the run has a single epoch, and its loader cannot begin within one"
    every = _count(manifest.get("settings") or {}, "checkpoint_every")
    return Course(steps, max(1, min(epochs, steps)), every, lacks)


def _count(values: Mapping[str, Any], name: str) -> int:
    """A whole number of a manifest's table; 0 where there is none."""
    value = values.get(name)
    return value if type(value) is int and value > 0 else 0
