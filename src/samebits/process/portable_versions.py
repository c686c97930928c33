"""The versions with which PROFILE=portable was shown to give the same bits on other CPUs."""

import importlib.metadata
from collections.abc import Mapping

from samebits.errors import UsageError

# Another version may compute in another way. Add one, here or in a framework's `portable`, and it stays if
# `make portable-proof` then passes.
NUMPY = {"numpy": ("2.4.6",)}


def refuse_unshown(shown: Mapping[str, tuple[str, ...]]) -> None:
    """Check that the profile was shown with the versions that are installed.

    Args:
        shown: by package, the versions; NumPy's stand here.

    Raises:
        UsageError: naming the first package with another version, and the versions that were shown.
    """
    for package, versions in {**shown, **NUMPY}.items():
        version = importlib.metadata.version(package).partition("+")[0]
        if version not in versions:
            raise UsageError(
                f"PROFILE=portable is verified with {package} {' and '.join(versions)}, and {version} is "
                "installed: install that version, or unset PROFILE"
            )
