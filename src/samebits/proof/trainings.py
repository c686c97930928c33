"""Trainings as separate processes, each with a run folder of its own and its output in a file.

All are started in one way: through entrypoint, as from a shell that it has not been in.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from samebits._files import sha256_file
from samebits._printable import printable
from samebits.errors import SamebitsError, UsageError
from samebits.process import launch
from samebits.process.launch import for_entrypoint
from samebits.proof.enough import Enough
from samebits.proof.processes import ending, stop
from samebits.record.begin import FOLDER
from samebits.record.final import final_weights
from samebits.run.plots import CURVES
from samebits.run.signals import SAVED

POLL = 0.05  # seconds between two looks at the processes
NOT_STARTED = (126, 127)  # entrypoint's statuses for a command that cannot be executed, or is not there
SHOWN = 20  # lines of a failed child's output


@dataclass(frozen=True, eq=False)
class Training:
    """A training to be started through entrypoint.

    Attributes:
        name: for people.
        command: its words; with entrypoint in front or without.
        folder: where its run goes.
        environment: comes on top of what the user's shell has; None removes a variable.
        place: where it is started; None: here.
        before: the words before entrypoint, such as `taskset -c 0`.
        bare: the command starts entrypoint by itself, as the image does.
        stops: after which steps it is stopped, as by SIGTERM, and then resumed.
        recorded: what it computes is recorded, so that it needs to leave no run.
        enough: is asked while it runs: whether it may be stopped, as its record holds enough. None: never.
        curves: its run has curves.png. Most runs are compared and removed, and nobody looks at them.
    """

    name: str
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str | None] = field(default_factory=dict)
    place: Path | None = None
    before: Sequence[str] = ()
    bare: bool = False
    stops: Sequence[int] = ()
    recorded: bool = False
    enough: Enough | None = None
    curves: bool = False

    @property
    def record(self) -> Path:
        """Where its record goes, if it is recorded."""
        return self.folder.with_name(f"{self.folder.name}.record")

    @property
    def words(self) -> list[str]:
        """All words of its command line."""
        return list(self.command) if self.bare else [*self.before, *launch.through(tuple(self.command))]

    @property
    def log(self) -> Path:
        """Where its output goes, stdout and stderr together."""
        return self.folder.with_name(f"{self.folder.name}.log")


@dataclass(frozen=True)
class Finished:
    """A training that ended well, and how long it took.

    Attributes:
        child: the training.
        sha256: of its weights; of one that left no run, the digest of the weights in its record, and "" where
            it took no step.
        seconds: how long it took.
    """

    child: Training
    sha256: str
    seconds: float

    @property
    def left_a_run(self) -> bool:
        """Whether there is a run folder, and not only a record."""
        return len(self.sha256) == 64


def train(
    trainings: Iterable[Training],
    at_once: int = 1,
    watch: Callable[[Sequence[Training]], None] | None = None,
    failed: Callable[[Training, SamebitsError], None] | None = None,
) -> Generator[Finished, None, None]:
    """Start the trainings, `at_once` at a time, and yield each when it has ended well.

    However this ends (Ctrl-C, SIGTERM, a failed child, a generator that is closed), no child stays behind.

    Args:
        trainings: started in this order.
        at_once: how many run side by side.
        watch: called twenty times a second with the trainings that are running.
        failed: called with a child that failed and what would be raised; the others continue.

    Raises:
        SamebitsError: a child failed: its own line `samebits: …`, with its own status, when it ended with
            one; else what ended it, after its last lines of output.
        UsageError: a command does not exist, or it ended without an error but left no run folder.
    """
    waiting = list(trainings)
    running: dict[Training, subprocess.Popen[bytes]] = {}
    began: dict[Training, float] = {}
    stops = {child: list(child.stops) for child in waiting}  # that are to come
    with ending(running.values()):
        while waiting or running:
            while waiting and len(running) < at_once:
                child = waiting.pop(0)
                child.log.unlink(missing_ok=True)  # of a former one
                running[child], began[child] = start(child, *stops[child][:1]), time.monotonic()
            for child, process in list(running.items()):
                if process.poll() is None and child.enough is not None and child.enough():
                    stop([process])
                    child.enough.end()
                    del running[child]
                    yield Finished(child, final_weights(child.record), time.monotonic() - began[child])
                elif process.poll() is not None:
                    del running[child]
                    stop([process])  # what it started and left
                    if process.returncode == SAVED and stops[child]:
                        del stops[child][0]
                        running[child] = start(child, *stops[child][:1])
                        continue
                    seconds = time.monotonic() - began[child]
                    try:
                        sha256 = _weights(child, process.returncode, quiet=failed is not None)
                    except SamebitsError as error:
                        if failed is None:
                            raise
                        failed(child, error)
                    else:
                        yield Finished(child, sha256, seconds)
            if watch is not None:
                watch(list(running))
            time.sleep(POLL)


def last_line(child: Training) -> str:
    """The last line that a child has written so far; it says how far its training is."""
    with contextlib.suppress(OSError), open(child.log, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
        lines = file.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
    return ""


def start(child: Training, stop_at: int | None = None) -> "subprocess.Popen[bytes]":
    """Start a training; what it writes is added to its log.

    Args:
        child: the training.
        stop_at: after which step it stops and saves; None: it goes to its end.

    Raises:
        UsageError: it cannot be started.
    """
    environment = {**os.environ, **for_entrypoint(), **launch.caller_environment(), **child.environment}
    environment["SAMEBITS_RUN_FOLDER"] = str(child.folder)
    if not child.curves:
        environment[CURVES] = "0"
    if child.recorded:
        child.record.mkdir(exist_ok=True)
        environment[FOLDER] = str(child.record.absolute())
    if stop_at is not None:
        environment["SAMEBITS_STOP_AT"] = str(stop_at)
    try:
        with open(child.log, "ab") as log:
            return subprocess.Popen(
                child.words,
                env={name: value for name, value in environment.items() if value is not None},
                cwd=child.place,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that its data workers can be stopped with it
            )
    except OSError as error:
        raise UsageError(f"cannot start {child.words[0]}: {error.strerror}") from None


def _weights(child: Training, status: int, quiet: bool) -> str:
    if status:
        raise failure(child, status, quiet)
    return weights(child)


def weights(child: Training) -> str:
    """The hash of the weights that a training left.

    Raises:
        UsageError: it left none, and is not recorded.
    """
    try:
        return sha256_file(child.folder / "weights.safetensors")
    except FileNotFoundError:
        if child.recorded:
            return final_weights(child.record)
        raise UsageError(
            f"{child.name} ended without an error but left no run: "
            "the command must train inside `with samebits.torch.open_run(settings) as run:`, or "
            "samebits.keras.open_run, and end with `run.finish(model)`"
        ) from None


def failure(child: Training, status: int, quiet: bool = False) -> SamebitsError:
    """What is raised where a training has failed.

    Args:
        child: the training.
        status: with which it ended.
        quiet: its last lines are not printed.

    Returns:
        Its own line `samebits: …`, with its own status, when it ended with one; else what ended it.
    """
    lines = child.log.read_text(errors="replace").rstrip().splitlines()
    if status > 0 and lines and lines[-1].startswith("samebits: "):
        error = SamebitsError(f"{child.name}: {lines[-1].removeprefix('samebits: ')}")
        error.status = 2 if status in NOT_STARTED else status
        return error
    ended = f"ended with status {status}" if status > 0 else f"was killed by {signal.Signals(-status).name}"
    command = shlex.join(child.command)
    if quiet:
        return UsageError(f"{child.name} {ended}; what it wrote is in {child.log.name}; it was `{command}`")
    shown = "\n".join(f"  {printable(line)}" for line in lines[-SHOWN:])
    print(f"the end of what {child.name} wrote:\n{shown}", flush=True)
    return UsageError(f"{child.name} {ended}, so there is nothing to compare; it was `{command}`")
