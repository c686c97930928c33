"""What a checkpoint holds by itself: numbers and tensors in attributes of held objects.

An attribute is saved if it has changed since its object was held. It is put back if it was, when the object
was held, what the first process recorded. If it was not, a setting or the machine decides it, and nobody
knows what it must be now: the resume is refused. Globals, closures and local variables are not touched.
"""

import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from samebits._printable import printable
from samebits.checkpoint.state import TrainingState, taken_from_a_file
from samebits.errors import UsageError
from samebits.framework import Unsaved
from samebits.hashing.weights import Stored, Tensor
from samebits.unsaved.attributes import Attribute, Attributes, put
from samebits.unsaved.changed import Changed
from samebits.unsaved.report import affects_no_weight
from samebits.unsaved.values import MISSING

VERSION = 1  # of what `capture` writes
PREFIXES = ("(attributes).", "(beginning).")  # of the names of tensors: no object has such a name


class Carried(Changed):
    """The attributes of what one run holds.

    Args:
        toolkit: the framework's part.
        state: the held objects.
        ignored: names that are left out; may grow.

    Attributes:
        restored: the names of what was put back in this process.
        left: numbers and tensors that have changed and that the last checkpoint could not hold.
    """

    def __init__(self, toolkit: Unsaved, state: TrainingState, ignored: Collection[str]) -> None:
        self._reading = ""  # the loader that an epoch reads
        self._beginning: tuple[list[Any], dict[str, Tensor]] = ([], {})  # its attributes when the epoch began
        self._postponed: Callable[[], None] | None = None
        self.restored: list[str] = []
        self.left: list[Attribute] = []
        super().__init__(toolkit, state, ignored)

    # ------------------------------------------------------------ saving

    def begin_epoch(self, loader: Any) -> None:
        """An epoch's batches are about to be read. Their order may follow what the loader has now.

        Args:
            loader: that gives them; None: the epoch is over.
        """
        names = [name for name, target in self._objects.items() if target is loader and loader is not None]
        self._reading, self._beginning = (names or [""])[0], ([], {})
        if names:
            self._note_beginning()

    def _note_beginning(self) -> None:
        self._beginning = self._tried(lambda: self._capture(PREFIXES[1], self._reading, {}), ([], {}))

    def capture(self, tensors: dict[str, Tensor]) -> dict[str, Any]:
        """What a checkpoint holds of them now, as JSON.

        Args:
            tensors: is added to.
        """
        values, of_values = self._tried(lambda: self._capture(PREFIXES[0], "", None), ([], {}))
        beginning, of_beginning = self._beginning
        tensors.update(of_values | of_beginning)
        return {"version": VERSION, "values": values, "reading": self._reading, "beginning": beginning}

    def _capture(
        self, prefix: str, root: str, copies: dict[str, Any] | None
    ) -> tuple[list[Any], dict[str, Tensor]]:
        changes = self._changes()
        tensors: dict[str, Tensor] = {}
        numbers: dict[int, tuple[int, Any]] = {}
        values = []
        if not root:
            self.left = changes.left
        for path in sorted(changes.saved, key=self._is_reading):  # what is put back last comes last
            if root and not self._is_reading(path):
                continue
            held = self._held.get(path) or self._as_held(MISSING)
            node = self._values.encode(
                changes.saved[path].value, prefix + path, held.same, tensors, numbers, copies
            )
            values.append({"path": path, "initial": held.content, "words": held.words, "value": node})
        return values, tensors

    def _is_reading(self, path: str) -> bool:
        return bool(self._reading) and path.startswith((f"{self._reading}.", f"{self._reading}["))

    # ------------------------------------------------------------ putting back

    def restore(self, saved: Mapping[str, Any] | None, tensors: Mapping[str, Stored]) -> None:
        """Put back what a checkpoint holds; of the loader that its epoch reads, what it was at its beginning.

        Args:
            saved: what `capture` returned; None: an older samebits wrote the checkpoint.
            tensors: the checkpoint's.

        Raises:
            UsageError: an attribute of a held object was something else here at first. Nothing was touched.
        """
        if saved is None:
            return
        if saved["version"] != VERSION:
            raise UsageError(
                f"the checkpoint's attributes have version {saved['version']}, and this samebits reads "
                f"{VERSION}: use the one that wrote it, or `--resume never` starts from the beginning"
            )
        self._reading = saved["reading"]
        attributes = self._look()
        for entry in (*saved["values"], *saved["beginning"]):
            if not self._is_ignored(entry["path"]):
                self._compare(entry, attributes)
        with taken_from_a_file("the attributes"):
            self._put_back(saved, tensors, attributes)
        paths = (entry["path"] for entry in saved["values"])
        self.restored = [path for path in paths if not self._is_left_out(path)]

    def _put_back(
        self, saved: Mapping[str, Any], tensors: Mapping[str, Stored], attributes: Attributes
    ) -> None:
        made: list[Any] = []
        later = [entry for entry in saved["values"] if self._is_reading(entry["path"])]
        self._put(saved["values"][: len(saved["values"]) - len(later)], attributes, tensors, made)
        self._put(saved["beginning"], attributes, tensors, [])
        self._postponed = (lambda: self._put(later, self._look(), tensors, made)) if later else None

    def placed(self) -> None:
        """The loader's iterator has its order, which followed the epoch's beginning: put back the rest."""
        postponed, self._postponed = self._postponed, None
        if postponed is not None:
            self._note_beginning()
            with taken_from_a_file("the attributes"):
                postponed()

    @property
    def waits(self) -> bool:
        """Whether `placed` has something to put back."""
        return self._postponed is not None

    def _compare(self, entry: Mapping[str, Any], attributes: Attributes) -> None:
        """Compare an attribute with the first process's, as both were at first.

        Raises:
            UsageError: it was something else, and its object is one that the run holds.
        """
        path = entry["path"]
        owner, _, name = path.rpartition(".")
        here = self._held.get(path)
        if here is None:
            here = self._as_held(MISSING)
        fits = name.isidentifier() and not name.startswith("__") and owner in attributes.owners
        if fits and here.content == entry["initial"]:
            return
        differs = f"{path} was {entry['words']} when the run began, and is {here.words} in this process"
        target = attributes.owners.get(owner)
        if target is not None and (self._toolkit.keeps(target) or owner in self._objects):
            raise UsageError(
                f"{differs}. It has changed since, so nobody knows what it must be now: set it as before, or "
                f"{affects_no_weight(path)} if it decides no weight, or `--resume never` starts from the "
                "beginning"
            )
        if owner not in self._different:  # an object inside, which may be there for something else
            self._different.add(owner)
            print(f"samebits: {printable(differs)}: {printable(owner)} is not restored", file=sys.stderr)

    def _put(
        self,
        entries: list[Any],
        attributes: Attributes,
        tensors: Mapping[str, Stored],
        made: list[Any],
    ) -> None:
        for entry in entries:
            path, attribute = entry["path"], attributes.all.get(entry["path"])
            owner, _, name = path.rpartition(".")
            current = MISSING if attribute is None else attribute.value
            left_out = self._is_left_out(path)
            value = self._values.put(entry["value"], MISSING if left_out else current, tensors, made)
            if not left_out and value is not current:
                put(attributes.owners[owner], name, value)
