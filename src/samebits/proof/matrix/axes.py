"""The axes: what is varied, how, and what must come of it. A new one is a generator function in AXES."""

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samebits.process import launch, started
from samebits.process.variables import find_root
from samebits.proof.portable import CPUS
from samebits.proof.portable.machines import QEMU
from samebits.proof.stops import course

SAME, OTHER, MAY = "same", "other", "may differ"
NOBODY = 65534
REPEATS = 20  # of a stress test: one flake in thirty survives a run done twice
PERTURB = "samebits.proof.controls.perturb"
CAN_REACH = "import os, sys, samebits; sys.exit(not all(map(os.path.exists, sys.argv[1:])))"


@dataclass(frozen=True)
class Trial:
    """One training of the matrix: everything as in the reference, but for what is named here.

    Attributes:
        axis, value: what is varied, and to what.
        expected: SAME, OTHER or MAY.
        arguments: after the training's own.
        environment: what its user's shell has set, before entrypoint looks at it.
        before: the words before entrypoint, such as `taskset -c 0`.
        within: the words between entrypoint and the interpreter, such as an emulator's.
        flags: of samebits.proof.controls.perturb, which then runs the module.
        owner: the user that it runs as, from a folder of its own.
        elsewhere: it is started in another folder.
        container: it runs in the image.
        stop: after which step it is stopped; then the same command resumes it.
        skipped: why it cannot be tried here.
    """

    axis: str
    value: str
    expected: str = SAME
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    before: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    owner: int | None = None
    elsewhere: bool = False
    container: bool = False
    stop: int | None = None
    skipped: str = ""

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.axis}: {self.value}"


@dataclass(frozen=True)
class Facts:
    """What decides which trials there are.

    Attributes:
        manifest: of the reference.
        module: the training is started by `python -m`.
        tied: why it can be started in this folder only.
        files: that a training needs, and the folder of the runs.
        repeats: under stress; 0: no stress.
        recorded: the training knows nothing of samebits, so `manifest` is what its record says.
    """

    manifest: Mapping[str, Any]
    module: bool
    tied: str = ""
    files: tuple[str, ...] = ()
    repeats: int = 0
    recorded: bool = False

    @property
    def framework(self) -> str:
        return str(self.manifest["framework"])

    def setting(self, name: str) -> Any:
        """A setting of the reference, None if the training has no such setting."""
        return self.manifest["settings"].get(name)


def trials(facts: Facts, only: Sequence[str]) -> Iterator[Trial]:
    """Every trial of the axes in `only`, or of all of them."""
    for axis, make in AXES.items():
        if axis in only or not only:
            yield from make(axis, facts)


# ---------------------------------------------------------------- what must not matter


def _again(axis: str, facts: Facts) -> Iterator[Trial]:
    yield Trial(axis, "another one")


def _folder(axis: str, facts: Facts) -> Iterator[Trial]:
    yield _skip(Trial(axis, "started in another one", elsewhere=True), facts.tied)


def _user(axis: str, facts: Facts) -> Iterator[Trial]:
    before = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    trial = Trial(axis, f"{NOBODY} in place of {os.getuid()}", before=before, owner=NOBODY)
    if facts.tied or facts.recorded:
        yield _skip(trial, facts.tied or "another user cannot write the record")
    elif os.getuid() != 0:
        yield _skip(trial, "only root can become another user")
    elif shutil.which("setpriv") is None:
        yield _skip(trial, "there is no setpriv: apt-get install util-linux")
    else:
        asked = [*before, launch.entrypoint(), "python", "-c", CAN_REACH, *facts.files]
        done = subprocess.run(asked, cwd="/", stdin=subprocess.DEVNULL, capture_output=True)
        lacks = "the environment, its interpreter, the training or runs/"
        yield _skip(trial, "" if done.returncode == 0 else f"that user cannot reach {lacks}")


def _locale(axis: str, facts: Facts) -> Iterator[Trial]:
    yield Trial(axis, "LC_ALL=tr_TR.UTF-8", environment=(("LC_ALL", "tr_TR.UTF-8"),))
    yield Trial(
        axis, "LANG=de_DE.UTF-8", environment=(("LANG", "de_DE.UTF-8"), ("LC_NUMERIC", "de_DE.UTF-8"))
    )


def _time_zone(axis: str, facts: Facts) -> Iterator[Trial]:
    yield Trial(axis, "TZ=Asia/Tokyo", environment=(("TZ", "Asia/Tokyo"),))


def _hash_seed(axis: str, facts: Facts) -> Iterator[Trial]:
    for value in ("1", "random"):
        yield Trial(axis, f"PYTHONHASHSEED={value}", environment=(("PYTHONHASHSEED", value),))


def _shell_threads(axis: str, facts: Facts) -> Iterator[Trial]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    yield Trial(axis, "OMP_NUM_THREADS=64 …", environment=tuple((name, "64") for name in names))


def _setting(name: str, *values: int) -> Callable[[str, Facts], Iterator[Trial]]:
    """An axis along a setting of the training."""

    def make(axis: str, facts: Facts) -> Iterator[Trial]:
        for value in values:
            if facts.setting(name) != value:
                yield _needs(facts, name, Trial(axis, str(value), arguments=(_option(name), str(value))))

    return make


def _prefetch(axis: str, facts: Facts) -> Iterator[Trial]:
    for number in (1, 5):
        trial = Trial(axis, str(number), arguments=("--workers", "2"), flags=("--prefetch", str(number)))
        yield _needs(facts, "workers", _perturbed(facts, trial))


def _logging(axis: str, facts: Facts) -> Iterator[Trial]:
    yield _perturbed(facts, Trial(axis, "every step", flags=("--log-steps",)))


