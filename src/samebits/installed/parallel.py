"""Work on many files at once, with one process for each core that this process may use."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from samebits._progress import bar
from samebits.errors import CheckFailed

Item = TypeVar("Item")
Result = TypeVar("Result")
BYTES, ITEMS = 1 << 26, 64  # at most this much in one chunk: large files get a chunk of their own


def each(
    function: Callable[[Sequence[Item]], list[Result]],
    items: Sequence[Item],
    size: Callable[[Item], int],
    description: str,
) -> list[Result]:
    """Call `function` with chunks of `items` in worker processes, and join the lists that it returns.

    Args:
        function: a function of a module, so that it can be named to another process.
        items: in any order; the largest are begun first, so that no core waits for them at the end.
        size: of an item, in bytes.
        description: what the progress bar says.

    Raises:
        CheckFailed: a worker was killed.
    """
    chunks = list(_chunks(sorted(items, key=size, reverse=True), size))
    workers = min(len(os.sched_getaffinity(0)), len(chunks))
    if workers <= 1:
        return [result for chunk in bar(chunks, description) for result in function(chunk)]
    # Forked before any thread starts; `spawn` would import the main script again, which may have no guard.
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(workers, context, initializer=signal.signal, initargs=_QUIET)
    try:
        lists = bar(pool.map(function, chunks), description, len(chunks))
        return [result for results in lists for result in results]
    except BrokenProcessPool:
        raise CheckFailed(f"{description}: a worker process was killed; is there enough memory?") from None
    finally:
        pool.shutdown(cancel_futures=True)


_QUIET = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer, once


def _chunks(items: Sequence[Item], size: Callable[[Item], int]) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    total = 0
    for item in items:
        more = size(item)  # once: it may ask the file system
        if chunk and (len(chunk) == ITEMS or total + more > BYTES):
            yield chunk
            chunk, total = [], 0
        chunk.append(item)
        total += more
    if chunk:
        yield chunk
