"""Where a run lies: collected beside its folder under a hidden name, and put in place when it is finished."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import sys
import uuid
from pathlib import Path
from typing import Any, TextIO

from samebits._files import cannot_write, shown
from samebits.errors import UsageError
from samebits.fingerprint import code_state
from samebits.fingerprint.manifest import read_manifest
from samebits.process import started
from samebits.process.command_line import lengthened
from samebits.record.format import RUN_FILE
from samebits.run.settings import telling

LOCK, CHECKPOINTS, METRICS, RECORD = ".lock", "checkpoints", "metrics.jsonl", RUN_FILE
_open: set[str] = set()  # the working folders of this process, which the system lets lock its files twice


def choose_folder(settings: Any, framework: str, chosen: str | os.PathLike[str] | None) -> Path:
    """The folder of a run: SAMEBITS_RUN_FOLDER, `chosen`, or runs/ and the settings that are not default.

    The profile, too, is named where it is not the default.

    Raises:
        UsageError: something else is there.
    """
    if given := os.environ.get("SAMEBITS_RUN_FOLDER"):
        if chosen is not None and Path(chosen) != Path(given):
            print(f"samebits: SAMEBITS_RUN_FOLDER={given} comes before {chosen}", file=sys.stderr)
        chosen = given
    if chosen is None:
        profile = [] if started.profile() == "run" else [started.profile()]
        options = (f"{name}={value}".replace("/", "_") for name, value in telling(settings).items())
        chosen = Path("runs") / "-".join([framework, *profile, *options])
    path = Path(chosen)
    try:
        there = _is_there(path)
        if there and not (path / "manifest.json").exists():
            raise UsageError(
                f"{path} exists and is not a run; name another folder with --run, or move it away"
            )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be looked at: {why}; name another folder with --run") from None
    if there:
        former_weights(path)  # now, not when the training is over and cannot be put there
        _refuse_another_script(path)
    return path


def _refuse_another_script(path: Path) -> None:
    """Two scripts with the same settings have one default folder: their runs would take turns in it.

    A script that is no longer there was renamed or moved. A notebook is no script.
    """
    try:
        code = read_manifest(path, any_format=True)["code"]
        former = Path(lengthened(code["folder"]), lengthened(code["script"])).resolve()
    except (UsageError, LookupError, TypeError, AttributeError):  # of an older format, or without a script
        return
    _, script = code_state.find_script()
    if script is not None and former.is_file() and former != script:
        raise UsageError(
            f"{path} has a finished run of another script, {shown(former)}: name another folder, with "
            f"open_run(…, folder='runs/{script.stem}') or --run, or move it away"
        )


def _is_there(path: Path) -> bool:
    """Whether something has that name; OSError or ValueError where nobody could put a run in its place.

    Below a folder that one may not enter, a name that is too long or has a zero byte, a link to nothing.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    os.stat(path)
    return True


