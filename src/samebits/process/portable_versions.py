"""The versions with which PROFILE=portable was shown to give the same bits on other CPUs."""

import importlib.metadata

from samebits.errors import WrongUse

# Another version may compute otherwise. Add one here, and it stays if `make portable-proof` then passes.
SHOWN = {
    "torch": ("2.10.0",),
    "tensorflow": ("2.21.0",),
    "keras": ("3.15.1",),
    "numpy": ("2.4.6",),
}


def refuse_unshown(*packages: str) -> None:
    """Check that the profile was shown with the versions that are installed.

    Args:
        packages: names of SHOWN.

    Raises:
        WrongUse: naming the first package with another version, and the versions that were shown.
    """
    for package in packages:
        version = importlib.metadata.version(package).partition("+")[0]
        if version not in SHOWN[package]:
            shown = " and ".join(SHOWN[package])
            raise WrongUse(
                f"PROFILE=portable was shown with {package} {shown}, and {version} is installed: install "
                "that version, or unset PROFILE"
            )
