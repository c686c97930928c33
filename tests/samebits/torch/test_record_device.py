"""Records whose tensors have the digests of devices: on the CPU here, by the same code."""

import json

import pytest
from tests.samebits.torch.test_record import TRAININGS, steps

from samebits.diff.command import compare
from samebits.torch.device_digest import KIND

TRAIN = """
import os, torch
from torch import nn

def train(lr):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for number in range(3):
        optimizer.zero_grad()
        model({"x": torch.randn(6, 4)}["x"]).square().mean().backward()
        if number == 1 and lr > 0.01:
            model[3].bias.grad.add_(1)
        optimizer.step()
        with torch.no_grad():
            model(torch.ones(2, 4))

for name, lr in (("cpu", 0.01), ("device", 0.01), ("again", 0.01), ("faulty", 0.010001)):
    if (child := os.fork()) == 0:
        if name != "cpu":
            os.environ["SAMEBITS_RECORD_DEVICE_DIGEST"] = "1"
        train(lr)
        os._exit(0)
    os.waitpid(child, 0)
    print(name, child, sep=":", flush=True)
"""


@pytest.fixture(scope="module")
def records(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("device")
    (folder / "train.py").write_text(TRAIN)
    done = start("samebits", "record", "-o", "made", "--", "python", "train.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "lacks something" not in done.stderr
    told = dict(line.split(":") for line in done.stdout.splitlines()[:4])
    return {name: folder / f"made/{pid}.jsonl" for name, pid in told.items()}


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_kind_of_digest_stands_beside_it(records):
    for name, kind in (("cpu", None), ("device", KIND)):
        events = read(records[name])
        assert {call.get("digest") for step in steps(events) for call in step["calls"]} == {kind}
        assert {event.get("digest") for event in events if event["event"] == "evaluation"} == {kind}
        tables = [event for event in events if event["event"] == "names" and event["names"]]
        assert all(table.get("digests") == (kind and [kind] * len(table["names"])) for table in tables)
        assert all(len(step["calls"][0]["rows"]) == 6 * 16 for step in steps(events))
    assert steps(read(records["cpu"]))[0]["losses"] == steps(read(records["device"]))[0]["losses"]


def test_records_of_one_kind_are_compared(records):
    assert compare(records["device"], records["again"]).place is None
    result = compare(records["device"], records["faulty"])
    assert (result.place.what, result.place.step) == ("learning rate", 1)


def test_what_has_digests_of_two_kinds_is_not_compared(records):
    result = compare(records["cpu"], records["device"])
    assert (result.place, result.steps) == (None, 3)
    assert result.notes == (
        "not compared: tensors that only one of the two had on a GPU, where digests are of another kind",
    )
    result = compare(records["cpu"], records["faulty"])
    assert (result.place.what, result.place.step, result.place.equal) == ("learning rate", 1, ())


@pytest.mark.slow
def test_trainings_of_every_kind_have_them(start, tmp_path, monkeypatch):
    plain = start("python", TRAININGS, cwd=tmp_path)
    monkeypatch.setenv("SAMEBITS_RECORD_DEVICE_DIGEST", "1")
    done = start("samebits", "record", "-o", "made", "--", "python", TRAININGS, cwd=tmp_path)
    assert done.stdout.splitlines()[:-1] == plain.stdout.splitlines()
    assert "samebits" not in done.stderr
    (path,) = (tmp_path / "made").glob("*.jsonl")
    events = read(path)
    assert len(steps(events)) == 61
    kinds = {kind for event in events if event["event"] == "names" for kind in event.get("digests", ())}
    assert kinds == {KIND, ""}  # sparse gradients, and numbers, have the CPU's
