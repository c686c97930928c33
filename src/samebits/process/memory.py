"""Memory that nobody wrote: filled before it is handed out, so that a program that reads it shows.

glibc reads MALLOC_PERTURB_ and fills what it allocates, for every library, with the complement of its byte.
The variable is in no fingerprint: a program that reads only what it wrote does not see it.
"""

import os

VARIABLE = "MALLOC_PERTURB_"
BYTE = 0x7F  # neither zero, which fresh memory is, nor a small number
FILLED = {VARIABLE: str(BYTE ^ 0xFF)}


def filled() -> bool:
    """Whether it is."""
    return os.environ.get(VARIABLE, "0") not in ("", "0")
