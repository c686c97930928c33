"""A program that is stopped while it works, as a user stops it."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def interrupted(
    command: Sequence[object],
    waiting: Path,
    *,
    number: signal.Signals = signal.SIGINT,
    cwd: Path,
    env: Mapping[str, str],
) -> tuple[int, str]:
    """Start a command, and send it a signal as soon as the file `waiting` is there.

    Ctrl-C reaches a program and whatever it has started; every other signal, as `kill` sends it, the first.

    Returns:
        Its exit status, and what it wrote to stderr.
    """
    with subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env=env,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's `pytest &` ignores it
    ) as started:
        for _ in range(600):
            if waiting.exists():
                break
            time.sleep(0.05)
        time.sleep(0.2)
        if number == signal.SIGINT:
            os.killpg(started.pid, number)
        else:
            started.send_signal(number)
        assert started.stderr
        said = started.stderr.read()
        return started.wait(70), said
