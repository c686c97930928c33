"""Python's generators without a seed.

`random.Random` stays the class that it is and gets other methods: subclasses and pickles notice nothing.
"""

import functools
import random
import sys
import weakref
from types import FrameType
from typing import Any

from samebits.chance import entropy
from samebits.chance.made import decided, note, source_at
from samebits.chance.never_fails import never_fails
from samebits.chance.places import place
from samebits.chance.records import RECORDS, Source
from samebits.chance.seeds import seeded
from samebits.process.code_owner import owner

SYSTEM = "random.SystemRandom"
GLOBAL = getattr(random, "_inst", None)  # whose methods `random.random` and the others are
unseeded: dict[str, tuple[Any, Any]] = {}  # what is watched until it has a seed: as it was, and watched


def watch() -> None:
    """Watch `random.Random`, `random.seed` and `random.SystemRandom`."""
    seed, setstate = random.Random.seed, random.Random.setstate

    @functools.wraps(seed)
    def watched_seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        seed(self, a, version)
        if self is GLOBAL:
            leave_global()
        if a is None:
            _without_seed(self, sys._getframe(1))
        else:
            decided(id(self))
            seeded(a, sys._getframe(1), "random")

    @functools.wraps(setstate)
    def watched_setstate(self: random.Random, state: Any) -> None:
        setstate(self, state)
        if self is GLOBAL:
            leave_global()
        decided(id(self))

    random.Random.seed = watched_seed  # type: ignore[method-assign]
    random.Random.setstate = watched_setstate  # type: ignore[method-assign]
    if GLOBAL is not None:
        random.seed, random.setstate = GLOBAL.seed, GLOBAL.setstate
    for name in ("random", "getrandbits", "randbytes"):
        _watch_system(name)


@never_fails
def _without_seed(generator: random.Random, frame: FrameType) -> None:
    where = place(frame)
    # Libraries draw names of what they make from generators of Python's that they keep.
    if where is None or where.user is None:
        return
    own = generator is GLOBAL
    what, fix = ("random.seed()", "random.seed(seed)") if own else ("random.Random()", "random.Random(seed)")
    state, reference = random.Random.getstate(generator), weakref.ref(generator)

    def used() -> bool | None:
        there = reference()
        return None if there is None else random.Random.getstate(there) != state

    note(source_at(where, f"{what} without a seed", fix), id(generator), used)


def _watch_system(name: str) -> None:
    original = getattr(random.SystemRandom, name)

    @functools.wraps(original)
    def watched(self: Any, *arguments: Any) -> Any:
        frame = sys._getframe(1)
        # That of `secrets` makes names and seeds: a seed is named where it is given.
        own = self is not getattr(sys.modules.get("secrets"), "_sysrand", None)
        number = original(self, *arguments)
        if isinstance(number, int) and owner(frame.f_code.co_filename) != "samebits":  # NumPy asks through it
            entropy.remember(number, arguments[0], SYSTEM if own else "secrets")
        elif isinstance(number, bytes):
            entropy.remember_bytes(number, SYSTEM if own else "secrets")
        if own and (where := place(frame)) is not None and not where.library:
            RECORDS.add(source_at(where, SYSTEM, "random.Random(seed)"))
        return number

    setattr(random.SystemRandom, name, watched)


def watch_global() -> None:
    """`random.random` and the others, until they have a seed. Keras takes its layers' seeds from them."""
    for name, original in list(vars(random).items()):
        if getattr(original, "__self__", None) is GLOBAL and name not in ("seed", "getstate", "setstate"):
            unseeded[name] = original, _watched(name, original)
            setattr(random, name, unseeded[name][1])


def leave_global() -> None:
    """They have a seed, and are as they were."""
    for name, (original, watched) in unseeded.items():
        if getattr(random, name) is watched:
            setattr(random, name, original)
    unseeded.clear()


def _watched(name: str, original: Any) -> Any:
    @functools.wraps(original)
    def watched(*given: Any, **named: Any) -> Any:
        if name in unseeded:
            _drawn(sys._getframe(1))
        return original(*given, **named)

    return watched


@never_fails
def _drawn(frame: FrameType) -> None:
    where = place(frame)
    # Other libraries draw names and pauses from it.
    if where is None or where.user is None or where.library not in ("", "keras"):
        return
    fix = "keras.utils.set_random_seed(seed) before it" if where.library else "random.seed(seed) before it"
    source = "Python's global generator before it had a seed"
    RECORDS.add(Source("global generator", source, where.file, where.line, where.library, fix))
