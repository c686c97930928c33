"""One side of `samebits bisect`: how its command runs again, and ends when its record holds enough."""

import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samebits import container_engine
from samebits.diff.reader import Record
from samebits.errors import SamebitsError, UsageError
from samebits.fingerprint import cpu
from samebits.fingerprint.manifest import read_manifest
from samebits.proof import trust, verify, verify_record
from samebits.proof.closer import is_run
from samebits.proof.enough import Enough
from samebits.proof.smoke import Watch
from samebits.proof.trainings import Finished, Training, last_line, train

OF_STATUS = re.compile(r"ended with status \d+|was killed by \w+")


@dataclass(frozen=True)
class Side:
    """A training that can be run again as it was.

    Attributes:
        name: "A" or "B".
        path: what the user gave: a record, or a finished run.
        words: its command.
        variables: those of determinism.env as they were; None removes one.
        place: where it is started; None: here.
        bare: it is started without entrypoint, as a recorded command is.
    """

    name: str
    path: Path
    words: Sequence[str]
    variables: Mapping[str, str | None]
    place: Path | None
    bare: bool

    @property
    def command(self) -> str:
        """Its command, as it can be typed."""
        return shlex.join(self.words)


def side(name: str, path: Path, own: str | None, anyway: bool, option: str) -> Side:
    """Read how a training is run again.

    Args:
        name: "A" or "B".
        path: its record, or its run.
        own: the command that the user gives in place of the recorded one.
        anyway: although its code or the CPU is another one today.
        option: with which the user gives a command, see `trust.given_by`.

    Raises:
        UsageError: it cannot be run again here, and why.
    """
    manifest: Mapping[str, Any]
    if is_run(path):
        manifest = read_manifest(path)
        variables = verify.environment(manifest, path)
    else:
        if own is None and (roots := len(Record(path).roots)) > 1:
            raise UsageError(
                f"{path} holds {roots} commands, as of a run that was resumed, and cannot run again whole: "
                f"give one that runs all of it: {trust.given_by(option, 'COMMAND')}"
            )
        manifest = verify_record.as_manifest(path, own, option)
        variables = verify_record.environment(manifest, path)
    if not anyway:
        verify.refuse_other_code(manifest, path)
        _refuse_other_cpu(manifest, path)
    if manifest["device"] == "cuda" and not container_engine.driver():
        raise UsageError(f"{path} was trained on a GPU, and no NVIDIA driver answers here: run it there")
    place = trust.working_folder(manifest, path)
    words = verify.command_of(manifest, path, place or Path.cwd(), own, option)
    return Side(name, path, words, variables, place, not is_run(path))


def _refuse_other_cpu(manifest: Mapping[str, Any], path: Path) -> None:
    """Another CPU may compute other bits, so the re-run would tell nothing of the record.

    Raises:
        UsageError: it is another one.
    """
    was, now = manifest["fingerprint"].get("cpu"), cpu.processor()
    if not isinstance(was, dict):
        return
    other = [name for name in ("model", "instructions") if was.get(name, now[name]) != now[name]]
    if other:
        model = was.get("model") if "model" in other else "CPU with other instructions"
        raise UsageError(
            f"{path} was made on another machine ({model}, here is {now['model']}): {verify.ANYWAY}"
        )


def again(
    side: Side,
    name: str,
    folder: Path,
    variables: Mapping[str, str],
    watch: Watch,
    enough: tuple[int, int] | None,
) -> Finished:
    """Run a side again, recorded.

    Args:
        side: which.
        name: of the re-run, for people.
        folder: where its run, its record and its output go.
        variables: that say what is recorded.
        watch: shows how far it is.
        enough: an optimiser's number and its step: the command is stopped after it. None: it runs to its end.

    Raises:
        UsageError: it failed.
    """

    def failed(child: Training, error: SamebitsError) -> None:
        ended = OF_STATUS.search(str(error))
        how = f"{child.name} {ended[0]}: {last_line(child)}" if ended else str(error)
        raise UsageError(f"{how}; it was `{side.command}`")

    target = folder.resolve() / f"{side.name}.{name}"
    child = Training(
        f"{side.name} again ({name})",
        side.words,
        target,
        {**side.variables, **variables},
        side.place,
        bare=side.bare,
        recorded=True,
        enough=None if enough is None else Enough(target.with_name(f"{target.name}.record"), *enough),
    )
    with closing(train([child], watch=watch, failed=failed)) as training, watch:
        return next(training)
