"""Which variables will still be read from where a frame stands, on each Python that is here."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.conftest import ROOT, interpreter

LIVE = {
    "read_after_written": ["step"],
    "read_in_the_next_round": ["hidden"],
    "read_after_the_loop": ["best"],  # another item comes, and sets `loss`
    "two_loops": ["history", "total"],
    "read_if": ["a", "b"],
    "handled": ["b"],
    "inside_with": [],
    "shadowed_and_read": ["x"],
    "shadowed_and_written": [],
    "comprehension_reads": ["a"],
    "shared_with_a_function": ["calls", "count"],
    "unpacked": ["a", "b"],
    "deleted": [],
    "long": ["history"],
    "enumerated": [],
    "asked_by_next": ["a", "it"],
    "module": ["range", "step", "used"],  # `used` is read by a function
}


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_what_is_live_between_two_items(version: str) -> None:
    if (python := interpreter(version)) is None:
        pytest.skip(f"there is no Python {version} here")
    script, tested = Path(__file__).with_name("standing.py"), ROOT / "src/samebits/unsaved/liveness.py"
    command = [python, "-I", "-B", script, tested]  # bytecode of another Python is a finding of `attest`
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == LIVE
