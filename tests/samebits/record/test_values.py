"""The tensors of some steps: which are asked for, and files that are whole or not there."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import one_line

from samebits.hashing.weights import describe_array, read_header, stored_array
from samebits.record.values import file_name, parse_steps
from samebits.record.writer import Writer

FULL = """
import resource, sys
import numpy as np
from samebits.hashing.weights import describe_array
from samebits.record.writer import Writer
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))  # as a disk that is full: half is written
writer = Writer(sys.argv[1], "step", 10**9)
for step, size in enumerate((1_000, 100_000, 1_000), 1):
    writer.write({"event": "step", "number": step})
    writer.save(0, step, dict([describe_array("losses/0/0", np.ones(size, "f4"))]))
print("the training ends")
"""


def test_both_ends_belong_to_a_range() -> None:
    assert list(parse_steps("17:18")) == [17, 18]
    assert list(parse_steps("117:117")) == list(parse_steps(" 117 ")) == [117]


@pytest.mark.parametrize("text", ["", "0:3", "18:17", "1:", ":2", "-1:2", "1:2:3", "x", "1.5:2", "9" * 99])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="give FIRST:LAST"):
        parse_steps(text)


def test_the_command_says_what_a_range_is(start, tmp_path: Path) -> None:
    done = start("samebits", "record", "--values", "18:17", "--", "python", "-c", "1", cwd=tmp_path)
    assert done.returncode == 2
    said = "'18:17' names no steps: give FIRST:LAST, such as 117:118; the first step is 1"
    assert said in one_line(done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_step_is_a_file_of_its_own(tmp_path: Path) -> None:
    writer = Writer(str(tmp_path), "step", 10**6)
    writer.write({"event": "step"})
    array = np.arange(6, dtype="f4").reshape(2, 3)
    writer.save(1, 17, dict([describe_array("parameters/w", array), describe_array("losses/0/0", array[0])]))
    path = tmp_path / file_name(str(os.getpid()), 1, 17)
    stored = read_header(path)
    assert list(stored) == ["losses/0/0", "parameters/w"]
    assert np.array_equal(stored_array("parameters/w", stored["parameters/w"]), array)
    assert {each.suffix for each in tmp_path.iterdir()} == {".jsonl", ".safetensors"}


def test_a_full_disk_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "the training ends\n")
    (told,) = done.stderr.splitlines()
    assert told.startswith(f"samebits: {tmp_path} cannot be written: ")
    assert told.endswith(" ends here, the program continues")
    (jsonl,) = tmp_path.glob("*.jsonl")
    assert {path.name for path in tmp_path.iterdir()} == {jsonl.name, file_name(jsonl.stem, 0, 1)}
    assert jsonl.read_text().count('"event":"step"') == 2


def test_tensors_count_for_the_limit(tmp_path: Path, capsys) -> None:
    writer = Writer(str(tmp_path), "step", 20_000)
    for step in range(1, 20):
        writer.write({"event": "step", "step": step})
        writer.save(0, step, dict([describe_array("losses/0/0", np.ones(1_000, "f4"))]))
    assert not writer.on
    assert "the record has reached its limit of 20,000 bytes (--limit)" in capsys.readouterr().err
    assert len(list(tmp_path.glob("*.safetensors"))) == 4
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 20_500
