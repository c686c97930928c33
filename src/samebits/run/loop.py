"""How a training's loop goes: its epochs and steps, where it resumes, when it is saved, when it stops.

`Run` is for loops of the user's own. This is what it stands on, and what an adapter calls whose loop is a
library's: Keras's `fit`, Lightning's, Hugging Face's.
"""

import contextlib
import itertools
import os
import re
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar
from weakref import WeakValueDictionary

from samebits import _progress
from samebits._printable import printable
from samebits.chance import of_run
from samebits.checkpoint.state import TrainingState
from samebits.errors import UsageError
from samebits.framework import load_unsaved
from samebits.hashing.batches import NONE, batch_digest, chained
from samebits.process.switches import Switch, refuse_undone
from samebits.rng.seeds import derive_seed, seed_step
from samebits.run import evaluation
from samebits.run.first_steps import FirstSteps
from samebits.run.folder import WorkingFolder
from samebits.run.history import History
from samebits.run.metrics import Metrics
from samebits.run.options import Options
from samebits.run.saving import Position, Saving
from samebits.run.signals import SAVED, Interruption, end_if_terminated
from samebits.unsaved.carried import Carried
from samebits.unsaved.lines import some
from samebits.unsaved.report import matching
from samebits.unsaved.watch import Watch

Batch = TypeVar("Batch")
END: Any = object()  # of a loader
AGAIN = "run the same command again to resume"


