"""A recorded training that is stopped right after a step."""

import json
import subprocess
import sys

import pytest

STOPPED = """
import json, os, sys
from samebits.record.stop import Stop, as_variable
place, folder, step, number = sys.argv[1:]
stop = Stop(folder, as_variable(int(step), int(number), place, ""))
kept = open(place + "/half.bin", "wb")
read = open(place + "/read.bin")
for number in range(1, 5):
    stop.after({"optimizer": 1, "step": number})
    stop.after({"optimizer": 0, "step": number})
    if number == 2:
        with open(place + "/whole.pkl", "wb") as file:
            file.write(b"\\x80\\x04K\\x01.")
    print(number, flush=True)
"""


@pytest.mark.parametrize(("step", "number", "printed"), [(0, 9, 4), (3, 9, 2), (3, 15, 2)])
def test_it_is_stopped_right_after_its_step(tmp_path, step, number, printed):
    place, folder = tmp_path / "place", tmp_path / "record"
    place.mkdir()
    folder.mkdir()
    (place / "read.bin").touch()
    command = [sys.executable, "-c", STOPPED, place, folder, str(step), str(number)]
    done = subprocess.run(command, capture_output=True, text=True, start_new_session=True)
    assert (len(done.stdout.split()), done.returncode) == (printed, -number if step else 0), done.stderr
    if step:
        assert json.loads((folder / "stopped.txt").read_text()) == {"step": 3, "writing": ["half.bin"]}
    else:
        told = json.loads((folder / "saved.txt").read_text())
        assert told == {"step": 3, "saved": ["whole.pkl"], "inode": (place / "whole.pkl").stat().st_ino}