class WorkingFolder:
    """The hidden folder of a run that is not finished; this process's alone as long as it is open.

    An interrupted run leaves it behind with its checkpoints. Without any, nothing stays.

    Attributes:
        path: where it lies.
        run: the run's own name, made when it begins and the same after every interruption.
        is_new: it was made just now.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder.parent / f".{folder.name}.partial"
        try:
            self._lock = self._own()
        except OSError as error:
            raise cannot_write(folder, error) from None
        self.run = self._read_name()

    @property
    def checkpoints(self) -> Path:
        """Where its checkpoints lie."""
        return self.path / CHECKPOINTS

    @property
    def metrics(self) -> Path:
        """The metrics so far."""
        return self.path / METRICS

    @property
    def record(self) -> Path:
        """What the run records by itself."""
        return self.path / RECORD

    def clear(self) -> None:
        """Delete what a former process left that had no checkpoint.

        Raises:
            UsageError: it has some, though none that is whole.
        """
        if list(self.checkpoints.glob("[!.]*")):
            raise UsageError(
                f"no checkpoint in {self.checkpoints} is complete: "
                "`--resume never` starts from the beginning and keeps them"
            )
        for path in self.path.iterdir():
            if path.name != LOCK:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def set_aside(self) -> Path:
        """Give an interrupted run's files a visible name, and begin with an empty folder."""
        number = 1
        while (aside := self.folder.parent / f"{self.folder.name}.interrupted-{number}").exists():
            number += 1
        os.rename(self.path, aside)
        (aside / LOCK).unlink()
        self._release()
        self._lock = self._own()
        self.run = self._read_name()
        return aside

    def leave(self) -> bool:
        """Let go of the folder; returns whether there is something in it to resume from."""
        kept = self.checkpoints.is_dir() and any(self.checkpoints.iterdir())
        if not kept:
            shutil.rmtree(self.path, ignore_errors=True)
        self._release()
        return kept

    def put_in_place(self, weights: str) -> str | None:
        """Rename the finished folder; a former run with other weights is kept, under its own hash.

        Returns:
            What became of the former run, None when there was none.
        """
        with contextlib.suppress(OSError):  # an empty one
            self.checkpoints.rmdir()
        former = put_in_place(self.path, self.folder, weights)
        (self.folder / LOCK).unlink()  # last: a folder without its name would be taken for another run's
        self._release()
        return former

    def _own(self) -> TextIO:
        """Make the folder and lock a file in it. The system takes the lock away when the process ends.

        Not `flock`, which data workers would inherit and hold on to when this process is killed.
        """
        while True:
            self.path.mkdir(parents=True, exist_ok=True)
            if os.path.realpath(self.path) in _open:  # before `open`: closing that file ends the lock
                raise UsageError(
                    f"{self.folder} is open in this process already: end that run, or name another folder"
                )
            lock = open(self.path / LOCK, "a+", encoding="utf-8")  # noqa: SIM115 # held while the run is open
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                lock.close()
                raise UsageError(
                    f"{self.folder} is being trained by another process: wait for it, or name another folder "
                    "with --run"
                ) from None
            except OSError:  # a file system without locks
                _open.add(os.path.realpath(self.path))
                return lock
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(lock.fileno()), os.stat(self.path / LOCK)):
                    _open.add(os.path.realpath(self.path))
                    return lock
            lock.close()  # it was put in place between our two calls

    def _release(self) -> None:
        self._lock.close()
        _open.discard(os.path.realpath(self.path))

    def _read_name(self) -> str:
        self._lock.seek(0)
        with contextlib.suppress(ValueError, KeyError, TypeError):
            name: str = json.load(self._lock)["run"]
            self.is_new = False
            return name
        self.is_new = True
        return self.name(uuid.uuid4().hex)

    def name(self, run: str) -> str:
        """Keep the run's name in the folder."""
        self.run = run
        self._lock.truncate(0)
        json.dump({"run": run}, self._lock)
        self._lock.flush()
        return run


def put_in_place(working: Path, folder: Path, weights: str) -> str | None:
    """What `WorkingFolder.put_in_place` does, of any two folders."""
    if not folder.exists():
        os.rename(working, folder)
        return None
    former = former_weights(folder)
    if former == weights:
        aside = folder.parent / f".{folder.name}.former-{os.getpid()}"
        os.rename(folder, aside)
        os.rename(working, folder)
        shutil.rmtree(aside, ignore_errors=True)
        return "the same bits as the run that was here before"
    kept = folder.parent / f"{folder.name}.{former[:8]}"
    if kept.exists():
        shutil.rmtree(folder)
    else:
        os.rename(folder, kept)
    os.rename(working, folder)
    return f"the run that was here before has other weights; it is kept as {shown(kept)}"


def former_weights(folder: Path) -> str:
    """The weights' hash of the run that is in a folder where another one is to be put.

    Of an older format, too: a training that has ended is not lost because of the run before it.

    Raises:
        UsageError: its manifest does not have it, so the folder cannot be kept under another name.
    """
    try:
        weights = read_manifest(folder, any_format=True).get("weights_sha256")
    except UsageError as error:
        raise UsageError(f"{error}; name another folder with --run, or move it away") from None
    if not re.fullmatch("[0-9a-f]{64}", str(weights)):
        raise UsageError(
            f"{folder / 'manifest.json'} has no weights_sha256: name another folder with --run, or move "
            f"{folder} away"
        )
    return str(weights)
