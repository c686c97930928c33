"""The frameworks that samebits knows, and its own room for each."""

import importlib
import importlib.metadata
import importlib.util
from types import ModuleType

from samebits import _extras
from samebits.errors import WrongUse

FRAMEWORKS = {"torch": "torch", "keras": "tensorflow"}  # the framework, and the module that must be there


def load_toolkit(framework: str) -> ModuleType:
    """samebits' own module for a framework.

    Args:
        framework: "torch" or "keras".

    Raises:
        WrongUse: samebits knows no such framework, or it is not installed here.
    """
    if framework not in (installed := _installed()):
        if framework in FRAMEWORKS and importlib.util.find_spec(f"samebits.{framework}"):
            _extras.need(FRAMEWORKS[framework])
        if not installed:
            raise WrongUse(
                "no framework is installed: `pip install 'samebits[torch]'`, or samebits[keras], brings one"
            )
        there = " or ".join(map(repr, installed))
        what = "is not installed here" if framework in FRAMEWORKS else "is none that samebits knows"
        raise WrongUse(f"framework {framework!r} {what}: give one of those installed, {there}")
    return importlib.import_module(f"samebits.{framework}")


def _installed() -> list[str]:
    """The frameworks that are there, and samebits' part for them, which a project of one leaves out."""
    return [
        name
        for name, module in FRAMEWORKS.items()
        if importlib.util.find_spec(module) and importlib.util.find_spec(f"samebits.{name}")
    ]
