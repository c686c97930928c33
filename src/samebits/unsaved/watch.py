"""Looks, in the first steps of a process, for state that changes and that no checkpoint holds.

*Changes and is in no checkpoint* does not mean *decides weights*: a running loss changes, too. So what is
noted here is kept in the manifest and in checkpoints, and said where it matters.
"""

import sys
import time
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from samebits._printable import printable
from samebits.errors import CheckFailed
from samebits.framework import Unsaved
from samebits.unsaved.about import About
from samebits.unsaved.carried import Carried
from samebits.unsaved.elsewhere import beside
from samebits.unsaved.frames import users_frames
from samebits.unsaved.lines import lines
from samebits.unsaved.reachable import Walk
from samebits.unsaved.report import affects_no_weight, matching, row
from samebits.unsaved.training import Training
from samebits.unsaved.within import TooLong

STEPS = 8  # that are looked at, and
EPOCHS = 2  # ends of epochs
SECONDS = 2.0  # that all looks of a process may compute: a busy machine must not see less
FOR_STEPS = 1.4  # of these, so that an epoch's end is looked at, too
SAID = 5  # names in a line; more are in the manifest


class Watch:
    """The looks of one process.

    Args:
        toolkit: the framework's part.
        objects: what the run holds, by name.
        ours: objects of the run itself.
        before: what the processes before this one have named, out of the checkpoint.
        ignored: the names of which the user says that they decide nothing; may grow.
        strict: refuse the run when something is named.
        attributes: those that checkpoints hold by themselves.

    Attributes:
        loader: what the epoch reads.
        unknown: what nobody can look into, by name, each with its class.
    """

    def __init__(
        self,
        toolkit: Unsaved,
        objects: Mapping[str, Any],
        ours: Iterable[Any],
        before: Iterable[Mapping[str, Any]],
        ignored: Iterable[str],
        strict: bool,
        attributes: Carried,
    ) -> None:
        self._training = Training(toolkit, objects, tuple(ours))
        self._ignored, self._strict = ignored, strict
        self._attributes = attributes
        self._rows = {row["name"]: dict(row) for row in before}
        self._values: dict[str, Any] = {}
        self._keys: dict[str, set[str]] = {}  # by name, of what has changed
        self._generator: Any = None  # the run's batches, as a weak reference
        self.loader: Any = None
        self.unknown: dict[str, str] = {}
        self._looked = self._ends = 0
        self._spent = 0.0
        self._said = False
        self._classes: set[tuple[Any, str]] = set()  # of the named ones, with the plain name

    @property
    def named(self) -> list[dict[str, Any]]:
        """What changes and is in no checkpoint, one table a name: for the manifest and for checkpoints."""
        self._name_left()
        self._rows.update({row["name"]: row for row in beside()})
        rows = [row for row in self._rows.values() if not matching(row["name"], self._ignored)]
        return sorted(rows, key=lambda row: row["shown"])

    @property
    def not_looked_at(self) -> list[str]:
        """The objects of code in C that are alive around a step: whether they change, nobody can see."""
        names = (name for name in self.unknown if not matching(name, self._ignored))
        return [f"{name} ({self.unknown[name]})" for name in sorted(names)]

    def _name_left(self) -> None:
        """Name the attributes that checkpoints should have held, and that the last one could not hold."""
        for left in self._attributes.left:
            kind = type(left.value).__name__
            about = About(left.path, kind, None, "attribute", left.name, type(left.owner), held=True)
            if (about.owner, about.base) not in self._classes:
                self._note(about)

    def _note(self, about: About) -> None:
        self._classes.add((about.owner, about.base))
        if about.name not in self._rows:
            self._rows[about.name] = row(about)

    def batches(self, generator: Any) -> Any:
        """Note the generator of an epoch's batches; returns it."""
        self._generator = weakref.ref(generator)
        return generator

    def begin_step(self, epoch: int) -> None:
        """A step begins: before the first one is where changes are counted from."""
        if not self._looked and not self._values and self._spent < FOR_STEPS:
            self._look(epoch, FOR_STEPS)

    def end_step(self, epoch: int) -> None:
        """A step is complete, as a checkpoint would have it."""
        if self._looked < STEPS and self._spent < FOR_STEPS:
            self._look(epoch, FOR_STEPS)
            self._looked += 1
            self._refuse()
        elif not self._said:
            self._say()

    def end_epoch(self, epoch: int) -> None:
        """An epoch has ended, and all code at its end."""
        if self._ends < EPOCHS and self._spent < SECONDS:
            alive = self._look(epoch, SECONDS)
            for name, row in self._rows.items():
                row["within_epochs"] &= alive.isdisjoint(self._keys.get(name, ()))
            self._ends += 1
            self._refuse()

    def _look(self, epoch: int, limit: float) -> set[str]:
        """Look once, and note what has changed; returns the keys of what is alive."""
        began = time.thread_time()
        first = not self._values
        try:
            carried = self._attributes.places()
            walk = Walk(self._training, epoch, began + limit - self._spent, carried)
            if first or self._looked == 1:  # a library may make its generator in the first step
                self._training.find_in_libraries()
            frames = users_frames()
            walk.run(frames, self.loader)
            if self._generator is not None and first:
                walk.iterators(self._generator(), frames[0] if frames else None)
        except TooLong:
            self._spent = SECONDS
            return set()
        except Exception as error:  # whatever an object of somebody's does when it is looked at
            self._spent = SECONDS
            line = f"could not look for unsaved state: {type(error).__name__}: {error}"
            if self._strict:
                raise CheckFailed(line) from error
            print(f"samebits: {printable(line)}", file=sys.stderr)
            return set()
        for key, digest in walk.values.items():
            about = walk.about[key]
            if key in self._values:
                changed = self._values[key] != digest
            else:  # an attribute that its object got since; a variable may only not have been alive before
                changed = about.parent is not None and about.parent in self._values
            if not about.carried and (changed or about.root in ("loop", "fix")):
                self._keys.setdefault(about.name, set()).add(key)
                self._note(about)
        self._values.update(walk.values)
        self.unknown |= walk.unknown
        self._spent += time.thread_time() - began
        return set(walk.values)

    def _refuse(self) -> None:
        deciding = [row for row in self.named if not row["shown"]]
        if self._strict and deciding:
            more = f"; and {len(deciding) - SAID} more" if len(deciding) > SAID else ""
            said = "; ".join(lines(deciding[:SAID])) + more
            raise CheckFailed(
                f"{said}; {affects_no_weight(deciding[0]['name'])} allows one that decides no weight"
            )

    def _say(self) -> None:
        """One line about what may decide the weights, once."""
        self._said = True
        names = [row["name"] for row in self.named if not row["shown"]]
        if names:
            more = f" and {len(names) - SAID} more" if len(names) > SAID else ""
            print(
                f"samebits: these change and are in no checkpoint: {', '.join(names[:SAID])}{more}; "
                "docs/resume.md says what to do",
                file=sys.stderr,
            )
