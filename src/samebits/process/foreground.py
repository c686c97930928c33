"""A command of the user's that runs in the foreground, as if the user's shell had started it."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from samebits.errors import UsageError


def run(words: Sequence[str], environment: Mapping[str, str], quiet: bool = False) -> int:
    """Run a command to its end; signals reach it. Returns its status as a shell would give it.

    Args:
        words: the command.
        environment: all of its variables.
        quiet: leave stdout alone, write its output to stderr.

    Raises:
        UsageError: it cannot be started.
    """
    sys.stdout.flush()
    try:
        process = subprocess.Popen(words, env=environment, stdout=sys.stderr if quiet else None)
    except OSError as error:
        raise UsageError(f"cannot start {words[0]}: {error.strerror}") from None
    former = [
        (number, signal.signal(number, lambda number, frame: process.send_signal(number)))
        for number in (signal.SIGTERM, signal.SIGHUP)
    ]
    try:
        while True:
            try:
                status = process.wait()
                break
            except KeyboardInterrupt:  # the terminal told the command as well, which ends as it wants
                continue
    finally:
        for number, handler in former:
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status
