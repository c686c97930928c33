"""A run is a folder: what ran, what it measured, which weights it made. Complete, or not there at all."""

import contextlib
import datetime
import itertools
import json
import math
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn, TypeVar

from samebits import __version__, _extras, _progress
from samebits._excepthook import explain_uncaught
from samebits._files import sha256_file, shown, write_whole
from samebits._formats import FORMAT
from samebits._printable import printable
from samebits.checkpoint.files import Checkpoint
from samebits.checkpoint.state import VALUES, RunState, TrainingState
from samebits.checkpoint.writer import Saver
from samebits.errors import SamebitsError, UsageError
from samebits.fingerprint import golden, locked
from samebits.fingerprint.code_state import Code
from samebits.fingerprint.facts import fingerprint, flatten
from samebits.framework import Framework, load_state, load_toolkit
from samebits.hashing.batches import NONE, batch_digest, chained
from samebits.hashing.weights import Tensor
from samebits.process import check, command_line, started
from samebits.process.switches import Switch, refuse_undone
from samebits.process.variables import find_root
from samebits.rng.isolation import stream
from samebits.rng.seeds import checked, derive_seed, seed_step
from samebits.run import evaluation, plots, resume
from samebits.run.folder import WorkingFolder, choose_folder
from samebits.run.metrics import Metrics
from samebits.run.settings import accepted, as_json, deciding
from samebits.run.signals import SAVED, Interruption, end_if_terminated

Batch = TypeVar("Batch")
END: Any = object()  # of a loader
AGAIN = "run the same command again to resume"


@contextlib.contextmanager
def open_run(
    settings: Any, *, framework: str, device: str = "cpu", folder: str | os.PathLike[str] | None = None
) -> "Iterator[Run]":
    """Check the process, switch deterministic kernels on, and collect a run's files beside their folder.

    `finish` puts them in place. A switch that is undone later is found when the next step begins.

    A run that calls `checkpoint` can be interrupted anywhere: the same command resumes it where it was.

    Args:
        settings: a dataclass's instance (see `samebits.option`), an `argparse.Namespace` or a dict, with a
            `seed` and with plain values, which the manifest keeps as they are now. Read besides, where there
            are such fields: `run`, the folder; `checkpoint_every`, steps between checkpoints (0: each
            epoch's end); `keep_checkpoints`, how many of the newest are kept (2); `keep_steps`, the steps
            whose checkpoints are made and kept besides; `resume`, "auto", "previous", "never" or "force".
        framework: "torch" or "keras".
        device: the kind of device that trains, "cpu" or "cuda".
        folder: where the run goes. SAMEBITS_RUN_FOLDER (set by `samebits smoke`) comes before it, then
            `settings.run`; without any of them it is runs/ and the settings that are not at their default.

    Raises:
        UsageError: the process was not started with the variables that decide bits, the settings have no seed
            or a value that JSON cannot hold, the framework is not installed, the folder cannot be written,
            is used by another process or holds something else, an operation has no deterministic kernel, a
            switch was undone, or what an interrupted run left is damaged or was made otherwise.
    """
    explain_uncaught(_own_line, alone=True)
    check.this_process(strict=True)
    locked.warn_once()
    settings, toolkit = accepted(settings), load_toolkit(framework)
    switches = toolkit.switch_on()
    wanted = resume.mode(settings)
    golden.read(find_root() / "golden.toml")  # `finish` will read it: damage is named before the training
    working = WorkingFolder(choose_folder(settings, framework, folder))
    run: Run | None = None
    try:  # from here on, whatever ends the process leaves nothing behind but whole checkpoints
        run = Run(settings, framework, device, working, toolkit)
        run.switches = switches
        run.found = resume.find_checkpoint(working, wanted)
        print(f"{framework} on {device}, seed {run.seed}", flush=True)
        yield run
        if not run.finished:
            raise UsageError("the run ended without `run.finish(model)`: there are no weights to keep")
    except SamebitsError as error:
        if run is not None and (kept := run.close()):
            error.args = (f"{error}; {kept}",)
        raise
    except Exception as error:
        reason = toolkit.explain(error)  # an operation without a deterministic kernel is told by name
        if reason is None:
            raise
        kept = run.close() if run is not None else None
        raise UsageError("; ".join(filter(None, (reason, kept)))) from error
    finally:
        if run is None:
            working.leave()
        elif kept := run.close():
            print(f"samebits: {kept}", file=sys.stderr)


