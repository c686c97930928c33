"""A cache of an earlier process is named; one that this process made itself is not."""

import pickle
import subprocess
import sys
import time

import pytest
from tests.conftest import git
from tests.samebits.chance.conftest import marked

from samebits.chance import begin, files
from samebits.chance.records import RECORDS

JOBLIB = """
import sys
from joblib import Memory

memory = Memory("cached", verbose=0)

@memory.cache
def features(number):
    return number + 1

assert features(3) == features(3) == 4  #!
"""

TFDATA = """
import tensorflow as tf

data = tf.data.Dataset.range(4).cache("cached").batch(2)  #!
assert len(list(data)) == len(list(data)) == 2
"""

DECLARED = TFDATA.replace(
    "import tensorflow", "import samebits\nsamebits.data_sha256('cached.index')\nimport tensorflow"
)

DATA = """
import json, pathlib, pickle, sys
import numpy as np

rows = [open(path).read() for path in sorted(pathlib.Path("data/train").glob("*.txt"))]  #!
table = np.loadtxt("table.csv")
features = pickle.load(open("out/features.pkl", "rb"))  #!
np.save("own.npy", np.zeros(3))
np.load("own.npy")
json.load(open("settings.json"))
json.load(open("saved/state.json"))  #!
pathlib.Path("copied.txt").write_text("1")
"""


def test_data_that_nobody_declared_is_named_once_for_each_line_and_refuses_nothing(watched, start, tmp_path):
    (tmp_path / "data/train").mkdir(parents=True)
    for number in range(3):
        (tmp_path / f"data/train/{number}.txt").write_text("1")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/features.pkl").write_bytes(pickle.dumps([1]))
    (tmp_path / "settings.json").write_text("{}")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/state.json").write_text("{}")
    (tmp_path / "saved/data-00000-of-00001.arrow").write_text("")
    (tmp_path / "table.csv").write_text("1")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "settings.json", "table.csv")
    git(tmp_path, "commit", "--quiet", "--message", "What git has is known by its commit")
    named = watched(DATA)
    assert [row["where"] for row in named] == marked(DATA)
    assert [row["kind"] for row in named] == ["data", "data", "file"]
    assert named[2]["source"] == "the cache of datasets: saved is older than the run"
    assert not any(row["certain"] for row in named)
    assert named[0]["source"] == "data not declared: data/train (3 files)"
    assert named[0]["fix"] == "samebits.data_sha256('data/train') has it in the manifest"
    each = ", ".join(f"samebits.data_sha256({name!r})" for name in ("data", "out", "saved"))
    declared = f"import samebits\n{each}"
    assert watched(declared + DATA) == []
    (tmp_path / "train.py").write_text(DATA)
    strict = start("samebits", "watch", "--strict", "--", "python", "train.py", cwd=tmp_path)
    assert strict.returncode == 0, strict.stderr


def test_a_cache_of_an_earlier_process_is_named(watched):
    assert watched(JOBLIB) == [], "it writes the cache itself"
    (named,) = watched(JOBLIB)
    assert [named["where"]] == marked(JOBLIB)
    assert named["kind"] == "file"
    assert named["source"] == "joblib's Memory: cached/joblib is older than the run"


@pytest.mark.slow
def test_a_cache_of_tfdata_is_named_unless_it_is_declared(watched):
    assert watched(TFDATA) == []
    (named,) = watched(TFDATA)
    assert [named["where"]] == marked(TFDATA)
    assert named["source"] == "tf.data's cache(…): cached.index is older than the run"
    assert watched(DECLARED) == []


def test_what_an_earlier_process_of_the_same_run_wrote_is_not_older_than_it(tmp_path, monkeypatch):
    (tmp_path / "cache.npy").write_text("1")
    folder = tmp_path / "chance"
    folder.mkdir()
    monkeypatch.setattr(files, "began", time.time() + 60)  # this process was started later
    assert files.is_older(str(tmp_path / "cache.npy"))
    (folder / f"7-{time.time_ns() - 60 * 10**9}.jsonl").write_text("")
    begin.write_to(str(folder))
    RECORDS.leave(str(folder))
    assert not files.is_older(str(tmp_path / "cache.npy"))


def test_many_files_of_a_folder_are_not_all_looked_at(tmp_path):
    script = """
import sys
from samebits.chance import begin, files
from samebits.chance.records import RECORDS
begin.begin()
files.began += 60
for number in range(100):
    open(f"data/{number}").close()
begin.finish()
for source in files.judged(RECORDS.counts):
    print(source.source, source.fix, source.line)
"""
    (tmp_path / "data").mkdir()
    for number in range(100):
        (tmp_path / f"data/{number}").write_text("")
    (tmp_path / "train.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    fix = "samebits.data_sha256('data') has it in the manifest"
    assert done.stdout == f"data not declared: data (64 files, at least) {fix} 8\n"