def _cores(axis: str, facts: Facts) -> Iterator[Trial]:
    cores = sorted(os.sched_getaffinity(0))
    for number in (1, 2):
        chosen = ",".join(map(str, cores[:number]))
        trial = Trial(axis, f"{number} of {len(cores)}", before=("taskset", "-c", chosen))
        lacks = "there is no taskset" if shutil.which("taskset") is None else ""
        yield _skip(trial, lacks or ("there is only one" if number > len(cores) else ""))


def _load(axis: str, facts: Facts) -> Iterator[Trial]:
    number = len(os.sched_getaffinity(0))
    yield Trial(axis, f"{number} busy processes", before=_disturbed("--load", str(number)))


def _container(axis: str, facts: Facts) -> Iterator[Trial]:
    trial = Trial(axis, "in the image", container=True)
    root = find_root()
    tool = root / "tools" / "image.py"
    if not tool.exists():
        yield _skip(trial, "this is inside the image already")
    elif not facts.module:
        yield _skip(trial, "the command is not `python -m MODULE`, which the image has, too")
    elif Path.cwd().resolve() != root.resolve():
        yield _skip(trial, "runs come out of the image into the project's own runs/: start it there")
    else:
        done = subprocess.run([tool, "commit"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        why = done.stderr.strip().rpartition("\n")[2].removeprefix("samebits: ")
        yield _needs(facts, "run", _skip(trial, why if done.returncode else ""))


def _resumed(axis: str, facts: Facts) -> Iterator[Trial]:
    if facts.recorded:
        yield Trial(axis, "stopped within an epoch", skipped="only a run of samebits can be resumed")
        return
    training = course(facts.manifest)
    if training.lacks:
        yield Trial(axis, "stopped within an epoch", skipped=training.lacks)
        return
    for step in sorted({1, training.middle() or 1, *training.ends(2)}):
        yield Trial(axis, f"stopped after step {step} of {training.steps}", stop=step)


def _cpu(axis: str, facts: Facts) -> Iterator[Trial]:
    reason = ""
    if started.profile() != "portable":
        reason = "only PROFILE=portable promises it"
    elif facts.manifest["device"] != "cpu":
        reason = "trained on a GPU"
    elif shutil.which(QEMU) is None:
        reason = f"there is no {QEMU}: apt-get install qemu-user-static"
    for cpu in CPUS:
        yield _skip(Trial(axis, f"{cpu}, emulated", within=(QEMU, "-cpu", cpu)), reason)


# ---------------------------------------------------------------- what must matter


def _seed(axis: str, facts: Facts) -> Iterator[Trial]:
    seed = int(facts.manifest.get("seed", 0)) + 1
    yield _needs(facts, "seed", Trial(axis, str(seed), OTHER, arguments=("--seed", str(seed))))


def _data(axis: str, facts: Facts) -> Iterator[Trial]:
    yield _perturbed(facts, Trial(axis, "one sample left out", OTHER, flags=("--leave-out",)))


def _threads(axis: str, facts: Facts) -> Iterator[Trial]:
    number = int(os.environ.get("SAMEBITS_THREADS") or 1) + 1
    # MAY: the sums of a small network are made by one thread, whatever the number is.
    trial = Trial(axis, f"SAMEBITS_THREADS={number}", MAY, environment=(("SAMEBITS_THREADS", str(number)),))
    yield _skip(trial, "" if facts.manifest["device"] == "cpu" else "the sums are made on the GPU")


def _learning_rate(axis: str, facts: Facts) -> Iterator[Trial]:
    rate = facts.setting("learning_rate")
    value = f"{float(rate) * 1.001:.9g}" if rate else ""
    arguments = ("--learning-rate", value)
    yield _needs(facts, "learning_rate", Trial(axis, value or "another", OTHER, arguments=arguments))


# ---------------------------------------------------------------- only when asked for


def _stress(axis: str, facts: Facts) -> Iterator[Trial]:
    number = len(os.sched_getaffinity(0))
    for at in range(1, facts.repeats + 1):
        before = _disturbed("--load", str(number), "--jitter", str(at))
        yield Trial(axis, f"repeat {at} of {facts.repeats}, load and jitter", before=before)


AXES: dict[str, Callable[[str, Facts], Iterator[Trial]]] = {
    "process": _again,
    "folder": _folder,
    "user": _user,
    "locale": _locale,
    "time-zone": _time_zone,
    "hash-seed": _hash_seed,
    "shell-threads": _shell_threads,
    "workers": _setting("workers", 0, 2, 4),
    "prefetch": _prefetch,
    "evaluation": _setting("evaluate_every", 0, 1, 2),
    "checkpoints": _setting("checkpoint_every", 0, 1, 7),
    "logging": _logging,
    "cores": _cores,
    "load": _load,
    "container": _container,
    "resumed": _resumed,
    "cpu": _cpu,
    "seed": _seed,
    "data": _data,
    "threads": _threads,
    "learning-rate": _learning_rate,
    "stress": _stress,
}


def _option(setting: str) -> str:
    return f"--{setting.replace('_', '-')}"


def _disturbed(*flags: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "samebits.proof.stress", *flags)


def _skip(trial: Trial, reason: str) -> Trial:
    return dataclasses.replace(trial, skipped=trial.skipped or reason)


def _needs(facts: Facts, setting: str, trial: Trial) -> Trial:
    there = setting in facts.manifest["settings"]
    lacks = "it knows nothing of samebits, so its options are not known" if facts.recorded else ""
    return _skip(trial, "" if there else lacks or f"the training has no setting {setting}")


def _perturbed(facts: Facts, trial: Trial) -> Trial:
    lacks = "it knows nothing of samebits" if facts.recorded else "the command is not `python -m MODULE`"
    return _skip(trial, "" if facts.module else lacks)
