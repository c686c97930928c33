"""The tests of the portable profile's kernels, in that profile: on this CPU, and on emulated ones."""

import re
import shutil
from pathlib import Path

import pytest

from samebits.proof.portable.machines import NATIVE, QEMU, Machine

FILES = sorted(
    file
    for file in Path(__file__).parent.glob("test_*.py")
    if file != Path(__file__) and 'usefixtures("routed")' in file.read_text()
)
CPUS = [NATIVE, *(pytest.param(cpu, marks=pytest.mark.slow) for cpu in ("Haswell", "EPYC"))]


@pytest.mark.parametrize("cpu", CPUS)
def test_the_portable_kernels(start, cpu):
    """They state properties, and no CPU's own values: so they pass on both makers' CPUs without AVX-512."""
    if cpu != NATIVE and shutil.which(QEMU) is None:
        pytest.skip(f"{QEMU} is not installed (qemu-user-static)")
    assert FILES
    command = Machine(cpu).command(("-m", "pytest", "-p", "no:cacheprovider", "-q", *map(str, FILES)), {})
    done = start(*command[1:], PROFILE="portable")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 100
    assert "in PROFILE=portable only" not in done.stdout
