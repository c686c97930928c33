"""Several threads of a process may train: a record has the steps of each, whatever others do meanwhile."""

import json
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

from samebits.torch import record

SCRIPT = Path(__file__).parent / "elsewhere/train_threads.py"


def test_a_call_is_recorded_while_another_thread_is_within_backward(start, tmp_path):
    (tmp_path / "train.py").write_text(SCRIPT.read_text())
    done = start("samebits", "record", "-o", "made", "--", "python", "train.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "lacks" not in done.stderr
    (file,) = (tmp_path / "made").glob("*.jsonl")
    events = [json.loads(line) for line in file.read_text().splitlines()]
    steps = [event for event in events if event["event"] == "step"]
    shapes = {of: [step["calls"][0]["shapes"] for step in steps if step["optimizer"] == of] for of in (0, 1)}
    assert shapes == {0: [[[4, 3]]] * 2, 1: [[[5, 3]]] * 2}
    assert all(len(step["losses"]) == 1 for step in steps)


def test_threads_look_one_after_the_other():
    inside, most = [], []

    def look():
        inside.append(None)
        time.sleep(0.02)
        most.append(len(inside))
        inside.pop()

    threads = [threading.Thread(target=record._look, args=(look,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


def test_a_child_does_not_wait_for_a_thread_that_it_does_not_have(monkeypatch):
    monkeypatch.setattr(record, "_lock", threading.RLock())
    holder, seen = record._lock, []
    held, over = threading.Event(), threading.Event()

    def hold():
        with holder:
            held.set()
            over.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    record._forked()
    record._look(seen.append, 1)
    over.set()
    thread.join()
    assert seen == [1]
