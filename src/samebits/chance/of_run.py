"""What a run says of the chance in it: in its manifest, in some lines at its end, or by a refusal."""

import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from samebits._printable import printable, some
from samebits.chance import before_seed, files, not_seen, random_names, records, sets, torch_beginning
from samebits.chance.begin import FOLDER as FOLDER_OF_CHILDREN
from samebits.chance.begin import begin, finish, write_to
from samebits.chance.records import RECORDS, Source
from samebits.errors import CheckFailed
from samebits.process import command_line

FOLDER = ".chance"  # in the run's working folder: what its processes write, and those before an interruption
SHOWN = 4  # lines at most
STEPS = 8  # of a process, after which what this replaced of Python itself is as it was


class Chance:
    """The chance that a run's processes use.

    Args:
        strict: refuse what is named in the user's own code.
    """

    def __init__(self, strict: bool) -> None:
        self._folder, self._strict = "", strict
        begin()
        sets.watch()
        before_seed.look()

    def open(self, working: Path) -> None:
        """From now on they write into the run's working folder."""
        self._folder = str(working / FOLDER)
        write_to(self._folder)
        os.environ[FOLDER_OF_CHILDREN] = self._folder
        if "torch" in sys.modules:
            torch_beginning.watch()

    def named(self) -> list[dict[str, Any]]:
        """What the manifest has as `chance`."""
        return records.as_json(self._counts())

    def not_looked_at(self) -> dict[str, Any]:
        """What the manifest has as `chance_not_looked_at`: in words, with the command that looks at it."""
        before_seed.tell()
        command = shlex.join(["samebits", "watch", "--", *command_line.recorded()])
        return {"what": list(not_seen.lines), "command": command} if not_seen.lines else {}

    def refuse(self) -> None:
        """The generators have seeds now. Where the run is strict, refuse chance in the user's own code.

        Raises:
            CheckFailed: names it.
        """
        before_seed.end()
        if self._strict and (own := self._own()):
            raise CheckFailed(
                f"chance that no seed decides: {some([_line(source) for source in own], 2, '; ')} (--strict)"
            )

    def warn(self) -> None:
        """A line for each source in the user's own code, on stderr, and the folder is gone."""
        own = self._own()
        for source in own[:SHOWN]:
            print(printable(f"samebits: chance that no seed decides: {_line(source)}"), file=sys.stderr)
        if len(own) > SHOWN:
            print(f"samebits: {len(own) - SHOWN} more: the manifest has them as `chance`", file=sys.stderr)

    def clear(self) -> None:
        """Delete what the processes wrote: it is in the manifest."""
        os.environ.pop(FOLDER_OF_CHILDREN, None)
        RECORDS.leave(self._folder)
        with contextlib.suppress(OSError):
            shutil.rmtree(self._folder)

    def leave(self) -> None:
        """The run has ended, or is interrupted: then the next process reads what this one wrote."""
        torch_beginning.leave()
        before_seed.end()
        finish()
        os.environ.pop(FOLDER_OF_CHILDREN, None)
        RECORDS.leave(self._folder)

    def _counts(self) -> dict[Source, int]:
        finish()
        return random_names.judged(files.judged(RECORDS.collected(self._folder)))

    def _own(self) -> list[Source]:
        return [source for source, _ in records.in_order(self._counts()) if source.yours and source.certain]


def end_step(number: int) -> None:
    """A process has taken so many steps of the training."""
    if number == STEPS and "SAMEBITS_WATCH" not in os.environ:
        sets.leave(f"the order of sets, after the first {STEPS} steps")


def lines_of(manifests: Iterable[Mapping[str, Any]], kinds: Collection[str] = ()) -> tuple[str, ...]:
    """A line for each source that any of the runs' manifests names, once.

    Args:
        manifests: of the runs.
        kinds: the only ones; none: all.
    """
    rows = (row for manifest in manifests for row in manifest.get("chance", ()))
    rows = (row for row in rows if not kinds or row.get("kind") in kinds)
    return tuple(dict.fromkeys(_in_words(row["source"], row["where"], row["fix"]) for row in rows))


def _line(source: Source) -> str:
    return _in_words(source.source, source.where, source.fix)


def _in_words(source: str, where: str, fix: str) -> str:
    return f"{source} ({where}): {fix}" if where else f"{source}: {fix}"
