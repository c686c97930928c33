"""samebits: train it twice, get the same bits; when you don't, be told where and why."""

from typing import TYPE_CHECKING

from samebits._lazy import lazy

if TYPE_CHECKING:  # for type checkers and editors; at run time the table below serves
    from samebits.errors import CheckFailed, SamebitsError, UsageError
    from samebits.fingerprint.data import data_sha256
    from samebits.rng.isolation import isolated_rng, stream
    from samebits.rng.seeds import derive_seed, seed_everything
    from samebits.run.option import option
    from samebits.run.options import RunSettings
    from samebits.run.program import main
    from samebits.run.run import open_run

__version__ = "0.1.0"
__all__ = [
    "CheckFailed",
    "RunSettings",
    "SamebitsError",
    "UsageError",
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
        "RunSettings": "run.options",
        "SamebitsError": "errors",
        "UsageError": "errors",
        "data_sha256": "fingerprint.data",
        "derive_seed": "rng.seeds",
        "isolated_rng": "rng.isolation",
        "main": "run.program",
        "open_run": "run.run",
        "option": "run.option",
        "seed_everything": "rng.seeds",
        "stream": "rng.isolation",
    },
)
