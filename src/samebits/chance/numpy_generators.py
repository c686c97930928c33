"""NumPy's generators without a seed.

Where no seed is given, NumPy asks one function of Python's for entropy. Only this one is replaced, so nothing
that a program can see is another object.
"""

import functools
import gc
import sys
from types import FrameType
from typing import Any

from samebits.chance import calls
from samebits.chance.made import note, prepare, source_at
from samebits.chance.never_fails import never_fails
from samebits.chance.places import place
from samebits.chance.records import RECORDS, Source
from samebits_lint.module import attribute

# They ask for entropy only where they were given no seed. (RandomState(5) asks first and is seeded then.)
WITHOUT_SEED = {"default_rng", "SeedSequence", "PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64", "seed"}
asked: set[int] = set()  # every entropy that NumPy was given
used: dict[int, bool] = {}  # those of live generators: whether they were drawn from


def watch() -> None:
    """Watch all of `numpy.random`."""
    bits: Any = sys.modules["numpy.random.bit_generator"]
    original = bits.randbits

    @functools.wraps(original)
    def randbits(number: int) -> int:
        entropy: int = original(number)
        _without_seed(entropy, sys._getframe(1))
        return entropy

    bits.randbits = randbits
    prepare.append(_look)


@never_fails
def _without_seed(entropy: int, frame: FrameType) -> None:
    where = place(frame)
    # numpy makes one while it is imported, and one for each that it unpickles.
    if where is None or where.library == "numpy":
        return
    call = calls.call_at(where.frame)
    name = attribute(call) if call is not None else ""
    given = [*call.args, *(each.value for each in call.keywords)] if call is not None else []
    sure = name in WITHOUT_SEED
    if name == "RandomState":
        sure = not given or calls.value_of(given[0], where.frame) is None
    if sure:
        what, fix = f"numpy.random.{name}() without a seed", f"numpy.random.{name}(seed)"
    else:
        what, fix = "a generator of numpy.random without a seed", "give it a seed"
    if where.user is None:  # while a library is imported: it counts if it is seen to be used
        sure = False
    asked.add(entropy)
    note(source_at(where, what, fix), entropy, functools.partial(used.get, entropy), sure)


def _look() -> None:
    """Find all live generators without a seed, and whether they were used: one pass over all objects."""
    numpy: Any = sys.modules["numpy.random"]
    used.clear()
    for generator in gc.get_objects():
        if not issubclass(type(generator), numpy.BitGenerator):  # isinstance() would run some objects' code
            continue
        seeds = generator.seed_seq
        entropy = getattr(seeds, "entropy", None)
        if isinstance(entropy, int) and entropy in asked:
            fresh = type(generator)(numpy.SeedSequence(entropy, spawn_key=seeds.spawn_key))
            used[entropy] = used.get(entropy, False) or _plain(generator.state) != _plain(fresh.state)


unseeded: dict[str, tuple[Any, Any]] = {}  # what is watched until it has a seed: as it was, and watched
SEEDS = ("seed", "set_state", "get_state")
GLOBAL_FIX = "numpy.random.seed(seed) before it"
GLOBAL = "NumPy's global generator before it had a seed"


def watch_global() -> None:
    """`numpy.random.rand` and the others, until they have a seed: in a run, where no line is looked at."""
    package: Any = sys.modules["numpy.random"]
    for name, original in list(vars(package).items()):
        if getattr(original, "__self__", None) is package.mtrand._rand:
            unseeded[name] = original, _watched(name, original)
            setattr(package, name, unseeded[name][1])


def _watched(name: str, original: Any) -> Any:
    @functools.wraps(original)
    def watched(*given: Any, **named: Any) -> Any:
        if name in SEEDS[:2] or (name in unseeded and has_seed()):
            leave_global()
        elif name in unseeded and name not in SEEDS:
            _drawn(sys._getframe(1))
        return original(*given, **named)

    return watched


@never_fails
def _drawn(frame: FrameType) -> None:
    where = place(frame)
    if where is None or where.user is None:
        return
    RECORDS.add(Source("global generator", GLOBAL, where.file, where.line, where.library, GLOBAL_FIX))


def leave_global() -> None:
    """They have a seed, and are as they were."""
    package: Any = sys.modules["numpy.random"]
    for name, (original, watched) in unseeded.items():
        if getattr(package, name) is watched:
            setattr(package, name, original)
    unseeded.clear()


def has_seed() -> bool:
    """NumPy's global generator forgets where its entropy came from when it is given a seed."""
    state = sys.modules["numpy.random"].mtrand._rand._bit_generator
    return getattr(state, "_seed_seq", None) is None


def global_was_drawn_from() -> bool:
    """Whether somebody drew from the global generator, which nobody gave a seed or a state."""
    numpy: Any = sys.modules["numpy.random"]
    state = numpy.mtrand._rand._bit_generator
    return not has_seed() and _plain(state.state) != _plain(type(state)(state._seed_seq).state)


def _plain(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    return state.tolist() if hasattr(state, "tolist") else state