class Run:
    """An open run. Made by `open_run`.

    Attributes:
        epoch: the one that runs, counted from 1; 0 before the first.
        step: how many steps have been taken, over all epochs.
        state: values of your own that checkpoints hold, such as sums over an epoch: `run.state.seen = 0`,
            `run.state.seen += len(batch)`. What `samebits.checkpoint.state.RunState` says of them.
    """

    def __init__(
        self, settings: Any, framework: str, device: str, working: WorkingFolder, toolkit: Framework
    ) -> None:
        self.settings, self.framework, self.device = settings, framework, device
        self.working, self.folder = working, working.folder
        self.seed = checked(settings.seed)
        self._settings, self._deciding = as_json(settings), deciding(settings)  # as they are now
        self.switches: dict[str, Switch] = {}  # what must stay as it is
        self.finished = False
        self.epoch = self.step = 0
        self.state = RunState()
        self.found: Checkpoint | None = None  # what to resume from, until all of it is restored
        self.interruption = Interruption(self._leave_if_saved)
        self._toolkit = toolkit
        self._code = Code()
        self._started = datetime.datetime.now(datetime.UTC)
        self._metrics = Metrics(working.metrics, working.folder)
        self._collected: dict[str, list[Any]] = {}  # of this epoch's steps
        self._batch = 0  # of this epoch's batches, those that have been trained on
        self._batches = NONE
        self._batches_seen = False  # since the last line of metrics
        self._training_state: TrainingState | None = None
        self._evaluation: evaluation.Evaluation | None = None
        self._chain: list[dict[str, Any]] = []
        self._announced = 0  # by `epochs`
        self._next_epoch = 1  # that `epochs` gives
        self._begun = 0  # the epoch whose batches were asked for last
        self._again = False  # a second time
        self._cleanup = contextlib.ExitStack()
        self._every = getattr(settings, "checkpoint_every", 0)
        self._keep_steps = frozenset(getattr(settings, "keep_steps", ()))
        self._stop_at, self._stop_passed = _stop_at(), False
        self._saved_step = -1
        self._saved_at: tuple[int, int, bool] | None = None  # the position there
        self._taken: tuple[dict[str, Any], dict[str, Tensor]] | None = None  # saved if a batch is left
        self._due = False  # a checkpoint is, since a step
        self._ended = False  # this epoch, and the code after its batches
        self._length: int | None = None  # of this epoch in steps, if that is known
        self._placeable = False  # the loader can begin within an epoch
        self._left = self._closed = False
        self._known: dict[str, Any] | None = None
        keep = getattr(settings, "keep_checkpoints", 2)
        self.saver = Saver(working.checkpoints, keep, self._keep_steps, working.metrics)

    def stream(self, *path: str | int) -> contextlib.AbstractContextManager[None]:
        """Inside the block all generators run a stream of their own, derived from the seed and `path`."""
        return stream(self.seed, *path)

    def checkpoint(self, **objects: Any) -> None:
        """Name everything that decides how the training continues: checkpoints hold it, and give it back.

        >>> run.checkpoint(model=model, optimizer=optimizer, schedule=schedule, scaler=scaler)

        Models, optimisers, schedules, generators, and whatever has `state_dict` and `load_state_dict`. The
        loader that `batches` reads, the global generators on every device and `run.state` are held already.
        When an interrupted run is resumed, the objects get their state back in `epochs`, before it gives the
        first epoch; within an epoch, once more in `batches`, as the code at the epoch's head has run again.

        Raises:
            UsageError: something gives no state, or lacks what it changes; or the run resumes from a
                checkpoint that another model or an environment made that differs from this one.
        """
        if self._training_state is not None:
            raise UsageError(
                "run.checkpoint was called before: name everything in one call, before the first batch"
            )
        self._training_state = TrainingState({**objects, VALUES: self.state}, load_state(self.framework))
        self._evaluation = evaluation.watch(self.settings, self._training_state)
        now = self._facts()
        forced: list[str] = []
        if self.found is not None:
            forced = resume.refuse_or_note(self.found, now, resume.mode(self.settings))
            self._training_state.check(self.found.content["state"], self.found.tensors)
            self._chain = list(self.found.content["chain"])
            self.epoch, self.step = self.found.content["epoch"], self.found.content["step"]
            self._next_epoch, batch = self.resumes_at
            for line in forced:
                print(f"samebits: resumes although {printable(line)}", file=sys.stderr)
            print(f"resumes after step {self.step}, {_where(self._next_epoch, batch)}", flush=True)
        self._cleanup.enter_context(self.interruption.handled())
        self._chain.append(
            {
                "from_step": self.step,
                "started": self._started.isoformat(timespec="seconds"),
                "code": self._code.facts(),
                "device": self.device,
                "cpu": now["fingerprint"].get("cpu.model"),
                "forced": forced,
            }
        )

    @property
    def resumes_at(self) -> tuple[int, int]:
        """The epoch, counted from 1, and its batch, from 0, where this run resumes; (1, 0) at a beginning."""
        if self.found is None:
            return 1, 0
        epoch, batch = self.found.content["next"]
        return epoch, batch

    def epochs(self, number: int) -> Iterator[int]:
        """The epochs from 1 to `number`; in a run that is resumed, from the one in which it stopped.

        An epoch's checkpoint is made when the next epoch is asked for, so after all code of yours at the
        epoch's end, and after the last epoch before this ends. It is restored here before the next epoch is
        given. A loop that is left by `break` repeats its last epoch when the run is killed before `finish`.

        Raises:
            UsageError: the run resumes and holds nothing.
            SystemExit: the run was told to stop; it is saved.
        """
        self.restore()
        for epoch in range(self._next_epoch, number + 1):
            self._announced = epoch
            yield epoch
            self.end_epoch(last=epoch == number)

    def batches(self, loader: Iterable[Batch]) -> Iterator[Batch]:
        """One epoch of a loader, shown as progress and hashed.

        Every step gets generators seeded by (seed, epoch, step): what happened between steps, be it an
        evaluation or somebody's stray draw, cannot move the model's dropout. A run that is resumed begins
        with the batch at which it stopped.

        An epoch's first call is the training's. A checkpoint within the epoch is made in it only: what a
        second call gives is given again, from its beginning, when the run is resumed.

        Raises:
            UsageError: the run holds something and does not count its epochs by `epochs`, or the loader
                cannot begin within an epoch.
            SystemExit: the run was told to stop; it is saved.
        """
        self._begin_epoch()
        counted = self._announced > 0
        placed = self._place(loader) if counted else loader
        iterator = iter(_progress.bar(placed, f"epoch {self.epoch}"))
        while (batch := self._fetch(iterator)) is not END:
            # Asked here: a loader that counts for itself does so when it starts.
            epoch = self.epoch - 1 if counted else getattr(loader, "epoch", self.epoch - 1)
            self.begin_step(epoch, batch_digest(batch))
            try:
                yield batch
            finally:
                self.interruption.busy = False
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
        self._announced = self._next_epoch if self.found is not None else self.epoch + 1
        self._begin_epoch()
        iterator = iter(self._place(loader, size))
        if self._training_state is not None and self.step and (self._due or not self._every):
            self._save()
        while batches := self._fetch_several(iterator, size):
            self.begin_step(self.epoch - 1, batch_digest(batches if size > 1 else batches[0]))
            yield from batches
            self.end_step()

    def _fetch_several(self, iterator: Iterator[Batch], number: int) -> list[Batch]:
        fetched = (self._fetch(iterator) for _ in range(number))
        return list(itertools.takewhile(lambda batch: batch is not END, fetched))

    def _fetch(self, iterator: Iterator[Batch]) -> Batch:
        """The next batch, or END. A signal that comes meanwhile ends the run before the batch is used.

        After an epoch's last batch nothing is saved and nothing stopped: what belongs to its end comes first.
        """
        if self._placeable and self._batch < (self._length or 0):  # a batch is left
            self._stop_if_told()
        self.interruption.busy = True  # an exception out of the handler would be lost in a fork's hooks
        try:
            batch = next(iterator, END)
        except Exception:  # the signal may have ended data workers, too
            if self.interruption.by is None:
                raise
            if self._batch != self._length:
                self._placeable = False  # nobody knows whether a batch is left
                self._leave()
            batch = END
        self.interruption.busy = False
        if batch is END and self._evaluation is not None:
            self._evaluation.end_of_batches()
        if batch is not END:
            if self._taken is not None:
                self._save()
            self._stop_if_told()
        self._taken = None
        return batch

    def _begin_epoch(self) -> None:
        """Count, or resume within the epoch in which the run stopped."""
        if self._training_state is not None and not self._announced:
            raise UsageError(
                "run.checkpoint needs `for epoch in run.epochs(…)`: else a run cannot go on where it was"
            )
        self.epoch = self._announced or self.epoch + 1
        self._again, self._begun = self._begun == self._announced > 0, self._announced
        self.restore()
        if self.found is None:
            self._collected, self._batch, self._batches = {}, 0, NONE
        self.found, self._ended = None, False
        self._length, self._placeable = None, False

    def restore(self) -> None:
        """Where there is something to resume from, make everything as it was there.

        That is what is held, the generators, what was seen and logged so far. Code that ran since is undone:
        at the head of an epoch that is resumed in its middle it runs twice, and counts once.

        Raises:
            UsageError: nothing is held.
        """
        if self.found is None:
            return
        if self._training_state is None:
            raise UsageError(
                f"{shown(self.working.path)} holds an interrupted run, and this one holds nothing: call "
                "run.checkpoint(…) first, or --resume never begins anew"
            )
        content = self.found.content
        self._training_state.restore(content["state"], self.found.tensors)
        (_, self._batch), self._ended = content["next"], content["ended"]
        self._batches, self._batches_seen = bytes.fromhex(content["batches"]), content["batches_seen"]
        self._collected = content["collected"]
        self._saved_step, self._saved_at = self.step, (*content["next"], self._ended)
        self._metrics.go_back(content["metrics"])
        if self._ended:
            self.found = None

    def _place(self, loader: Any, size: int = 1) -> Any:
        """The loader, or what is left of it in this epoch, in steps of `size` batches."""
        begin_at, first = getattr(loader, "begin_at", None), self._batch * size
        if self._training_state is not None and (why := self._training_state.why_not_resumable(loader)):
            raise UsageError(f"run.batches: {why}")
        plain = isinstance(loader, list | tuple | range)
        self._placeable = (begin_at is not None or plain) and not self._again
        if (length := len(loader) if plain else getattr(loader, "known_length", None)) is not None:
            self._length = -(-length // size)
        if begin_at is not None:
            begin_at(self.epoch - 1, first)
            return loader
        if hasattr(loader, "set_epoch"):
            loader.set_epoch(self.epoch - 1)
        if plain:
            return itertools.islice(loader, first, None)
        if (first or self._every or self._keep_steps) and not self._again:
            raise UsageError(
                f"{type(loader).__name__} cannot begin within an epoch: give samebits.{self.framework}'s "
                "loader, a list, or checkpoints at the ends of epochs only (checkpoint_every=0)"
            )
        return loader

    def begin_epoch(self, number: int, loader: Any) -> Any:
        """An epoch (counted from 1) whose steps are taken elsewhere; returns what is left of the loader."""
        self._announced = number
        self._begin_epoch()
        return self._place(loader)

    def begin_step(self, epoch: int, digest: bytes | None = None) -> None:
        """A step of an epoch (counted from 0) begins, on a batch of this digest. `batches` calls it."""
        self._stop_if_told()
        refuse_undone(self.switches)
        self.interruption.busy = True
        if digest is not None:
            self._see(digest)
        if self._training_state is not None:
            self._training_state.begin_step()
        if self._evaluation is not None:
            self._evaluation.begin_step()
        seed_step(derive_seed(self.seed, "step", epoch, self._batch))

    def end_step(self, digest: bytes | None = None, last: bool | None = None) -> None:
        """The step is complete: its state is what a checkpoint may hold.

        Args:
            digest: of its batch, if only known now.
            last: whether the epoch has no more steps; None: as the loader's length says, or the next batch.
        """
        if digest is not None:
            self._see(digest)
        self._count_step()
        if last is None and self._length is not None:
            last = self._batch >= self._length
        if last and self._evaluation is not None:
            self._evaluation.end_of_batches()
        if self._training_state is None or last or not self._placeable:
            return  # what is due is saved at the epoch's end
        if last is None:
            if self._due or self._told():
                self._taken = self._capture()
        elif self._due:
            self._save()

    def end_of_steps(self) -> None:
        """The last step that `steps` gave is complete, the epoch may not be: `log` now adds its line."""
        if self.interruption.busy:
            self._count_step()

    def _count_step(self) -> None:
        self.interruption.busy = False
        self._batch, self.step = self._batch + 1, self.step + 1
        self._stop_passed |= self.step == self._stop_at
        self._due |= self.step in self._keep_steps or bool(self._every and self.step % self._every == 0)

    def _see(self, digest: bytes) -> None:
        self._batches, self._batches_seen = chained(self._batches, digest), True

    def end_epoch(self, last: bool) -> None:
        """An epoch has ended, and all code at its end: the checkpoint that is due is made. `epochs` calls it.

        Args:
            last: no epoch comes after it.
        """
        self.found, self._ended, self._next_epoch = None, True, self._announced + 1
        if self._training_state is not None and self.step and (last or self._due or not self._every):
            self._save()
        self._stop_if_told()

    def end_of_training(self) -> None:
        """From here on a signal ends the process at once: what is saved can be resumed."""
        self._cleanup.close()

    def _stop_if_told(self) -> None:
        end_if_terminated()
        if self._told() and (self._ended or not self._again):
            self._leave()

    def _told(self) -> bool:
        stop = self._stop_passed or self.step == self._stop_at
        return self.interruption.by is not None or (self._training_state is not None and stop)

    def _leave_if_saved(self, number: signal.Signals) -> None:
        """What a signal does outside of steps: an evaluation may be left when nothing is lost by it."""
        if self.step == 0 or self._saved_at == self._position():
            self._leave()

    def _leave(self) -> NoReturn:
        """Save and end the process, with a status that says: the same command resumes the run."""
        if self.step and (self._placeable or self._ended):
            self._save()
        self.saver.wait()
        self._left = True
        why = self.interruption.by.name if self.interruption.by else "SAMEBITS_STOP_AT"
        saved = f"saved after step {self._saved_step}" if self._saved_step > 0 else "nothing to save yet"
        print(f"samebits: {why}: {saved}; {AGAIN}", file=sys.stderr)
        raise SystemExit(SAVED)

    def _position(self) -> tuple[int, int, bool]:
        """The epoch and the batch that come next, and whether code at that epoch's head comes before."""
        if self._ended:
            return self._next_epoch, 0, True
        return self.epoch, -1 if self._again else self._batch, False  # within a second call, nothing is saved

    def _save(self) -> None:
        self._due = False
        if self._position() == self._saved_at:
            return
        state, tensors = self._taken or self._capture()
        *at, ended = self._saved_at = self._position()
        content = {
            **self._facts(),
            "run": self.working.run,
            "chain": self._chain,
            "epoch": self.epoch,
            "next": at,
            "ended": ended,
            "batches": self._batches.hex(),
            "batches_seen": self._batches_seen,
            "collected": {name: list(map(float, values)) for name, values in self._collected.items()},
            "metrics": self._metrics.place(),
            "state": state,
        }
        self.saver.save(self.step, content, tensors)
        self._saved_step, self._taken = self.step, None

    def _capture(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """A copy of what is held now."""
        assert self._training_state is not None
        self.saver.wait()  # what is being written are the copies that are made next
        return self._training_state.capture()

    def _facts(self) -> dict[str, Any]:
        """What must be the same when the run resumes elsewhere."""
        if self._known is None:
            facts = dict(flatten(fingerprint(self.framework, self.device)))
            self._known = {
                "samebits": __version__,
                "framework": self.framework,
                "device": self.device,
                "settings": self._deciding,
                "fingerprint": facts,
            }
        return self._known

    def close(self) -> str | None:
        """Let go of the folder; an interrupted run's checkpoints stay in it.

        Returns:
            Where a training that failed can be resumed, in words: to be printed once.
        """
        if self._closed:
            return None
        self._closed = True
        self._cleanup.close()
        self.saver.close()
        kept = not self.finished and self.working.leave()
        if not kept or not self._announced or self._left:
            return None
        return f"{shown(self.working.path)} is kept: {AGAIN}"

    def log(self, **values: Any) -> None:
        """Within a step, collect values for the epoch's line; else add the line to metrics.jsonl.

        The line has the epoch, the means of what the epoch's steps gave, `values`, and the digest of the
        batches that were seen since the line before.

        >>> for images, labels in run.batches(loader):
        ...     run.log(loss=step(images, labels))
        >>> run.log(val_accuracy=evaluate(model))

        Args:
            values: numbers; within a step also tensors of one element, which are read at the epoch's end.
        """
        if self.interruption.busy:
            for name, value in values.items():
                value = value.detach() if hasattr(value, "detach") else value
                self._collected.setdefault(name, []).append(value)
            return
        line: dict[str, Any] = {"epoch": self.epoch} if self._announced else {}
        line |= {name: math.fsum(map(float, all_)) / len(all_) for name, all_ in self._collected.items()}
        if self._evaluation is not None:
            self._evaluation.logged({name: line[name] for name in self._collected}, values)
        line |= values
        self._collected = {}
        if self._batches_seen:
            line.setdefault("batches", self._batches.hex())
            self._batches_seen = False
        self._metrics.append(line)
        print("  ".join(f"{n} {_short(v)}" for n, v in line.items() if n != "batches"), flush=True)

    def finish(self, model: Any) -> str:
        """Write the weights, close the manifest, put the folder in place, compare with the golden hash.

        Returns:
            The weights' hash, which is `sha256sum weights.safetensors`.

        Raises:
            UsageError: the model has no weights, or something cannot be written.
        """
        self.end_of_training()
        self.saver.wait()
        if self._evaluation is not None:
            self._evaluation.look()
        folder = self.working.path
        weights = self._toolkit.save_weights(model, folder / "weights.safetensors")
        if not self._metrics.lines:
            write_whole(self.working.metrics, "")
        elif without := _extras.missing("matplotlib"):
            print(f"samebits: no curves.png: {without}", file=sys.stderr)
        else:
            write_whole(folder / "curves.png", plots.draw(self._metrics.lines))
        facts = fingerprint(self.framework, self.device)
        manifest = {
            "format": FORMAT,
            "framework": self.framework,
            "device": self.device,
            "profile": started.profile(),
            "command": command_line.recorded(),
            "working_folder": command_line.working_folder(),
            "threads": os.environ.get("SAMEBITS_THREADS", "1"),
            "seed": self.seed,
            "settings": self._settings,
            "deciding_settings": self._deciding,
            "started": self._started.isoformat(timespec="seconds"),
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "code": self._code.facts(),
            "replaced": started.replaced(),
            "allowed": started.allowed(),
            "evaluation_decides": self._evaluation.found if self._evaluation is not None else [],
            "fingerprint": facts,
            "metrics": self._metrics.lines[-1] if self._metrics.lines else {},
            "metrics_sha256": sha256_file(self.working.metrics),
            "steps": self.step,
            "chain": self._chain,
            "weights_sha256": weights,
        }
        verdict = golden.compare(manifest, folder=self.folder)
        manifest["golden"] = verdict.partition("\n")[0]  # the rest says what to type
        write_whole(folder / "manifest.json", json.dumps(manifest, indent=2) + "\n")
        former = self.working.put_in_place(weights)
        self.finished = True
        print(f"sha256 {weights}  {shown(self.folder / 'weights.safetensors')}")
        for line in (former, verdict):
            if line:
                print(printable(line))
        return weights


def _own_line(error: BaseException) -> str | None:
    """What a script without `samebits.main` prints for an error of ours that is about no line of its code."""
    return str(error) if isinstance(error, SamebitsError) and error.__cause__ is None else None


def _where(epoch: int, batch: int) -> str:
    """Where a run resumes, in words."""
    if batch == 0:
        return f"after epoch {epoch - 1}"
    return (
        f"in epoch {epoch}: sums of your own cover its steps from {batch + 1} on; run.state.seen += n in "
        "place of seen += n covers all"
    )


def _stop_at() -> int:
    """SAMEBITS_STOP_AT: after which step to stop as if SIGTERM had come; -1 for none. For tests."""
    text = os.environ.get("SAMEBITS_STOP_AT", "-1")
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"SAMEBITS_STOP_AT is {text!r}: give a number of steps") from None


def _short(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
