"""samebits: train it twice, get the same bits; when you don't, be told where and why."""

from typing import TYPE_CHECKING

from samebits.lazy import lazy

if TYPE_CHECKING:  # for type checkers and editors; at run time the table below serves
    from samebits.data_files import data_sha256
    from samebits.errors import CheckFailed, SamebitsError, WrongUse
    from samebits.isolation import isolated_rng, stream
    from samebits.run import open_run
    from samebits.seeds import derive_seed, seed_everything
    from samebits.settings import main, option

__version__ = "0.1.0"
__all__ = [
    "CheckFailed",
    "SamebitsError",
    "WrongUse",
    "data_sha256",
    "derive_seed",
    "isolated_rng",
    "main",
    "open_run",
    "option",
    "seed_everything",
    "stream",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "CheckFailed": "errors",
        "SamebitsError": "errors",
        "WrongUse": "errors",
        "data_sha256": "data_files",
        "derive_seed": "seeds",
        "isolated_rng": "isolation",
        "main": "settings",
        "open_run": "run",
        "option": "settings",
        "seed_everything": "seeds",
        "stream": "isolation",
    },
)
