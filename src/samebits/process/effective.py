"""What Python and the libraries made of the variables, read back from those that are imported.

Libraries accept nonsense silently, so what was set is one thing and what is in force another. What a
framework made of them is in its own room, in a file of the same name.
"""

import json
import locale
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from samebits import framework
from samebits.process import cpu_kernels, started


@dataclass(frozen=True)
class InForce:
    """A value that a variable decides.

    Attributes:
        name: the variable of determinism.env.
        what: what was read back, in words.
        now: what it is.
        must: what it must be.
        undo: what to do where it is not; without it: remove the call that changed it.
    """

    name: str
    what: str
    now: object
    must: object
    undo: str = ""


def values() -> dict[str, object]:
    """What is in force, as plain JSON, with what imported frameworks and NumPy tell."""
    values: dict[str, object] = {
        "python": {
            "hash_randomization": bool(sys.flags.hash_randomization),
            "ignores_environment": bool(sys.flags.ignore_environment),
            "user_site": not sys.flags.no_user_site,
        },
        "locale": locale.setlocale(locale.LC_CTYPE),
        "time_zone": time.tzname[0],
    }
    for room in framework.effective_of_imported():
        values |= room.values()
    if numpy := imported("numpy", "_core"):
        features = numpy._core._multiarray_umath.__cpu_features__
        values["numpy"] = {"cpu_features": sorted(name for name, there in features.items() if there)}
        kept = ("internal_api", "version", "architecture", "threading_layer", "num_threads")
        pools = [{key: pool[key] for key in kept if key in pool} for pool in cpu_kernels.thread_pools()]
        values["thread_pools"] = [json.loads(pool) for pool in sorted(set(map(json.dumps, pools)))]
    return values


def in_force() -> Iterator[InForce]:
    """What imported frameworks and NumPy made of the variables, each with what it must be."""
    for room in framework.effective_of_imported():
        yield from room.in_force()
    if numpy := imported("numpy", "_core"):
        must = started.environment().get("OPENBLAS_NUM_THREADS")
        for pool in cpu_kernels.thread_pools():
            if pool["internal_api"] == "openblas":
                what = "OpenBLAS's number of threads"
                yield InForce("OPENBLAS_NUM_THREADS", what, pool["num_threads"], must)
        yield from kernels(cpu_kernels.chosen(numpy), cpu_kernels.PORTABLE)


def kernels(chosen: dict[str, tuple[str, str]], portable: dict[str, str]) -> Iterator[InForce]:
    """The kernels that a library chose by the CPU; in the profile `run` it may choose.

    Args:
        chosen: by variable: what is meant, and what is in force.
        portable: by variable: what must be in force in the profile `portable`.
    """
    if started.profile() == "portable":
        for name, (what, now) in chosen.items():
            yield InForce(name, what, now, portable[name], "set it before Python starts, not inside")


def imported(name: str, attribute: str) -> Any:
    """A module that is imported, and far enough to have `attribute`; else None."""
    module = sys.modules.get(name)
    return module if hasattr(module, attribute) else None
