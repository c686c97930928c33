"""Packages that may be missing where samebits is installed: one line says what to install."""

import importlib.util

from samebits import _excepthook
from samebits.errors import UsageError

CORE = ("click", "numpy", "packaging", "rich", "threadpoolctl", "xxhash")  # pyproject.toml's dependencies
EXTRAS = {  # module: the extra of pyproject.toml that brings it
    "torch": "torch",
    "tensorflow": "keras",
    "keras": "keras",
    "matplotlib": "plots",
    "lightning": "lightning",
    "accelerate": "huggingface",
    "transformers": "huggingface",
}


class MissingPackage(UsageError, ModuleNotFoundError):  # noqa: N818
    """A package is needed that is not installed; the text names the extra of samebits that brings it."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        _excepthook.explain_uncaught(explain, alone=True)  # in a user's script, too, it is one line


def need(*modules: str) -> None:
    """Check that modules can be imported, without importing them.

    Args:
        modules: top-level names of CORE or EXTRAS.

    Raises:
        MissingPackage: one is not installed.
    """
    for module in modules:
        if line := missing(module):
            raise MissingPackage(line)


def missing(module: str) -> str:
    """The line about a module of CORE or EXTRAS that is not installed; empty when it is."""
    return _line(module) if importlib.util.find_spec(module) is None else ""


def explain(error: BaseException) -> str | None:
    """The line about a package of CORE or EXTRAS that is not installed, None about any other error."""
    if isinstance(error, MissingPackage):
        return str(error)
    module = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    return _line(module) if module in CORE or module in EXTRAS else None


def _line(module: str) -> str:
    wanted = f"samebits[{EXTRAS[module]}]" if module in EXTRAS else "samebits"
    return f"{module} is not installed: `pip install '{wanted}'` brings it"
