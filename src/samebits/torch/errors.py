"""What torch cannot repeat, and what it lacks around it, in one line.

It lacks shared memory for data workers, or a compiler for torch.compile.
"""

import re

from samebits._instead import instead
from samebits.process import shared_memory
from samebits.torch import portable

# Words of torch's, Inductor's or Triton's messages. Torch reserves shared memory before it writes to it, and
# complains when there is too little; where the file system cannot reserve, the worker dies of SIGBUS.
NO_SHARED_MEMORY = re.compile(r"unable to allocate shared memory|killed by signal: Bus error")
NO_COMPILER = re.compile(r"No working C\+\+ compiler found|Failed to find C compiler")
NO_HEADERS = re.compile(r"\bPython\.h: No such file")

INSTALL = "`make image TARGET=compile` builds the image with it; elsewhere: apt-get install g++ python3-dev"

_MESSAGE = re.compile(r"(.+?) does not have a deterministic implementation")


def explain(error: BaseException) -> str | None:
    """One line about an operation that has no deterministic kernel, or about what torch lacks around it.

    Args:
        error: what torch raised.

    Returns:
        The operation's name and, where one is known, what to use instead; or what is missing (shared memory
        for data workers, a compiler) and how to get it; None if the error is about something else.
    """
    if missing := explain_lacking(error):
        return missing
    if refused := portable.explain(error):
        return refused
    match = isinstance(error, RuntimeError) and _MESSAGE.match(str(error))
    if not match:
        return None
    operation = match[1]
    if fix := instead(operation):
        return f"{operation} has no deterministic kernel; use {fix}"
    return f"{operation} has no deterministic kernel; compute it on the CPU, or in another way"


def explain_lacking(error: BaseException) -> str | None:
    """One line about what is missing around torch, and how to get it.

    Args:
        error: what torch raised; for a data worker, what its parent raised.

    Returns:
        None if the error is about something else.
    """
    message = str(error)
    # Without /dev/shm there are no semaphores either; that error names no file.
    no_semaphore = isinstance(error, OSError) and error.filename is None and shared_memory.size() is None
    if NO_SHARED_MEMORY.search(message) or no_semaphore:
        return f"the data workers lack shared memory ({shared_memory.described()}): {shared_memory.FIX}"
    if NO_COMPILER.search(message):
        return f"torch.compile needs a C++ compiler, and there is none: {INSTALL}"
    if NO_HEADERS.search(message):
        return f"torch.compile needs Python's C headers, and there are none: {INSTALL}"
    return None
