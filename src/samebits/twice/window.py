"""In which steps operations are executed twice."""

from typing import NamedTuple

from samebits.record.values import as_words, parse_steps


class Window(NamedTuple):
    """Some of a training's steps, which count from 1; what comes before the first belongs to it.

    Attributes:
        every: of so many steps the first.
        steps: of these only; None: of all.
    """

    every: int = 1
    steps: range | None = None

    def holds(self, step: int) -> bool:
        """Whether a step is in it."""
        first = 1 if self.steps is None else self.steps.start
        return (self.steps is None or step in self.steps) and (step - first) % self.every == 0

    @property
    def words(self) -> str:
        """As `parse` reads it."""
        return f"{self.every}/{'' if self.steps is None else as_words(self.steps)}"


def parse(words: str) -> Window:
    """A window from `Window.words`."""
    every, _, steps = words.partition("/")
    return Window(int(every), parse_steps(steps) if steps else None)
