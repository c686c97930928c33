"""The states of the global generators, as digests, and between which places they moved; no draw is made.

They are read at each place where a training is looked at, so fast: NumPy's and Python's functions convert 624
words one by one. Only a state that is another one than at the last look gets a digest.
"""

import ctypes
import functools
import struct
import sys
from types import FrameType
from typing import Any

import torch
import xxhash

from samebits.record.moves import Moves

TWISTER = 625 * 4  # bytes of a Mersenne twister's words, with its position

State = tuple[Any, ...]


class Generators(Moves):
    """The global generators of this process: of Python, NumPy, torch on the CPU, and each CUDA device."""

    def __init__(self) -> None:
        super().__init__()
        self._states: dict[str, State] = {}
        self._digests: dict[str, str] = {}
        self.look("", None)
        self.take()

    def look(self, during: str, frame: FrameType | None) -> dict[str, str]:
        """Read the states.

        Args:
            during: what was done since the last look; CODE: nothing that is known, so lines are told.
            frame: the user's code is in it, or above it.

        Returns:
            By "python", "numpy", "torch", "cuda:0", the digest of each state; those of libraries that were
            not imported are not there.
        """
        here = self.here(frame)
        for name, state in _states():
            if (before := self._states.get(name)) != state:
                self._states[name] = state  # a copy
                self._digests[name] = _digest(state)
                if before is not None or name.startswith("cuda"):
                    self.add(name, self._digests[name], during, here)
        self.arrive(here)
        return dict(self._digests)


def generators() -> dict[str, str]:
    """The digest of each global generator's state now, as `Generators.look` returns them."""
    return {name: _digest(state) for name, state in _states()}


def _states() -> list[tuple[str, State]]:
    """Each state as bytes, and whatever else it consists of."""
    of_torch = torch.default_generator.get_state()
    states: list[tuple[str, State]] = [("torch", (ctypes.string_at(of_torch.data_ptr(), len(of_torch)),))]
    if (python := sys.modules.get("random")) is not None:
        states.append(("python", _of_python(python)))
    if (numpy := sys.modules.get("numpy.random")) is not None:
        states.append(("numpy", _of_numpy(numpy)))
    if torch.cuda.is_initialized():  # asking for more would spoil a fork
        for number in range(torch.cuda.device_count()):
            state = torch.cuda.get_rng_state(number)
            states.append((f"cuda:{number}", (ctypes.string_at(state.data_ptr(), len(state)),)))
    return states


def _digest(state: State) -> str:
    first, *others = state
    return xxhash.xxh3_128_hexdigest(first + repr(others).encode() if others else first)


def _of_python(module: Any) -> State:
    """The position of the state and its words as bytes, its version, and half a pair of normal numbers."""
    if "numpy.random" in sys.modules and (twister := _pythons_twister()):
        return _memory(twister, TWISTER).raw, module._inst.VERSION, module._inst.gauss_next
    version, words, half = module.getstate()
    return struct.pack(f"={len(words)}I", words[-1], *words[:-1]), version, half


def _of_numpy(module: Any) -> State:
    rand = module.mtrand._rand
    bits, half = rand._bit_generator, _numpys_half()
    if half and type(bits).__name__ == "MT19937" and type(rand).__name__ == "RandomState":
        there, number = struct.unpack("=i4xd", _memory(id(rand) + half, 16).raw)
        memory = _memory(bits.ctypes.state_address, TWISTER).raw
        return memory, struct.pack("=d", number) if there else None
    state = module.get_state(legacy=False)
    return repr(_plain(state)).encode(), type(bits).__name__


@functools.cache
def _pythons_twister() -> int:
    from samebits.torch.generators import PYTHONS_TWISTER  # imports NumPy

    return PYTHONS_TWISTER


@functools.lru_cache(16)
def _memory(address: int, size: int) -> Any:
    """Bytes of this process, of an object that is there whenever they are read."""
    return (ctypes.c_char * size).from_address(address)


@functools.cache
def _numpys_half() -> int:
    """Where NumPy's `RandomState` has half a pair of normal numbers: bytes from its beginning, 0 if nowhere.

    A flag stands there, and 8 bytes behind it the number. No function of NumPy's reads them without the 624
    words, so their place is looked for in an object whose half is known.
    """
    from numpy.random import RandomState

    probe = RandomState(1)
    probe.standard_normal()
    half = struct.pack("=d", probe.get_state(legacy=False)["gauss"])
    size: int = RandomState.__basicsize__
    at = ctypes.string_at(id(probe), size).find(half) - 8
    if at < object.__basicsize__ or at % 8 or _flag(probe, at) != 1:
        return 0
    probe.standard_normal()
    return at if _flag(probe, at) == 0 else 0


def _flag(rand: Any, at: int) -> int:
    return ctypes.c_int.from_address(id(rand) + at).value


def _plain(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    return state.tolist() if hasattr(state, "tolist") else state
