"""Let TensorFlow find every CUDA library among the locked wheels."""

import ctypes
import importlib.util
import os
from pathlib import Path

DRIVERS = ("/dev/nvidiactl", "/dev/dxg")  # Linux, and Linux under Windows


def load_cusolver() -> None:
    """Load cuSOLVER from its wheel, so that TensorFlow finds it by name; without a GPU's driver do nothing.

    TensorFlow 2.21 opens its CUDA libraries from libtensorflow_framework, whose RUNPATH leads to the wheels
    of all of them but cuSOLVER. Without it TensorFlow registers no GPU and trains on the CPU, which one line
    among its warnings says; a process that imports torch first never notices. What is already loaded is found
    by its name, whatever the RUNPATH. Call this before TensorFlow looks for devices.
    """
    if any(map(os.path.exists, DRIVERS)):
        load("cusolver")


def load(library: str) -> None:
    """Load `nvidia/LIBRARY/lib/libLIBRARY.so.N`, if the environment has that wheel."""
    package = importlib.util.find_spec("nvidia")
    for folder in (package and package.submodule_search_locations) or ():
        for file in Path(folder, library, "lib").glob(f"lib{library}.so.*"):
            ctypes.CDLL(str(file))
