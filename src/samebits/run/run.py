"""A run is a folder: what ran, what it measured, which weights it made. Complete, or not there at all."""

import contextlib
import datetime
import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any, TypeVar

from samebits import __version__, _extras
from samebits._excepthook import explain_uncaught
from samebits._files import sha256_file, shown, write_whole
from samebits._formats import FORMAT
from samebits._printable import printable
from samebits.chance.begin import begin
from samebits.chance.of_run import Chance
from samebits.checkpoint.state import VALUES, RunState, TrainingState
from samebits.errors import SamebitsError, UsageError
from samebits.fingerprint import golden, locked
from samebits.fingerprint.code_state import Code, place_of
from samebits.fingerprint.facts import fingerprint, flatten
from samebits.framework import Framework, load_state, load_toolkit
from samebits.hashing.compare import holding_nan, not_numbers
from samebits.process import check, command_line, several, started
from samebits.process.switches import Switch
from samebits.process.variables import find_root
from samebits.rng.isolation import stream
from samebits.rng.seeds import checked, seed_everything
from samebits.run import plots
from samebits.run.evaluation import promised
from samebits.run.folder import WorkingFolder, choose_folder
from samebits.run.loop import AGAIN, Loop
from samebits.run.metrics import Metrics
from samebits.run.options import Options, RunSettings, checked_device, options, wanted_device
from samebits.run.resume import mode
from samebits.run.settings import accepted, as_json, deciding

Batch = TypeVar("Batch")

begin()  # with the import: what the user's own modules make at their head counts


@contextlib.contextmanager
def open_run(
    settings: Any,
    *,
    framework: str,
    device: str = "cpu",
    folder: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    keep_checkpoints: int | None = None,
    keep_steps: Collection[int] = (),
    resume: str | None = None,
    strict: bool | None = None,
) -> "Iterator[Any]":
    """Check the process, switch deterministic kernels on, and collect a run's files beside their folder.

    `finish` puts them in place. A switch that is undone later is found when the next step begins.

    A run that calls `checkpoint` can be interrupted anywhere: the same command resumes it where it was.

    `samebits.torch.open_run` and `samebits.keras.open_run` are this for one framework, and shorter.

    Args:
        settings: an instance of a dataclass, best of one that inherits from `samebits.RunSettings`, which
            has what is below as options of the command line; or an `argparse.Namespace`, or a dict. With a
            `seed` and with plain values, which the manifest keeps as they are now.
        framework: "torch" or "keras".
        device: what trains, "cpu" or "cuda"; "auto" takes a GPU where there is one.
        folder: where the run goes; None: runs/ and the settings that are not at their default.
            SAMEBITS_RUN_FOLDER (set by `samebits smoke`) comes first.
        checkpoint_every: steps between checkpoints; 0, the default: at each epoch's end.
        keep_checkpoints: how many of the newest are kept, by default 2.
        keep_steps: the steps whose checkpoints are made and kept besides.
        resume: "auto" (the default), "previous", "never" or "force"; docs/resume.md. SAMEBITS_RESUME comes
            first.
        strict: refuse the run if something changes that no checkpoint holds and that may decide the weights,
            or if the user's own code takes chance that no seed decides; by default the run only says so.
            SAMEBITS_STRICT=1 does so, too. docs/resume.md.

    Returns:
        A context manager; inside, the open `Run`, of the framework's own class.

    Raises:
        UsageError: the process was not started with the variables that decide bits, the settings have no seed
            or a value that JSON cannot hold, this process is one of several that train together, an argument
            is of another type, the framework is not installed, the folder cannot be written, is used by
            another process or holds something else or the run of another script, an operation has no
            deterministic kernel, a switch was undone, or what an interrupted run left is damaged or was made
            in another way.
    """
    explain_uncaught(_own_line, alone=True)
    check.this_process(strict=True)
    locked.warn_once()
    settings, toolkit = accepted(settings), load_toolkit(framework)
    several.refuse(toolkit.processes())
    told = options(
        settings,
        folder=folder,
        checkpoint_every=checkpoint_every,
        keep_checkpoints=keep_checkpoints,
        keep_steps=keep_steps,
        resume=resume,
        strict=strict,
    )
    mode(told.resume)  # a wrong one is named before anything is touched
    device = toolkit.choose_device(checked_device(device))
    switches = toolkit.switch_on()
    golden.read(find_root() / "golden.toml")  # `finish` will read it: damage is named before the training
    working = WorkingFolder(choose_folder(settings, framework, told.folder))
    run: Run | None = None
    try:  # from here on, whatever ends the process leaves nothing behind but whole checkpoints
        run = toolkit.Run(settings, told, framework, device, working, toolkit, switches)
        run.loop.saving.find()
        run.chance.open(working.path)
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
        place = place_of(error)
        raise UsageError(
            "; ".join(filter(None, (f"{reason} ({place})" if place else reason, kept)))
        ) from error
    finally:
        if run is None:
            working.leave()
        elif kept := run.close():
            print(f"samebits: {kept}", file=sys.stderr)


