"""What torch cannot repeat, and what it lacks around it, in one line.

It lacks shared memory for data workers, or a compiler for torch.compile.
"""

import re

from samebits.process import shared_memory
from samebits.torch import portable

# Words of torch's, Inductor's or Triton's messages. Torch reserves shared memory before it writes to it, and
# complains when there is too little; where the file system cannot reserve, the worker dies of SIGBUS.
NO_SHARED_MEMORY = re.compile(r"unable to allocate shared memory|killed by signal: Bus error")
NO_COMPILER = re.compile(r"No working C\+\+ compiler found|Failed to find C compiler")
NO_HEADERS = re.compile(r"\bPython\.h: No such file")

INSTALL = "`make image TARGET=compile` builds the image with it; elsewhere: apt-get install g++ python3-dev"

# What torch's message calls an operation, as a regular expression, and what to use instead. The alternatives
# are deterministic on CUDA with torch 2.10; the list of operations is that of
# `torch.use_deterministic_algorithms`.
INSTEAD = {
    r"put_": "index_put_(indices, values), or put_(…, accumulate=True) on the CPU",
    r"max_unpooling\dd.*": "scatter_ with the indices that max_pool returns, or torch.nn.ConvTranspose",
    r"upsample_(linear|bilinear|bicubic|trilinear).*": "interpolate(mode='nearest') or ConvTranspose",
    r"reflection_pad\dd.*": "pad(mode='replicate') or 'constant', or torch.cat of flipped slices",
    r"adaptive_avg_pool\dd.*": "avg_pool with a fixed kernel size, or mean() where the output size is 1",
    r"avg_pool3d.*": "conv3d with a constant kernel, or reshape and mean",
    r"(adaptive_|fractional_)?max_pool\dd.*": "unfold and amax",
    r"nll_loss2d.*": "reshape to (N·H·W, C) and the loss over two dimensions",
    r"ctc_loss.*": "the loss on the CPU: ctc_loss(log_probs.cpu(), …)",
    r"embedding_bag.*": "mode='sum' or 'mean', or an embedding followed by amax",
    r"_?histc.*": "torch.histogram on the CPU, or bincount of whole numbers",
    r"_?bincount.*": "one_hot(…).T @ weights, or index_add_",
    r"median.*": "sort and take the middle, or median() on the CPU",
    r"kthvalue.*": "sort and take the k-th",
    r"grid_sampler.*": "the gather of four neighbours by index, or grid_sample on the CPU",
    r"cumsum.*": "a product with a triangular matrix of ones, or cumsum on the CPU",
    r"scatter_reduce.*|index_reduce.*": "reduce='sum', 'mean', 'amax' or 'amin'",
    r"quantized_resize.*": "a new tensor of the right size",
    # The default reads, on a CPU, an order of columns that nobody wrote.
    r"linalg_lstsq": "torch.linalg.lstsq(…, driver='gelsd')",
    # Deterministic mode has another kernel for it, also on a CPU with several threads.
    r"_?index_put(_impl)?_?": "torch.use_deterministic_algorithms(True), or index_add_ on one dimension",
}

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


def instead(operation: str) -> str:
    """What to use instead of an operation that does not repeat; "" where nothing is known.

    Args:
        operation: its name, with or without its namespace: "index_put_", "aten::index_put_".
    """
    name = operation.rpartition("::")[2]
    return next((fix for pattern, fix in INSTEAD.items() if re.fullmatch(pattern, name)), "")


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
