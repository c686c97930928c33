"""The way of `samebits watch`, `record` and `twice` into a process: samebits_begin.pth imports this.

The installer puts that file beside the packages, where Python executes it in every process that has samebits:
without a change of the script, of PYTHONPATH or of sitecustomize, and also with `python -I`. Where none
of its variables is set, which is nearly always, it does nothing.
"""

import os
import sys


def _begin() -> None:
    try:
        if folder := os.environ.get("SAMEBITS_WATCH"):
            from samebits.chance.begin import begin

            begin(folder)
        if folder := os.environ.get("SAMEBITS_RECORD"):
            from samebits.record import begin as record

            record.begin(folder)
        if folder := os.environ.get("SAMEBITS_TWICE"):
            from samebits.twice import begin as twice

            twice.begin(folder)
    except ImportError as error:  # installed without what it needs
        print(f"samebits: cannot look at this process ({sys.executable}): {error}", file=sys.stderr)


_begin()
