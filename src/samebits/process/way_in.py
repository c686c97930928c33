"""How samebits gets into a process that knows nothing of it: a file that Python executes when it starts.

It is samebits_begin.pth, beside the packages. Python reads such files in the folder of installed packages,
unless it is started with `-S`; `-I` and `-E` change nothing.
"""

import shlex
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from samebits.process.variables import PACKAGE

NAME = "samebits_begin.pth"
SOURCE = PACKAGE.parent / NAME


def nowhere(command: Sequence[str], done: str) -> str:
    """One line for a command in which no process was reached.

    Args:
        command: its words.
        done: what was wanted, such as "watched".
    """
    installed = Path(sysconfig.get_path("purelib"), NAME)
    old = installed.exists() and SOURCE.exists() and installed.read_bytes() != SOURCE.read_bytes()
    if old or not installed.exists():
        what = "of an older version" if old else "not beside the packages"
        return (
            f"no process was {done}: {NAME} is {what} in {sys.prefix}: install samebits again (in a clone: "
            "`make env`)"
        )
    return (
        f"no process was {done}: `{shlex.join(command)}` started no Python in which samebits is installed, "
        f"or it started Python with -S; this is {sys.executable}"
    )
