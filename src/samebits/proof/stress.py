"""Run a command on a busy machine, or while its process is stopped, moved between cores and slowed down.

    python -m samebits.proof.stress [--load N] [--jitter SEED] COMMAND...

It becomes nothing of the command's: environment, output and exit status are passed on.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from samebits.errors import UsageError
from samebits.process.program import run_command
from samebits.proof.processes import GRACE, stop, terminable

POLL = 0.02  # seconds between two looks at the command
CALM = (0.02, 0.3)  # seconds between two disturbances
STOPPED = (0.01, 0.2)  # seconds for which it is stopped
BUSY = "while True: pass"
WAYS = ("stop", "move", "slow")


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--load", default=0, help="How many processes compute beside it, without end.")
@click.option("--jitter", type=int, help="Disturb it; the number decides when and how.")
@click.argument("arguments", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(load: int, jitter: int | None, arguments: tuple[str, ...]) -> int:
    """Run COMMAND under load, under jitter, or both."""
    burners: list[subprocess.Popen[bytes]] = []
    with terminable():
        try:
            burners += (subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(load))
            return run(arguments, None if jitter is None else random.Random(jitter))
        finally:
            stop(burners, whole_session=False)


def run(arguments: Sequence[str], rng: random.Random | None) -> int:
    """Run a command to its end, disturbed when `rng` says how; returns its status as a shell would."""
    try:
        process = subprocess.Popen(list(arguments))
    except OSError as error:
        raise UsageError(f"cannot start {arguments[0]}: {error.strerror}") from None
    cores = sorted(os.sched_getaffinity(0))
    ways: list[str] = []
    try:
        until = time.monotonic()
        while process.poll() is None:
            if rng is not None and time.monotonic() >= until:
                ways = ways or rng.sample(WAYS, len(WAYS))  # each in its turn, in a new order each time
                disturb(process.pid, ways.pop(), cores, rng)
                until = time.monotonic() + rng.uniform(*CALM)
            time.sleep(POLL)
    finally:
        stop([process], GRACE / 2, whole_session=False)  # before who started this one has no more patience
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def disturb(pid: int, what: str, cores: Sequence[int], rng: random.Random) -> None:
    """Do one thing to a process: stop it for a while, move its threads, or change its niceness."""
    with contextlib.suppress(OSError):  # it has ended, or only root may make it faster again
        if what == "stop":
            os.kill(pid, signal.SIGSTOP)
            try:
                time.sleep(rng.uniform(*STOPPED))
            finally:
                os.kill(pid, signal.SIGCONT)
        elif what == "move":
            chosen = rng.sample(cores, rng.randint(1, max(1, len(cores) - 1)))
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), chosen)
        else:
            os.setpriority(os.PRIO_PROCESS, pid, rng.randint(1, 10))


if __name__ == "__main__":
    sys.exit(run_command(command, "python -m samebits.proof.stress"))
