"""Solvers are programs of their own: how they are started, and what is said when they fail."""

import re
import subprocess
import sys
import time
from collections.abc import Sequence

from samebits.errors import CheckFailed

# The cross, lines and arrows that uv sets around its messages.
DRAWING = re.compile("[\u00d7\u2500-\u25ff]+ ?")
# What solvers say when an index, a channel or a proxy does not answer.
UNREACHABLE = re.compile(
    "NameResolution|Failed to resolve|dns error|Could not resolve|Temporary failure|ConnectionError|"
    "Connection refused|ConnectTimeout|Max retries|timed out|sending request|Failed to fetch|SSLError|"
    "ProxyError|HTTPError"
)


def run(
    words: Sequence[str], failing: str, environment: dict[str, str] | None = None, doing: str = ""
) -> str:
    """Run a command and return what it prints.

    Args:
        words: the command.
        failing: what did not happen, if it fails.
        environment: all of its variables; this process's own if None.
        doing: what takes long, said on stderr; on a terminal with the seconds that it has taken so far.

    Raises:
        CheckFailed: it failed; the line begins with `failing` and ends with what the command said.
    """
    try:
        done = (_waited if doing else _finished)(words, environment, doing)
        done.check_returncode()
    except OSError as error:
        raise CheckFailed(f"{failing}: {words[0]}: {error.strerror}") from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip() or error.stdout.strip()).splitlines()
        trace = next((i for i, line in enumerate(said) if line.startswith("Traceback")), None)
        if trace is not None:  # conda-lock prints the solver's reason before its own traceback
            reason = next((i for i in range(trace) if said[i].startswith("Could not")), None)
            said = said[-1:] if reason is None else said[reason:trace][:4]
        raise CheckFailed(f"{failing}: {DRAWING.sub('', ' '.join(said[-12:]))}") from None
    return done.stdout


def _finished(
    words: Sequence[str], environment: dict[str, str] | None, _: str
) -> subprocess.CompletedProcess[str]:
    """A command that has ended, with what it printed."""
    return subprocess.run(words, env=environment, capture_output=True, text=True)


def _waited(
    words: Sequence[str], environment: dict[str, str] | None, doing: str
) -> subprocess.CompletedProcess[str]:
    """The same, and meanwhile somebody sees that it runs."""
    pipe, terminal, began = subprocess.PIPE, sys.stderr.isatty(), time.monotonic()
    print(f"samebits: {doing}", end="" if terminal else "\n", file=sys.stderr, flush=True)
    with subprocess.Popen(words, env=environment, stdout=pipe, stderr=pipe, text=True) as started:
        try:
            while True:
                try:
                    said, complained = started.communicate(timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    if terminal:
                        seconds = time.monotonic() - began
                        print(f"\rsamebits: {doing} ({seconds:.0f} s)", end="", file=sys.stderr, flush=True)
        except BaseException:
            started.kill()
            raise
        finally:
            if terminal:
                print(file=sys.stderr)
    return subprocess.CompletedProcess(words, started.returncode, said, complained)
