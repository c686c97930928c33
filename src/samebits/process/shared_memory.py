"""/dev/shm, through which torch's data workers hand batches over. Containers get little of it."""

import os

FOLDER = "/dev/shm"
ENOUGH = 256_000_000  # bytes; Docker gives 64 MB, which some dozens of photographs fill
FIX = (
    "give the container more (`docker run --shm-size 2g`; Kubernetes: an emptyDir with `medium: Memory` on "
    f"{FOLDER}), or use smaller batches or fewer workers"
)


def size() -> int | None:
    """How many bytes it holds in all; None where there is none (`docker run --ipc none`)."""
    try:
        status = os.statvfs(FOLDER)
    except OSError:
        return None
    return status.f_blocks * status.f_frsize


def described() -> str:
    """What is there, in words: "/dev/shm holds 64 MiB"."""
    bytes_ = size()
    return f"there is no {FOLDER}" if bytes_ is None else f"{FOLDER} holds {bytes_ >> 20} MiB"