class Loop:
    """The loop of one run.

    Args:
        settings: as `open_run` takes them.
        options: when to save, what to keep, how to resume.
        seed: the root of every step's seed.
        framework: whose loader an error message names.
        working: the run's folder.
        metrics: what its steps give is collected there.
        switches: what must stay as it is, by name.

    Attributes:
        epoch: the one that runs, counted from 1; 0 before the first.
        step: how many steps have been taken, over all epochs.
        batch: how many of this epoch's batches have been trained on.
        in_step: a step has begun and is not complete.
        within_epochs: every loader so far can begin within an epoch, so the run can stop there.
        counted: whether somebody counts the epochs: `epochs`, `steps` or an adapter.
        left: the run was told to stop, and is saved.
        saving: its checkpoints.
        record: what it records by itself.
        evaluation: watches whether evaluation decides anything; None where nobody promised that it does not.
        unsaved: watches what changes and is in no checkpoint; None before `checkpoint`.
    """

    def __init__(
        self,
        settings: Any,
        options: Options,
        seed: int,
        framework: str,
        working: WorkingFolder,
        metrics: Metrics,
        switches: Mapping[str, Switch],
    ) -> None:
        self.settings, self.seed, self.framework, self.switches = settings, seed, framework, switches
        self.epoch = self.step = self.batch = 0
        self.in_step = self.left = False
        self.within_epochs = True
        self.saving = Saving(options, working, metrics)
        self.record = FirstSteps(working.record, framework)
        self.evaluation: evaluation.Evaluation | None = None
        self.unsaved: Watch | None = None
        self.ignored: set[str] = set()  # names of what decides no weight, as the user says
        self._steps = 0  # of this process
        # The run's own that were made before the first epoch, as long as somebody has them.
        self._loaders: WeakValueDictionary[str, Any] = WeakValueDictionary()
        self._strict = options.strict
        self._metrics = metrics
        self._interruption = Interruption(self._leave_if_saved)
        self._handled = contextlib.ExitStack()
        self._batches, self._batches_seen = NONE, False  # their digest; since the last line of metrics
        self._announced = 0  # the epoch that somebody who counts them has begun
        self._given = 0  # the epoch that `epochs` gave last, in this process
        self._loops = 0  # how often `epochs` was called
        self._stopped_in = 0  # in which of its loops the run stopped
        self._over = False  # `finish` was called
        self._next_epoch = 1
        self._begun = 0  # the epoch whose batches were asked for last
        self._again = False  # a second time
        self._ended = False  # this epoch, and the code after its batches
        self._length: int | None = None  # of this epoch in steps, if that is known
        self._placeable = False  # the loader can begin within an epoch
        self._history: History | None = None  # of loaders that keep their place to themselves
        self._resumed = False  # and no batch was asked for since
        self._stop_at, self._stop_passed = _stop_at(), False

    @property
    def counted(self) -> bool:
        return self._announced > 0

    # ------------------------------------------------------------ before the first epoch

    def checkpoint(self, state: TrainingState, facts: Mapping[str, Any], link: Mapping[str, Any]) -> None:
        """From here on the run can be interrupted: `Saving.checkpoint`, and signals come here."""
        self.saving.checkpoint(state, facts, link)
        self.evaluation = evaluation.watch(self.settings, state)
        self._history = History(state)
        if (resumed := self.saving.resume_from) is not None:
            if self.evaluation is not None:
                self.evaluation.changed += resumed.content["changed_by_evaluation"]
            self.epoch, self.step = resumed.content["epoch"], resumed.content["step"]
            self._next_epoch, batch = self.resumes_at
            self._stopped_in = resumed.content.get("loops", 0)
            self._resumed = True
            self.record.resume(self.step)
            print(f"resumes after step {self.step}, {_where(self._next_epoch, batch)}", flush=True)
        attributes = self.saving.attributes = Carried(load_unsaved(self.framework), state, self.ignored)
        attributes.hold(self._loaders, loaders=True)
        self.unsaved = Watch(
            load_unsaved(self.framework),
            state.objects,
            (self, self.settings, self._metrics, self.saving),
            resumed.content.get("unsaved", ()) if resumed is not None else (),
            self.ignored,
            self._strict,
            attributes,
        )
        if resumed is not None:
            for line in some(self.unsaved.named, within_epochs=self.resumes_at[1] > 0):
                print(f"samebits: {printable(line)}", file=sys.stderr)
        self._handled.enter_context(self._interruption.handled())

    def hold_loader(self, loader: Any, name: str) -> None:
        """A loader of the run's own was made: what its data set and its sampler remember is saved with it."""
        if self._announced:  # in an epoch, which makes it again
            return
        name = f"loader {re.sub('[^a-zA-Z0-9_ -]', '_', name)}"
        number = sum(other.startswith(name) for other in self._loaders)
        self._loaders[f"{name} {number + 1}" if number else name] = loader
        if self.saving.attributes is not None:
            self.saving.attributes.hold(self._loaders, loaders=True)

    @property
    def resumes(self) -> bool:
        """Whether there is something to resume from that is not restored yet."""
        return self.saving.resume_from is not None

    @property
    def resumes_at(self) -> tuple[int, int]:
        """The epoch, counted from 1, and its batch, from 0, where this run resumes; (1, 0) at a beginning."""
        if self.saving.resume_from is None:
            return 1, 0
        epoch, batch = self.saving.resume_from.content["next"]
        return epoch, batch

    def restore(self) -> None:
        """Where there is something to resume from, make everything as it was there.

        That is what is held, the generators, what was seen and logged so far. Code that ran since is undone:
        at the head of an epoch that is resumed in its middle it runs twice, and counts once. So does code
        between two loops over epochs, if the run stopped in the second one.

        Raises:
            UsageError: nothing is held.
        """
        content = self.saving.restore()
        if content is None:
            return
        (_, self.batch), self._ended = content["next"], content["ended"]
        self._batches, self._batches_seen = bytes.fromhex(content["batches"]), content["batches_seen"]
        self._announced = max(self._announced, self._next_epoch - 1)
        if self._ended and self._loops >= self._stopped_in:
            self.saving.resume_from = None

    # ------------------------------------------------------------ epochs

    def epochs(self, number: int) -> Iterator[int]:
        """See `Run.epochs`."""
        self._refuse_if_over()
        if 0 < number <= self._given:
            raise UsageError(
                f"run.epochs({number}): epoch {self._given} was given before: epochs are counted over the "
                f"whole run, so 10 more are `run.epochs({self._given + 10})`"
            )
        self._loops += 1
        self.restore()
        if self._loops < self._stopped_in:  # this loop had ended when the run stopped
            return
        for epoch in range(self._next_epoch, number + 1):
            self.epoch = self._announced = self._given = epoch
            yield epoch
            self.end_epoch(last=epoch == number)

    def begin_epoch(self, number: int, loader: Any) -> Any:
        """An epoch (counted from 1) whose steps are taken elsewhere; returns what is left of the loader."""
        self._announced = number
        self._begin_epoch()
        return self._ordered(self._place(loader))

    def end_epoch(self, last: bool) -> None:
        """An epoch has ended, and all code at its end: the checkpoint that is due is made.

        Args:
            last: no epoch comes after it.
        """
        self._refuse_if_over()
        if self._metrics.collected or (self._batches_seen and not self._again):
            self.log({})
        self.saving.resume_from, self._ended, self._next_epoch = None, True, self._announced + 1
        if self.unsaved is not None:
            self.unsaved.end_epoch(self.epoch)
        if self.saving.attributes is not None:
            self.saving.attributes.begin_epoch(None)
        self.record.end_epoch(self.epoch, self.step)
        self._save_at_epochs_end(last)
        self._stop_if_told()

    def end_of_training(self) -> None:
        """From here on a signal ends the process at once: what is saved can be resumed.

        Raises:
            UsageError: it was called before, or the run resumes and nobody asked for its epochs.
        """
        self._refuse_if_over()
        if self.resumes:
            raise UsageError(
                "run.finish: an interrupted run is here, and it was not resumed: call run.checkpoint(…) and "
                "go through run.epochs(…) first, or `--resume never` starts from the beginning"
            )
        self._handled.close()

    def end(self) -> None:
        """The weights are written: no step, no line and no checkpoint may come."""
        self._over = True

    def _refuse_if_over(self) -> None:
        if self._over:
            raise UsageError("run.finish was called before: it must be the run's last call, after all epochs")

    def close(self) -> None:
        """The run is over, whole or not: what is being written is written."""
        self._handled.close()
        self.saving.close()

    def _begin_epoch(self) -> None:
        """Count, or resume within the epoch in which the run stopped."""
        self._refuse_if_over()
        if self.saving.state is not None and not self._announced:
            raise UsageError(
                "run.checkpoint needs `for epoch in run.epochs(…)`: else a run cannot resume where it was"
            )
        if not self.counted and self._metrics.collected:  # else `end_epoch` did it
            self.log({})
        if not self.counted and self.step:
            self.record.end_epoch(self.epoch, self.step)
        self.epoch = self._announced or self.epoch + 1
        self._again, self._begun = self._begun == self._announced > 0, self._announced
        self.restore()
        if self.saving.resume_from is None:
            self.batch, self._batches = 0, NONE
        self.saving.resume_from, self._ended = None, False
        self._length, self._placeable = None, False

    def _place(self, loader: Any, size: int = 1) -> Any:
        """The loader, or what is left of it in this epoch, in steps of `size` batches."""
        begin_at, first = getattr(loader, "begin_at", None), self.batch * size
        resumed, self._resumed = self._resumed, False
        if self.saving.state is not None and (why := self.saving.state.why_not_resumable(loader)):
            raise UsageError(f"run.batches: {why}")
        plain = isinstance(loader, list | tuple | range)
        if self.unsaved is not None:
            self.unsaved.loader = None if plain else loader  # a list of batches is data
        if self.saving.attributes is not None and not self._again and not self.batch:
            self.saving.attributes.begin_epoch(loader)
        self._placeable = (begin_at is not None or plain) and not self._again
        self.within_epochs &= self._placeable or self._again
        if (length := len(loader) if plain else getattr(loader, "known_length", None)) is not None:
            self._length = -(-length // size)
        if begin_at is not None:
            begin_at(self.epoch - 1, first)
            return loader
        if hasattr(loader, "set_epoch"):
            loader.set_epoch(self.epoch - 1)
        if plain:
            if first and size == 1:
                self._compare_first(loader[:first])
            return itertools.islice(loader, first, None)
        if (first or self.saving.within_epochs) and not self._again:
            raise UsageError(
                f"{type(loader).__name__} cannot begin within an epoch: give samebits.{self.framework}'s "
                "loader, a list, or checkpoints at the ends of epochs only (checkpoint_every=0)"
            )
        if self._history is not None and not self._again:
            self._history.refuse_same(loader, self.epoch)
            if resumed and not hasattr(loader, "set_epoch"):
                self._history.read_again(loader, self.epoch - 1, self._metrics.lines, self.step)
        return loader

    def _ordered(self, placed: Any) -> Any:
        """The loader; or its iterator, if it must begin before its attributes are put back."""
        attributes = self.saving.attributes
        if attributes is not None and attributes.waits:
            placed = iter(placed)
            attributes.placed()
        return placed

    def _compare_first(self, batches: Iterable[Any]) -> None:
        """A list must begin with the batches that the run was trained on before it stopped."""
        digest = NONE
        for batch in batches:
            digest = chained(digest, batch_digest(batch))
        if digest != self._batches:
            raise UsageError(
                f"run.batches: the list's first {self.batch} batches are not those of the run that stopped "
                'here. Shuffle it in `with run.stream("order", epoch):`, so that it is the same when an '
                "epoch is given again. `--resume never` starts from the beginning"
            )

    # ------------------------------------------------------------ steps

    def batches(self, loader: Iterable[Batch]) -> Iterator[Batch]:
        """See `Run.batches`."""
        batches = self._batches_of(loader)
        return batches if self.unsaved is None else self.unsaved.batches(batches)

    def _batches_of(self, loader: Iterable[Batch]) -> Iterator[Batch]:
        self._begin_epoch()
        placed = self._ordered(self._place(loader)) if self.counted else loader
        iterator = iter(_progress.bar(placed, f"epoch {self.epoch}", self._length))
        while (batch := self._fetch(iterator)) is not END:
            # Asked here: a loader that counts for itself does so when it starts.
            epoch = self.epoch - 1 if self.counted else getattr(loader, "epoch", self.epoch - 1)
            self.begin_step(epoch, batch_digest(batch), batch)
            try:
                yield batch
            finally:
                self._set_in_step(False)
            self.end_step()

    def steps(self, loader: Iterable[Batch], size: int = 1) -> Iterator[Batch]:
        """`batches` for a loop that is somebody else's: each iteration is the next epoch.

        Such a loop asks for no batch after an epoch's last one, and does things of its own until it asks for
        the next epoch's first. So a step lasts until the next one is asked for, and what other runs save at
        an epoch's end is saved here when the next one begins.

        Args:
            loader: as for `batches`.
            size: how many batches the loop fetches for a step.

        Raises:
            UsageError: as `batches`.
            SystemExit: the run was told to stop; it is saved.
        """
        self.end_of_steps()
        self._announced = self._next_epoch if self.resumes else self.epoch + 1
        self._begin_epoch()
        iterator = iter(self._ordered(self._place(loader, size)))
        if self.step:
            self.record.end_epoch(self.epoch - 1, self.step)
            if self.unsaved is not None:
                self.unsaved.end_epoch(self.epoch)
        self._save_at_epochs_end()
        while batches := self._fetch_several(iterator, size):
            taken = batches if size > 1 else batches[0]
            self.begin_step(self.epoch - 1, batch_digest(taken), taken)
            yield from batches
            self.end_step()

    def begin_step(self, epoch: int, digest: bytes | None = None, batch: Any = None) -> None:
        """A step of an epoch (counted from 0) begins, on this batch of this digest."""
        self._stop_if_told()
        refuse_undone(self.switches)
        self._set_in_step(True)
        if digest is not None:
            self._see(digest)
        self.saving.begin_step()
        if self.evaluation is not None:
            self.evaluation.begin_step()
        if self.unsaved is not None:
            self.unsaved.begin_step(self.epoch)
        self.record.begin(self.saving.state.objects if self.saving.state is not None else {})
        seed_step(derive_seed(self.seed, "step", epoch, self.batch))
        self.record.begin_step(self.step + 1, batch, digest)

    def end_step(self, digest: bytes | None = None, last: bool | None = None, batch: Any = None) -> None:
        """The step is complete: its state is what a checkpoint may hold.

        Args:
            digest: of its batch, if only known now.
            last: whether the epoch has no more steps; None: as the loader's length says, or the next batch.
            batch: the batch itself, if only known now.
        """
        if digest is not None:
            self._see(digest)
        self._count_step(batch, digest)
        if self.unsaved is not None:
            self.unsaved.end_step(self.epoch)
        if last is None and self._length is not None:
            last = self.batch >= self._length
        if last and self.evaluation is not None:
            self.evaluation.end_of_batches()
        if self.saving.state is None or last or not self._placeable:
            return  # what is due is saved at the epoch's end
        if last is None:
            if self.saving.due or self._told():
                self.saving.take()
        elif self.saving.due:
            self._save()

    def end_of_steps(self) -> None:
        """The last step that `steps` gave is complete; the epoch may not be."""
        if self.in_step:
            self._count_step()

    def average(self, values: Mapping[str, Any]) -> None:
        """See `Run.average`."""
        self._refuse_if_over()
        _refuse_digests_name("average", values)
        self._metrics.collect(values)

    def log(self, values: Mapping[str, Any]) -> None:
        """See `Run.log`."""
        self._refuse_if_over()
        _refuse_digests_name("log", values)
        means = self._metrics.take_means()
        if self.evaluation is not None:
            self.evaluation.logged(means, values)
        line: dict[str, Any] = {"epoch": self.epoch} if self.counted else {}
        line |= {**means, **values}
        if self._batches_seen:
            line["batches"] = self._batches.hex()
            self._batches_seen = False
        line = self._metrics.append(line)
        print("  ".join(f"{n} {_short(v)}" for n, v in line.items() if n != "batches"), flush=True)

    def _fetch_several(self, iterator: Iterator[Batch], number: int) -> list[Batch]:
        fetched = (self._fetch(iterator) for _ in range(number))
        return list(itertools.takewhile(lambda batch: batch is not END, fetched))

    def _fetch(self, iterator: Iterator[Batch]) -> Batch:
        """The next batch, or END. Between two batches is where a run is saved and where it stops.

        After an epoch's last batch nothing is saved and nothing stopped: what belongs to its end comes first.
        """
        if self._placeable and self.batch < (self._length or 0):  # a batch is left
            self._stop_if_told()
        self._interruption.busy = True  # an exception out of the handler would be lost in a fork's hooks
        try:
            batch = next(iterator, END)
        except Exception:  # the signal may have ended data workers, too
            if self._interruption.by is None:
                raise
            if self.batch != self._length:
                self._placeable = False  # nobody knows whether a batch is left
                self._leave()
            batch = END
        self._interruption.busy = self.in_step
        if batch is END and self.evaluation is not None:
            self.evaluation.end_of_batches()
        if batch is not END:
            self.saving.save_taken(self._progress(), self._position())
            self._stop_if_told()
        self.saving.drop_taken()
        return batch

    def _count_step(self, batch: Any = None, digest: bytes | None = None) -> None:
        self._set_in_step(False)
        self.batch, self.step, self._steps = self.batch + 1, self.step + 1, self._steps + 1
        self.record.end_step(self.step, batch, digest)
        of_run.end_step(self._steps)
        self._stop_passed |= self.step == self._stop_at
        self.saving.count(self.step)

    def _set_in_step(self, value: bool) -> None:
        self.in_step = self._interruption.busy = value

    def _see(self, digest: bytes) -> None:
        self._batches, self._batches_seen = chained(self._batches, digest), True

    # ------------------------------------------------------------ saving and stopping

    def _position(self) -> Position:
        """Where the run is resumed if it is saved now."""
        if self._ended:
            return self._next_epoch, 0, True
        return self.epoch, -1 if self._again else self.batch, False  # within a second call, nothing is saved

    def _progress(self) -> dict[str, Any]:
        """What a checkpoint has for `restore` besides the position."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "loops": self._loops,
            "batches": self._batches.hex(),
            "batches_seen": self._batches_seen,
            "unsaved": self.unsaved.named if self.unsaved is not None else [],
            "changed_by_evaluation": [
                name
                for name in (self.evaluation.changed if self.evaluation is not None else ())
                if not matching(name, self.ignored)
            ],
        }

    def _save(self) -> None:
        self.saving.save(self._progress(), self._position())

    def _save_at_epochs_end(self, last: bool = False) -> None:
        """Save if one is due: after each epoch unless `checkpoint_every` counts steps, and after the last."""
        if self.evaluation is not None:
            self.evaluation.end_of_epoch()
        if self.saving.state is not None and self.step and (last or self.saving.due or not self.saving.every):
            self._save()

    def _stop_if_told(self) -> None:
        end_if_terminated()
        if self._told() and (self._ended or not self._again):
            self._leave()

    def _told(self) -> bool:
        stop = self._stop_passed or self.step == self._stop_at
        return self._interruption.by is not None or (self.saving.state is not None and stop)

    def _leave_if_saved(self, number: signal.Signals) -> None:
        """What a signal does outside of steps: an evaluation may be left when nothing is lost by it."""
        if self.step == 0 or self.saving.position == self._position():
            self._leave()

    def _leave(self) -> NoReturn:
        """Save and end the process, with a status that says: the same command resumes the run."""
        if self.step and (self._placeable or self._ended):
            self._save()
        self.saving.wait()
        self.left = True
        why = self._interruption.by.name if self._interruption.by else "SAMEBITS_STOP_AT"
        saved = f"saved after step {self.saving.step}" if self.saving.step > 0 else "nothing to save yet"
        print(f"samebits: {why}: {saved}; {AGAIN}", file=sys.stderr)
        raise SystemExit(SAVED)


def _where(epoch: int, batch: int) -> str:
    """Where a run resumes, in words."""
    if batch == 0:
        return f"after epoch {epoch - 1}"
    return (
        f"in epoch {epoch}: sums of your own cover its steps from {batch + 1} on; run.state.seen += n in "
        "place of seen += n covers all"
    )


def _refuse_digests_name(function: str, values: Mapping[str, Any]) -> None:
    if "batches" in values:
        raise UsageError(f"run.{function}: batches is the digest of the epoch's batches: use another name")


def _stop_at() -> int:
    """SAMEBITS_STOP_AT: after which step to stop as if SIGTERM had come; -1 for none. For tests."""
    text = os.environ.get("SAMEBITS_STOP_AT", "-1")
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"SAMEBITS_STOP_AT is {text!r}: give a number of steps") from None


def _short(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
