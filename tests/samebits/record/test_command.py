"""The command: what it prints, its exit statuses, and what it records of a program without a framework."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from tests.conftest import one_line

PROGRAM = """
import glob, multiprocessing, os, subprocess, sys

def read(name):
    return open(name).read()

if __name__ == "__main__":
    assert os.listdir("listed") == ["one"]
    names = sorted(glob.glob("data/*.txt"))
    open("made.txt", "w").write("made")
    open("made.txt").read()
    open(os.path.join(os.path.dirname(os.__file__), "os.py")).read()
    open("large.bin", "rb").read(1)
    subprocess.run([sys.executable, "-I", "-c", "open('by_child.txt').read()"], check=True)
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            pool.map(read, names)
            pool.close()
            pool.join()
    print(len(names))
    sys.exit(3)
"""


def records(folder):
    """The events of each process of a record, those of the first one first."""
    processes = [
        [json.loads(line) for line in path.read_text().splitlines()] for path in folder.glob("*.jsonl")
    ]
    numbers = {events[0]["pid"] for events in processes}
    return sorted(processes, key=lambda events: events[0]["parent"] in numbers)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        (tmp_path / f"data/{name}.txt").write_text(name)
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed/one").touch()
    (tmp_path / "by_child.txt").write_text("child")
    (tmp_path / "large.bin").write_bytes(bytes(2**20 + 1))
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


def test_files_and_listings_of_each_process_are_recorded(start, folder):
    done = start("samebits", "record", "--", "python", "program.py", "--api-key", "abc", cwd=folder)
    assert (done.returncode, done.stderr) == (3, "")
    told = done.stdout.splitlines()
    assert told[0] == "2"
    assert told[1].startswith("recorded in runs/record-1: ")
    assert "no step of an optimiser" in told[1]
    everybody = records(folder / "runs/record-1")
    first = {"command": ["python", "program.py", "--api-key", "***"], "role": "main"}
    (main,) = (events for events in everybody if first.items() <= events[0].items())
    others = [events for events in everybody if events is not main]
    seen = {event["path"]: event for event in main if event["event"] in ("file", "listing")}
    assert set(seen) == {"data", "listed", "made.txt", "large.bin"}
    assert seen["data"]["count"] == 2
    assert (seen["made.txt"]["written"], seen["made.txt"]["size"]) == (True, 4)
    assert (seen["large.bin"]["digest"], seen["large.bin"]["size"]) == (None, 2**20 + 1)
    assert main[-1] == {"event": "end", "steps": 0, "exception": None}
    by_role = {}
    for events in others:
        assert events[-1]["event"] == "end"
        by_role.setdefault(events[0]["role"], []).append([e["path"] for e in events if e["event"] == "file"])
    workers = [read for role, reads in by_role.items() if role != "main" for read in reads if read]
    assert workers == [["data/a.txt", "data/b.txt"]] * 3
    assert ["by_child.txt"] in by_role["main"]
    # No folder of this machine, and nothing of the environment.
    assert str(folder) not in "".join(path.read_text() for path in (folder / "runs").rglob("*.jsonl"))


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no file system in memory")
def test_files_in_memory_are_the_users(start, tmp_path):
    """/dev has devices, and /dev/shm what somebody wants to read fast."""
    (tmp_path / "program.py").write_text(
        "import os, sys; os.chdir(sys.argv[1]); os.listdir(); open('x').read()"
    )
    with tempfile.TemporaryDirectory(dir="/dev/shm") as data:
        (Path(data) / "x").write_text("data")
        done = start("samebits", "record", "-o", "made", "--", "python", "program.py", data, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (events,) = records(tmp_path / "made")
    assert [event["event"] for event in events if "path" in event] == ["listing", "file"]


def test_wrong_use_is_one_line_and_leaves_nothing(start, folder):
    def refused(*words):
        done = start("samebits", "record", *words, cwd=folder)
        assert done.returncode == 2, done.stdout
        return one_line(done.stderr)

    said = refused("-o", "data", "--", "python", "program.py")
    assert said == "samebits: data is not empty: give -o another folder, or delete it"
    said = refused("-o", "made", "--", "true")
    assert said.startswith("samebits: no process was recorded: `true` started no Python")
    assert not (folder / "made").exists()
    assert "or it started Python with -S" in refused("--", "python", "-S", "-c", "1")
    assert "'2X' is no size: give a number of bytes, such as 300M or 2G" in refused("--limit", "2X", "true")
    done = start("samebits", "record", "--", "no-such-command", cwd=folder)
    assert done.returncode == 127
    assert one_line(done.stderr) == "samebits: no-such-command: there is no such command"
    assert "Missing argument 'CMD" in refused()
    assert sorted(os.listdir(folder)) == ["by_child.txt", "data", "large.bin", "listed", "program.py"]


def test_json_is_one_object_and_nothing_is_imported_for_it(start, folder):
    words = (
        "samebits",
        "record",
        "--json",
        "-o",
        "made",
        "--",
        "python",
        "-X",
        "importtime",
        "-c",
        "print(1)",
    )
    done = start(*words, cwd=folder)
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert (told["record"], told["status"], len(told["processes"])) == ("made", 0, 1)
    assert told["processes"][0]["ended"] is True
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "samebits" in imported
    assert not imported & {"torch", "numpy", "keras", "tensorflow", "click", "rich", "scipy"}


def test_an_exception_that_ends_the_program_is_named(start, folder):
    start("samebits", "record", "-o", "made", "--", "python", "-c", "open('data/a.txt'); {}['x']", cwd=folder)
    (events,) = records(folder / "made")
    assert [event["event"] for event in events] == ["record", "file", "end"]
    assert events[-1]["exception"] == "KeyError"
