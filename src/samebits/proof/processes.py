"""Processes that end with this one: whatever ends it ends them too, and what they have started."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterator
from typing import Any

from samebits.run.signals import terminating

GRACE = 5.0  # seconds between SIGTERM and SIGKILL
SIGNALS = (signal.SIGTERM, signal.SIGHUP)  # Python itself makes an exception of SIGINT


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """A block that SIGTERM and SIGHUP leave as an exception does: with status 128 + number, and tidied up."""
    former = {number: signal.signal(number, terminating()) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def ending(processes: "Collection[subprocess.Popen[Any]]") -> Iterator[None]:
    """A block after which none of the processes runs, however it is left.

    Args:
        processes: each started with `start_new_session`; what is added within the block counts.
    """
    with terminable():
        try:
            yield
        finally:
            stop(processes)


def stop(
    processes: "Collection[subprocess.Popen[Any]]", grace: float = GRACE, whole_session: bool = True
) -> None:
    """End the processes: asked first, then killed.

    Args:
        processes: running, or ended already.
        grace: seconds between the two.
        whole_session: each leads a session, and whatever is in it ends, too.
    """
    send = send_to_session if whole_session else subprocess.Popen.send_signal
    for process in processes:
        send(process, signal.SIGTERM)
    deadline = time.monotonic() + grace
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        send(process, signal.SIGKILL)
        process.wait()


def send_to_session(process: "subprocess.Popen[Any]", number: int) -> None:
    """Send a signal to the process and what it has started; it may have ended before them."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)  # its session's group outlives it as long as anything is in it
