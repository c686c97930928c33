"""Assert which CUDA runtime and cuDNN are installed: cuda_versions.py CUDA CUDNN, as in 12.8.90 9.10.2.21.

Part of the image's build. The wheels' metadata must say exactly these versions, and the libraries, asked
through their own C functions (which need no GPU), must agree as far as they tell: CUDA to its minor version,
cuDNN to its patch level.
"""

import ctypes
import sys
from importlib.metadata import version
from pathlib import Path

SITE = Path(sys.prefix, "lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")


def cuda_runtime() -> str:
    """The CUDA runtime's own word, such as `12.8`."""
    number = ctypes.c_int()
    library = ctypes.CDLL(str(SITE / "nvidia/cuda_runtime/lib/libcudart.so.12"))
    status = library.cudaRuntimeGetVersion(ctypes.byref(number))
    if status != 0:
        sys.exit(f"samebits: cudaRuntimeGetVersion failed with status {status}: a damaged wheel?")
    return f"{number.value // 1000}.{number.value % 1000 // 10}"


def cudnn() -> str:
    """cuDNN's own word, such as `9.10.2`."""
    library = ctypes.CDLL(str(SITE / "nvidia/cudnn/lib/libcudnn.so.9"))
    library.cudnnGetVersion.restype = ctypes.c_size_t
    number = library.cudnnGetVersion()
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def main() -> None:
    """Compare, and leave with status 1 and one line on the first difference."""
    if len(sys.argv) != 3:
        sys.exit("samebits: usage: cuda_versions.py CUDA CUDNN, as in `cuda_versions.py 12.8.90 9.10.2.21`")
    for wheel, wanted, library in (
        ("nvidia-cuda-runtime-cu12", sys.argv[1], cuda_runtime),
        ("nvidia-cudnn-cu12", sys.argv[2], cudnn),
    ):
        in_wheel, own_word = version(wheel), library()
        if in_wheel != wanted or not f"{wanted}.".startswith(f"{own_word}."):
            sys.exit(
                f"samebits: the build was told {wheel} {wanted}, but its wheel says {in_wheel} and its "
                f"library {own_word}; `make image` passes what requirements.lock has"
            )
        print(f"{wheel} {in_wheel}: its library says {own_word}")


if __name__ == "__main__":
    main()