@contextlib.contextmanager
def open_seeded(framework: str, settings: Any, device: str | None, **options: Any) -> "Iterator[Any]":
    """`open_run` on the device that the settings want, with every global generator seeded."""
    with open_run(settings, framework=framework, device=device or wanted_device(settings), **options) as run:
        seed_everything(run.seed)
        yield run


class Run:
    """An open run, for a training loop of your own. Made by `open_run`.

    Attributes:
        epoch: the one that runs, counted from 1; 0 before the first.
        step: how many steps have been taken, over all epochs.
        state: values of your own that checkpoints hold, such as sums over an epoch: `run.state.seen = 0`,
            `run.state.seen += len(batch)`. What `samebits.checkpoint.state.RunState` says of them.
        loop: what an adapter uses whose loop is a library's.
        chance: what its processes draw that no seed decides.
    """

    def __init__(
        self,
        settings: Any,
        told: Options,
        framework: str,
        device: str,
        working: WorkingFolder,
        toolkit: Framework,
        switches: Mapping[str, Switch],
    ) -> None:
        self.settings, self.framework, self.device = settings, framework, device
        self.working, self.folder = working, working.folder
        self.seed = checked(settings.seed)
        self.state = RunState()
        self.finished = False
        self._settings, self._deciding = as_json(settings), deciding(settings)  # as they are now
        self._toolkit = toolkit
        self._code = Code()
        self._started = datetime.datetime.now(datetime.UTC)
        self._metrics = Metrics(working.metrics, working.folder)
        self.chance = Chance(told.strict)
        self._closed = False
        self._last_epoch = 0  # of the loop that runs
        self.loop = Loop(settings, told, self.seed, framework, working, self._metrics, switches)

    @property
    def epoch(self) -> int:
        return self.loop.epoch

    @property
    def step(self) -> int:
        return self.loop.step

    def stream(self, *path: str | int) -> contextlib.AbstractContextManager[None]:
        """Inside the block all generators run a stream of their own, derived from the seed and `path`."""
        return stream(self.seed, *path)

    def checkpoint(self, *names: str, affects_weights: bool = True, **objects: Any) -> None:
        """Name everything that decides how the training continues: checkpoints hold it, and give it back.

        >>> run.checkpoint(model=model, optimizer=optimizer, schedule=schedule, scaler=scaler)
        >>> run.checkpoint("seen", "model.calls", affects_weights=False)

        With `affects_weights=False` it names what decides no weight, in calls of their own, as many as you
        like, before or after the other one. Such a value is in no checkpoint and not in the manifest's
        `unsaved`, and `strict` allows it. Of an object that the other call names, too, the `state_dict` is
        still saved, but no other attribute, and evaluation may change the object.

        Models, optimisers, schedules, generators, whatever has `state_dict` and `load_state_dict`, and
        objects of your own classes. Numbers and tensors in attributes of all of these are held, too, if they
        change from now on; docs/resume.md. The loader that `batches` reads, the global generators on every
        device and `run.state` are held already.
        When an interrupted run is resumed, the objects get their state back in `epochs`, before it gives the
        first epoch; within an epoch, once more in `batches`, as the code at the epoch's head has run again.

        Args:
            names: only with `affects_weights=False`: as a line of the run or the manifest has them. A name of
                an object is for all in it.
            affects_weights: whether the training depends on what is named.
            objects: by name; with `affects_weights=False` the name alone counts.

        Raises:
            UsageError: something gives no state, or lacks what it changes; or the run resumes from a
                checkpoint that another model or an environment made that differs from this one.
        """
        if not affects_weights:
            self.loop.ignored.update(_names(names), objects)
            return
        if names:
            raise UsageError(
                f"run.checkpoint({names[0]!r}): name each object, such as run.checkpoint(model=model); "
                "a name alone is for run.checkpoint(…, affects_weights=False)"
            )
        if self.loop.saving.state is not None or self.loop.epoch:
            raise UsageError(
                "run.checkpoint was called before: name everything in one call, before the first batch"
                if self.loop.saving.state is not None
                else "run.checkpoint was called after the first epoch began: call it before run.epochs"
            )
        recorded = dict(flatten(fingerprint(self.framework, self.device)))
        facts = {
            "samebits": __version__,
            "framework": self.framework,
            "device": self.device,
            "settings": self._deciding,
            "evaluating": {name: self._settings[name] for name in promised(self.settings)},
            "fingerprint": recorded,
        }
        link = {
            "started": self._started.isoformat(timespec="seconds"),
            "code": self._code.facts(),
            "device": self.device,
            "cpu": recorded.get("cpu.model"),
        }
        several.refuse(self._toolkit.processes())
        self.loop.checkpoint(
            TrainingState({**objects, VALUES: self.state}, load_state(self.framework)), facts, link
        )

    def epochs(self, number: int) -> Iterator[int]:
        """The epochs from 1 to `number`; in a run that is resumed, from the one in which it stopped.

        An epoch's checkpoint is made when the next epoch is asked for, so after all code of yours at the
        epoch's end, and after the last epoch before this ends. It is restored here before the next epoch is
        given. A loop that is left by `break` repeats its last epoch when the run is killed before `finish`.

        A run may have several loops. Epochs are counted over all of them: the second loop of
        `run.epochs(10)` and `run.epochs(15)` has five. A run that stopped in the second one gives none in the
        first.

        Raises:
            UsageError: the run resumes and holds nothing, or all of these epochs were given before.
            SystemExit: the run was told to stop; it is saved.
        """
        self._last_epoch = number
        return self.loop.epochs(number)

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
        several.refuse(self._toolkit.processes())
        self.chance.refuse()
        return self.loop.batches(loader)

    def average(self, **values: Any) -> None:
        """Keep values of a step; the next line of metrics has their means.

        >>> for images, labels in run.batches(loader):
        ...     run.average(loss=step(images, labels))

        The means are correctly rounded, so no order of summing changes them. At an epoch's end, `epochs` adds
        the line, unless `log` did. An epoch that is resumed in its middle has the means over all its steps.

        Args:
            values: numbers, or tensors of one element, which are read when the line is added, not before.

        Raises:
            UsageError: a value is something else, or `finish` was called before.
        """
        self.loop.average(values)

    def log(self, **values: Any) -> None:
        """Add a line to metrics.jsonl: the epoch, the means of what `average` kept, and `values`.

        >>> run.log(val_accuracy=evaluate(model))
        >>> run.log(val_accuracy=lambda: evaluate(model))  # where `evaluate_every` of RunSettings says so

        A function is called, without arguments, after each epoch that `evaluate_every` names; after the
        others it is left out. If batches came since the line before, the line has a digest of all of the
        epoch's so far.

        Args:
            values: what JSON can hold, by name; also the number in a tensor or an array of one element, and a
                function that returns one of these. In the file NaN and infinity are `null`.

        Raises:
            UsageError: a value is something else, the line cannot be written, or `finish` was called before.
        """
        due = {
            name: value() if isinstance(value, FunctionType) else value
            for name, value in values.items()
            if not isinstance(value, FunctionType) or self._evaluates
        }
        if due or not values:  # else the epoch's end adds the line
            self.loop.log(due)

    @property
    def _evaluates(self) -> bool:
        """Whether `RunSettings` want an evaluation after the epoch that runs; outside of epochs, always."""
        if not isinstance(self.settings, RunSettings) or not self._last_epoch:
            return True
        return self.epoch in self.settings.evaluated_epochs(self._last_epoch)

    def finish(self, model: Any) -> str:
        """Write the weights, close the manifest, put the folder in place, compare with the golden hash.

        Returns:
            The weights' hash, which is `sha256sum weights.safetensors`.

        Raises:
            UsageError: the model has no weights, or something cannot be written.
        """
        several.refuse(self._toolkit.processes())
        self.chance.refuse()
        self.loop.end_of_training()
        self.loop.saving.wait()
        if self._metrics.collected:
            self.log()
        evaluation = self.loop.evaluation
        if evaluation is not None:
            evaluation.look()
        folder = self.working.path
        weights = self._toolkit.save_weights(model, folder / "weights.safetensors")
        if not self._metrics.lines:
            write_whole(self.working.metrics, "")
        elif os.environ.get(plots.CURVES) == "0":
            pass
        elif without := _extras.missing("matplotlib"):
            print(f"samebits: no curves.png: {without}", file=sys.stderr)
        else:
            write_whole(folder / "curves.png", plots.draw(self._metrics.lines))
        self.loop.record.finish(self.step)
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
            "evaluation_decides": evaluation.lines if evaluation is not None else [],
            "unsaved": self.loop.unsaved.named if self.loop.unsaved is not None else [],
            "unsaved_not_looked_at": self.loop.unsaved.not_looked_at if self.loop.unsaved is not None else [],
            "fingerprint": facts,
            "metrics": self._metrics.lines[-1] if self._metrics.lines else {},
            "metrics_sha256": sha256_file(self.working.metrics),
            "steps": self.step,
            "first_steps": self.loop.record.summary() or {},
            "chain": self.loop.saving.chain,
            "resumes_within_epochs": self.loop.within_epochs,
            "chance": self.chance.named(),
            "chance_not_looked_at": self.chance.not_looked_at(),
            "weights_sha256": weights,
            "not_numbers": (nan := not_numbers(folder / "weights.safetensors")),
        }
        verdict = golden.compare(manifest, folder=self.folder)
        manifest["golden"] = verdict.partition("\n")[0]  # the rest says what to type
        write_whole(folder / "manifest.json", json.dumps(manifest, indent=2) + "\n")
        self.chance.warn()
        self.chance.clear()
        former = self.working.put_in_place(weights)
        self.finished = True
        self.loop.end()
        if nan:
            print(printable(f"samebits: the weights {holding_nan(nan)}"), file=sys.stderr)
        print(f"sha256 {weights}  {shown(self.folder / 'weights.safetensors')}")
        for line in (former, verdict):
            if line:
                print(printable(line))
        return weights

    def close(self) -> str | None:
        """Let go of the folder; an interrupted run's checkpoints stay in it.

        Returns:
            Where a training that failed can be resumed, in words: to be printed once.
        """
        if self._closed:
            return None
        self._closed = True
        self.chance.leave()
        self.loop.close()
        kept = not self.finished and self.working.leave()
        if not kept or not self.loop.counted or self.loop.left:
            return None
        return f"{shown(self.working.path)} is kept: {AGAIN}"


def _names(names: Iterable[Any]) -> Iterator[str]:
    for name in names:
        if not isinstance(name, str):
            raise UsageError(
                f"run.checkpoint(…, affects_weights=False): a {type(name).__name__} has no name here: give "
                "the name as text, as the run's lines have it, or name=object"
            )
        yield name


def _own_line(error: BaseException) -> str | None:
    """What a script without `samebits.main` prints for an error that names what is to be changed."""
    return str(error) if isinstance(error, SamebitsError) else None
