"""What choosing a device says on stderr."""

import pytest

from samebits import container_engine

CHOOSE = """
import os, samebits.keras
import samebits.keras.device as device
os.write(2, b"-- begin\\n")
kind = samebits.keras.choose_device({wanted!r})
with device._without("failed call to cuInit"):
    os.write(2, b"E0000 a real error\\nE0000 failed call to cuInit: no GPU\\nE0000 half a line")
print(kind)
"""


def test_no_gpu_is_no_error_and_real_errors_stay(start):
    if container_engine.driver() or container_engine.gpu_without_driver():
        pytest.skip("there is a GPU, and every line stays")
    for wanted in ("cpu", "auto"):
        done = start("python", "-c", CHOOSE.format(wanted=wanted))
        assert (done.returncode, done.stdout) == (0, "cpu\n"), done.stderr
        after = done.stderr.partition("-- begin\n")[2]
        assert after == "E0000 a real error\nE0000 half a line", after
