"""What torch lacks around it is told in one line, in place of its traceback."""

import shutil
from pathlib import Path

import pytest
from tests.conftest import one_line

from samebits.process import shared_memory
from samebits.torch import explain

COMPILES = """
import torch, samebits, samebits.torch
samebits.torch.make_deterministic()
model = torch.compile(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU()))
print(model(torch.ones(2, 3)).shape)
"""


def test_shared_memory_is_explained() -> None:
    """Messages of torch 2.10, as a parent raises them again for its data workers."""
    worker = (
        "Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
    )
    for message in (
        f"{worker}RuntimeError: unable to allocate shared memory(shm) for file </torch_1_2_0>: "
        "Resource temporarily unavailable (11)",
        "DataLoader worker (pid 24) is killed by signal: Bus error. It is possible that dataloader's workers "
        "are out of shared memory. Please try to raise your shared memory limit.",
    ):
        line = explain(RuntimeError(message)) or ""
        assert "/dev/shm holds" in line
        assert "--shm-size" in line
    assert explain(RuntimeError("DataLoader worker (pid 24) is killed by signal: Killed.")) is None


def test_no_shared_memory_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """`docker run --ipc none`: the operating system's error names no file."""
    error = FileNotFoundError(2, "No such file or directory")
    assert explain(error) is None
    monkeypatch.setattr(shared_memory, "size", lambda: None)
    assert "there is no /dev/shm" in (explain(error) or "")
    assert explain(FileNotFoundError(2, "No such file or directory", "data.csv")) is None


def test_torch_compile_without_a_compiler_says_so_in_one_line(start, tmp_path: Path) -> None:
    """On a PATH that has everything but compilers."""
    for name in ("cat", "dirname", "id", "sh", "uname"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    # torch sets the last one in the process of the tests, and the entrypoint would remark on it.
    done = start(
        "python", "-c", COMPILES, PATH=str(tmp_path), CXX=None, CC=None, TORCHINDUCTOR_CACHE_DIR=None
    )
    assert done.returncode == 1
    assert "needs a C++ compiler, and there is none: `make image TARGET=compile`" in one_line(done.stderr)


def test_triton_without_a_compiler_says_so_in_one_line(start, tmp_path: Path) -> None:
    """As Triton looks for one before its first kernel runs; no GPU is needed for that."""
    code = (
        "import samebits.torch; samebits.torch.make_deterministic()\n"
        "from triton.runtime.build import _build\n"
        "_build('name', 'main.c', '.', [], [], [], [])\n"
    )
    (tmp_path / "cat").symlink_to(shutil.which("cat") or "cat")
    done = start("python", "-c", code, PATH=str(tmp_path), CC=None, TORCHINDUCTOR_CACHE_DIR=None)
    assert done.returncode == 1
    assert "needs a C++ compiler, and there is none" in one_line(done.stderr)


def test_python_headers_are_named() -> None:
    said = "C++ compile error\nmain.cpp:1:10: fatal error: Python.h: No such file or directory"
    assert "Python's C headers" in (explain(RuntimeError(said)) or "")
