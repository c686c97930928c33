"""What a run records by itself, and where `samebits diff` says that two runs differ first."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Started

from samebits.diff.command import compare, lines
from samebits.diff.records import Result
from samebits.run import first_steps
from samebits.run.first_steps import STEPS, FirstSteps

torch_only = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


@pytest.fixture(scope="module")
def runs(start: Callable[..., Started], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    done = start("python", Path(__file__).with_name("trained.py"), folder)
    assert done.returncode == 0, done.stderr
    return folder


def events(run: Path, kind: str) -> list[dict[str, Any]]:
    every = map(json.loads, (run / "record.jsonl").read_text().splitlines())
    return [event for event in every if event["event"] == kind]


def verdict(runs: Path, first: str, second: str) -> Result:
    return compare(runs / first, runs / second)


@torch_only
def test_a_run_records_its_first_steps_and_each_epoch(runs: Path) -> None:
    steps = events(runs / "nothing", "step")
    assert [event["step"] for event in steps] == list(range(1, STEPS + 1))
    assert [bool(event["parameters"]) for event in steps] == [True] + [False] * (STEPS - 1)
    assert [len(event["calls"][0]["rows"]) for event in steps] == [16 * 16] * STEPS
    assert [(event["epoch"], event["step"]) for event in events(runs / "nothing", "epoch")] == [
        (1, 3), (2, 6), (3, 9), (4, 12)
    ]  # fmt: skip
    assert [event["model"] for event in events(runs / "nothing", "initial")] == ["Sequential"]


@torch_only
def test_equal_runs_have_equal_records(runs: Path) -> None:
    assert (runs / "nothing/record.jsonl").read_bytes() == (runs / "again/record.jsonl").read_bytes()
    assert verdict(runs, "nothing", "again").place is None


@torch_only
@pytest.mark.parametrize(
    ("fault", "place", "cause"),
    [
        ("initial", "the initial parameter `0.weight`", "chance seed"),
        ("order", "step 1, the batch: weights and generators equal", "order"),
        ("contents", "step 1, the batch: weights and generators equal", "chance seed"),
        ("step", "step 1, parameter `0.weight` (and ", "chance seed"),
        ("late", "the weights after epoch 4 (step 12): parameter `0.weight` (and ", "chance seed"),
    ],
)
def test_the_first_difference_of_two_runs_is_named(runs: Path, fault: str, place: str, cause: str) -> None:
    result = verdict(runs, "nothing", fault)
    assert str(result.place).startswith(place)
    assert result.causes[0].kind == cause, list(lines(result))


@torch_only
def test_what_is_equal_before_is_said(runs: Path) -> None:
    assert str(verdict(runs, "nothing", "step").place).endswith(
        "after it: batch, weights and generators equal"
    )
    late = str(verdict(runs, "nothing", "late").place)
    assert late.endswith(": all up to the end of epoch 3 and batches equal")


@torch_only
def test_a_model_that_no_checkpoint_holds_is_found(runs: Path) -> None:
    assert len(events(runs / "not-held", "epoch")) == 3  # nobody says when the last one ends
    assert str(verdict(runs, "not-held", "not-held-initial").place).startswith("the initial parameter")


@torch_only
@pytest.mark.parametrize("stop", [2, 7])
def test_an_interrupted_run_has_the_record_of_one_that_is_not(runs: Path, stop: int) -> None:
    interrupted = runs / f"nothing-{stop}/record.jsonl"
    assert interrupted.read_bytes() == (runs / "nothing/record.jsonl").read_bytes()


@torch_only
@pytest.mark.parametrize(("stop", "epoch"), [(2, 1), (7, 3)])
def test_state_that_no_checkpoint_holds_is_the_cause(runs: Path, stop: int, epoch: int) -> None:
    result = verdict(runs, "forgets", f"forgets-{stop}")
    assert str(result.place).startswith(f"the weights after epoch {epoch} (step {3 * epoch}): ")
    assert result.causes[0].kind == "unsaved"
    assert "rate.steps" in result.causes[0].text
    assert f"resumed after step {stop}" in result.causes[0].evidence[0]


def test_a_run_without_a_record_is_compared_by_the_rest(runs: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for path in (runs / "late").iterdir():
        if path.is_file() and path.name != "record.jsonl":
            (old / path.name).write_bytes(path.read_bytes())
    assert "line 4 of metrics.jsonl, loss" in str(compare(runs / "nothing", old).place)


@pytest.mark.parametrize("cut", ["", '{"event":"st', '{"event":"epoch","epoch":1,"step":2}'])
def test_lines_after_the_resumed_step_are_taken_back(tmp_path: Path, cut: str) -> None:
    path = tmp_path / "record.jsonl"
    kept = [
        {"event": "record"},
        {"event": "initial"},
        {"event": "step", "step": 1},
        {"event": "step", "step": 2},
    ]
    after = [{"event": "step", "step": 3}, {"event": "epoch", "epoch": 1, "step": 3}]
    path.write_text("".join(f"{json.dumps(event)}\n" for event in [*kept, *([] if cut else after)]) + cut)
    FirstSteps(path, "torch").resume(2)
    assert [json.loads(line) for line in path.read_text().splitlines()] == kept


def test_models_are_looked_for_in_the_first_steps_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Any] = []
    monkeypatch.setattr(FirstSteps, "_find", lambda self, objects: looks.append(objects) or {})
    record = FirstSteps(tmp_path / "record.jsonl", "torch")
    for _ in range(STEPS + 3):
        record.begin({})
    assert len(looks) == STEPS
    assert [event["event"] for event in map(json.loads, record._path.read_text().splitlines())] == [
        "record",
        "initial",
    ]


@torch_only
def test_a_manifest_has_a_few_digests_of_them(runs: Path) -> None:
    first, again, order, late = (
        json.loads((runs / name / "manifest.json").read_text())["first_steps"]
        for name in ("nothing", "again", "order", "late")
    )
    names = ["initial weights", "first 8 batches", "weights after step 1", "weights after each epoch"]
    assert first == again
    assert list(first) == names
    assert [name for name in names if first[name] != order[name]] == names[1:]
    epochs = (each["weights after each epoch"].split() for each in (first, late))
    assert [a == b for a, b in zip(*epochs, strict=True)] == [True, True, True, False]


def test_a_record_of_very_many_epochs_ends_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_steps, "MOST_BYTES", 3000)
    monkeypatch.setattr(FirstSteps, "_weights", lambda self: ({"parameters": 0}, "0" * 320))

    def train(name: str, resumed: int | None) -> Path:
        record = FirstSteps(tmp_path / name, "torch")
        for epoch in range(1, 100):
            if epoch == resumed:
                record = FirstSteps(tmp_path / name, "torch")
                record.resume(epoch - 1)
            record.end_epoch(epoch, epoch)
        record.finish(99)
        return tmp_path / name

    path = train("one.jsonl", None)
    kinds = [json.loads(line)["event"] for line in path.read_text().splitlines()]
    assert kinds == ["record"] + ["epoch"] * (len(kinds) - 3) + ["stopped", "end"]
    assert path.stat().st_size < 4000
    for resumed in (3, 8, 50):
        assert train(f"resumed-{resumed}.jsonl", resumed).read_bytes() == path.read_bytes()
