"""The file of a process: whole lines, a limit, a full disk, children."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from samebits.record.writer import Writer

FULL = """
import resource, sys
from samebits.record.writer import Writer
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))  # as a disk that is full: half of a line is written
writer = Writer(sys.argv[1], "step", 10**9)
for number in range(20):
    writer.write({"event": "step", "text": "x" * 900, "number": number})
writer.close(None)
print("the training ends")
"""


def lines(folder: Path) -> list[dict]:
    (path,) = folder.glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_first_line_says_who_and_the_last_that_it_ended(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "3")
    writer = Writer(str(tmp_path), "step", 10**6)
    assert lines(tmp_path) == []
    writer.write({"event": "step"})
    writer.close("ValueError")
    about, step, end = lines(tmp_path)
    assert (about["event"], about["pid"], about["role"], about["rank"]) == ("record", os.getpid(), "main", 3)
    assert (step, end["steps"], end["exception"]) == ({"event": "step"}, 1, "ValueError")


def test_a_number_that_was_used_gets_a_file_of_its_own(tmp_path):
    for _ in range(2):
        Writer(str(tmp_path), "step", 10**6).close(None)
    assert {path.name for path in tmp_path.iterdir()} == {f"{os.getpid()}.jsonl", f"{os.getpid()}-2.jsonl"}


def test_a_full_disk_ends_the_recording_only(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "the training ends\n")
    (told,) = done.stderr.splitlines()
    assert told.startswith(f"samebits: {tmp_path} cannot be written: ")
    assert told.endswith(" ends here, the program continues")
    assert [event["number"] for event in lines(tmp_path)[1:]] == list(range(len(lines(tmp_path)) - 1))
    assert 3 <= len(lines(tmp_path)) <= 6


def test_the_limit_is_of_all_files_together(tmp_path, capsys):
    (tmp_path / "1.jsonl").write_text("x" * 9000)
    folder = tmp_path / "record"
    folder.mkdir()
    (folder / "1.jsonl").write_text("{}" * 4000)
    writer = Writer(str(folder), "step", 10_000)
    for number in range(100):
        writer.write({"event": "step", "text": "x" * 100, "number": number})
    assert not writer.on
    (told,) = capsys.readouterr().err.splitlines()
    assert "the record has reached its limit of 10,000 bytes (--limit): the recording of process" in told
    events = [json.loads(line) for line in (folder / f"{os.getpid()}.jsonl").read_text().splitlines()]
    assert events[-1]["event"] == "stopped"
    assert 9_000 < sum(path.stat().st_size for path in folder.iterdir()) < 10_500


def test_a_folder_that_is_gone_ends_it(tmp_path, capsys):
    folder = tmp_path / "record"
    folder.mkdir()
    writer = Writer(str(folder), "step", 10**6)
    (folder / f"{os.getpid()}.jsonl").unlink()
    folder.rmdir()
    writer.write({"event": "step"})
    writer.write({"event": "step"})
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("known", [[], [lambda: None, lambda: "worker 1"]])
def test_the_role_is_what_the_first_says_that_knows(tmp_path, known):
    writer = Writer(str(tmp_path), "step", 10**6)
    writer.roles[:0] = known
    writer.close(None)
    assert lines(tmp_path)[0]["role"] == ("worker 1" if known else "main")
