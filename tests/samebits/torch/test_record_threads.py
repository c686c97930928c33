"""Several threads of a process may train: a record has the steps of each, whatever others do meanwhile."""

import json
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

from samebits.torch import record

SCRIPT = Path(__file__).parent / "elsewhere/train_threads.py"
APART = """
import threading
from concurrent.futures import ThreadPoolExecutor
import torch
from torch import nn

class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return self.second(self.first(x).tanh()).exp()

def apart(function, *given):
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*given)), name="aside")
    thread.start()
    thread.join()
    return results[0]

def loss_of(hidden):
    return head(hidden).square().mean()

torch.manual_seed(0)
deep, head = Deep(), nn.Linear(4, 2)
optimizer = torch.optim.SGD([*deep.parameters(), *head.parameters()], lr=0.1)
for step in range(2):
    hidden = apart(deep, torch.randn(3, 4))
    optimizer.zero_grad()
    head(hidden).square().mean().backward()
    optimizer.step()
for step in range(2):
    hidden = deep(torch.randn(3, 4))
    loss = apart(loss_of, hidden)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with ThreadPoolExecutor(1) as pool:
    pool.submit(deep, torch.randn(1, 4)).result()
    pool.submit(head, torch.randn(1, 4)).result()
thread = threading.Thread(target=head, args=(torch.randn(1, 4),))
thread.start()
thread.join()
"""


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


@pytest.fixture(scope="module")
def apart(start, tmp_path_factory):
    """The events of a training that calls a model in one thread, and backward in another one."""
    folder = tmp_path_factory.mktemp("apart")
    (folder / "train.py").write_text(APART)
    done = start("samebits", "record", "--level", "operation", "--", "python", "train.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "lacks" not in done.stderr
    (file,) = folder.glob("runs/record-1/*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_backward_through_a_call_of_another_thread_is_recorded(apart):
    back = [each for each in apart if each["event"] == "layer" and each["direction"] == "backward"]
    for after, aside in (({}, "Deep"), ({"0": 1}, "Deep"), ({"0": 2}, "Linear"), ({"0": 3}, "Linear")):
        lines = [line for line in back if line["after"] == after]
        assert [line["module"] for line in lines] == ["", "", "second", "first"]
        assert [line["model"] for line in lines[2:]] == ["Deep"] * 2
        assert {line["model"] for line in lines if line.get("thread")} == {aside}
        by_module = {(line["model"], line["module"]): line["of"] for line in lines}
        assert by_module["Linear", ""] == ["bias", "input", "weight"]


def test_backward_has_the_line_of_a_forward_call_in_another_thread(apart):
    texts = APART.split("\n")
    called = [each for each in apart if each["event"] == "operation" and each["name"] == "aten::mm"]
    for after in ({}, {"0": 1}, {"0": 2}, {"0": 3}):
        back = [each for each in called if each["after"] == after and each["direction"] == "backward"]
        assert [(each["model"], each["module"]) for each in back] == [
            *[("Linear", "")] * 2,
            *[("Deep", "second")] * 2,
            ("Deep", "first"),
        ]
        for each in back:
            text = texts[int(each["line"].partition(":")[2]) - 1]
            assert ("self.second(" if each["model"] == "Deep" else "head(hidden)") in text


def test_a_thread_that_executes_no_code_of_the_user_has_the_line_that_began_its_work(apart):
    texts = APART.split("\n")
    for event in ("layer", "operation"):
        called = [each for each in apart if each["event"] == event and each["after"] == {"0": 4}]
        lines = [texts[int(e["line"].partition(":")[2]) - 1].strip() for e in called if e.get("thread")]
        whole = [text for text in dict.fromkeys(lines) if "self." not in text]
        assert (
            whole
            == [
                "pool.submit(deep, torch.randn(1, 4)).result()",
                "pool.submit(head, torch.randn(1, 4)).result()",
                "thread.start()",
            ][event == "operation" :]
        )


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
