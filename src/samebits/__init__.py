"""samebits: train it twice, get the same bits; when you don't, be told where and why.

Names are loaded when they are first used: `import samebits` imports no framework and takes milliseconds.
"""

import importlib

_HOME = {
    "CheckFailed": "samebits.errors",
    "SamebitsError": "samebits.errors",
    "WrongUse": "samebits.errors",
    "derive_seed": "samebits.seeds",
    "isolated_rng": "samebits.isolation",
    "main": "samebits.settings",
    "open_run": "samebits.run",
    "option": "samebits.settings",
    "seed_everything": "samebits.seeds",
    "stream": "samebits.isolation",
}

__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'samebits' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
