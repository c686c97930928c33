"""`samebits record` on trainings in torch that know nothing of samebits."""

import json
import re
from pathlib import Path

import pytest

from samebits.record.format import AFTER_BACKWARD, AT_OPTIMIZER, DIGITS, MISSING

TRAININGS = Path(__file__).parents[1] / "record/trainings.py"


def read(folder):
    """The events of each process of a record, those with the most steps first."""
    files = folder.glob("*.jsonl")
    events = [[json.loads(line) for line in path.read_text().splitlines()] for path in files]
    return sorted(events, key=lambda each: -len(steps(each)))


def steps(events):
    return [event for event in events if event["event"] == "step"]


def tables(events):
    return {event["id"]: event for event in events if event["event"] == "names"}


@pytest.fixture(scope="module")
def trained(start, tmp_path_factory):
    """What the trainings print without and with a record, and its events."""
    folder = tmp_path_factory.mktemp("trained")
    plain = start("python", TRAININGS, cwd=folder)
    assert plain.returncode == 0, plain.stderr
    recorded = start("samebits", "record", "-o", "made", "--", "python", TRAININGS, cwd=folder)
    assert recorded.returncode == 0, recorded.stderr
    (events,) = read(folder / "made")
    return plain, recorded, events


def of(events, number):
    """The steps of the optimiser that was made as this one, from 0."""
    return [event for event in steps(events) if event["optimizer"] == number]


def test_recording_changes_no_bit(trained):
    plain, recorded, _ = trained
    *lines, said = recorded.stdout.splitlines()
    assert lines == plain.stdout.splitlines()
    assert len(lines) == 19
    assert re.fullmatch(r"recorded in made: 1 process, 61 steps, [\d.]+ KB a step, \d+ KB", said)
    assert "samebits" not in recorded.stderr


@pytest.mark.slow  # what level operation records holds the layers, too: test_record_operations.py
def test_recording_layers_changes_no_bit(trained, start, tmp_path):
    plain, *_ = trained
    recorded = start("samebits", "record", "--level", "layer", "--", "python", TRAININGS, cwd=tmp_path)
    assert recorded.stdout.splitlines()[:-1] == plain.stdout.splitlines()
    assert "samebits" not in recorded.stderr
    (events,) = read(tmp_path / "runs/record-1")
    assert {event["direction"] for event in events if event["event"] == "layer"} == {"forward", "backward"}


def test_strings_have_a_digest_for_each_name(trained):
    *_, events = trained
    known = tables(events)
    for step in steps(events):
        for kind in ("parameters", "buffers", "state"):
            table = known[step["names"][kind]]
            assert table["kind"] == kind
            assert len(step[kind]) == DIGITS * len(table["names"]) == DIGITS * len(table["shapes"])
        for gradients in step["gradients"].values():
            assert len(gradients) == len(step["parameters"])
        assert set(step["generators"]["before"]) == {"torch", "python", "numpy"}
    assert [event["event"] for event in events[:3]] == ["record", "settings", "names"]
    assert events[1]["fingerprint"]["libraries"]["torch"]
    assert "trainings.py" in "".join(events[1]["code"]["files"])
    assert events[-1] == {"event": "end", "steps": 61, "exception": None}


def test_equal_trainings_have_equal_records(trained):
    """SGD with foreach is bit-equal to SGD without, and both began with the same weights."""
    *_, events = trained
    ignored = {"optimizer", "names"}
    first, second = (
        [{k: v for k, v in s.items() if k not in ignored} for s in of(events, n)] for n in (0, 1)
    )
    assert first == second
    assert first[0]["parameters"] != first[1]["parameters"]
    assert first[0]["calls"][0]["arguments"] != first[1]["calls"][0]["arguments"]
    third = of(events, 2)[0]
    assert third["losses"] == first[0]["losses"]  # another optimiser, the same first step
    assert third["gradients"] == first[0]["gradients"]
    assert third["parameters"] != first[0]["parameters"]


def test_clipping_stands_between_backward_and_the_optimiser(trained):
    *_, events = trained
    seen = of(events, 4)
    assert [set(step["gradients"]) for step in seen] == [{AFTER_BACKWARD, AT_OPTIMIZER}] * 3
    assert [step["lrs"] for step in seen] == [[0.1], [0.05], [0.025]]
    assert [call["module"] for call in seen[0]["calls"]] == ["Sequential", "CrossEntropyLoss"]
    assert seen[0]["calls"][0]["shapes"] == [[8, 6]]
    assert len(seen[0]["calls"][0]["rows"]) == 8 * 16
    at = events.index(seen[0])
    evaluation = next(event for event in events[at:] if event["event"] == "evaluation")
    assert (evaluation["after"]["4"], evaluation["count"], evaluation["training"]) == (1, 1, [False])
    line = int(seen[0]["line"].rpartition("trainings.py:")[2])
    assert TRAININGS.read_text().splitlines()[line - 1] == "        optimizer.step()"


def test_the_outputs_of_each_call_are_recorded(trained):
    *_, events = trained
    for step in steps(events):
        assert all(re.fullmatch(f"[0-9a-f]{{{DIGITS}}}", call["outputs"]) for call in step["calls"])
    model, loss = of(events, 4)[0]["calls"]
    assert model["outputs"] not in (loss["outputs"], model["arguments"])
    assert loss["outputs"] == of(events, 4)[0]["losses"][0][0]
    adversarial = of(events, 8)[0]["calls"]  # the critic is given what the generator has made
    assert adversarial[0]["outputs"] == adversarial[1]["arguments"]


def test_accumulated_gradients_are_one_step(trained):
    *_, events = trained
    first, second = of(events, 5)
    assert [len(step["losses"]) for step in (first, second)] == [2, 2]
    assert [len(step["calls"]) for step in (first, second)] == [2, 2]


def test_a_closure_belongs_to_its_step(trained):
    *_, events = trained
    first, second = of(events, 6)
    assert (first["class"], first["step"], second["step"]) == ("LBFGS", 1, 2)
    assert len(first["losses"]) == len(first["calls"]) == 4
    assert set(first["gradients"]) == {AFTER_BACKWARD}
    table = tables(events)[first["names"]["parameters"]]
    assert table["names"] == ["weight", "bias"]


def test_two_optimisers_count_for_themselves(trained):
    *_, events = trained
    critic, generator = of(events, 7), of(events, 8)
    assert [step["step"] for step in critic] == [step["step"] for step in generator] == [1, 2, 3]
    known = tables(events)
    # "weight" was the name in an earlier training, whose model is gone.
    assert known[generator[0]["names"]["parameters"]]["names"] == ["Linear.weight", "Linear.bias"]
    assert known[critic[0]["names"]["parameters"]]["names"] == ["Linear-2.weight", "Linear-2.bias"]
    assert [call["shapes"] for call in critic[0]["calls"]] == [[[8, 4]], [[8, 4]]]


@pytest.mark.parametrize("number", [9, 10])
def test_a_step_that_a_scaler_skips_is_a_record(trained, number):
    *_, events = trained
    seen = of(events, number)
    assert [(step["step"], step["skipped"]) for step in seen] == [(1, False), (2, True), (3, False)]
    assert seen[1]["losses"][0][1] == "inf"
    assert seen[0]["parameters"] == seen[1]["parameters"] != seen[2]["parameters"]


def test_autocast_and_layers_in_another_mode_are_recorded(trained):
    *_, events = trained
    assert [step["calls"][0].get("autocast") for step in of(events, 9)] == ["autocast to bfloat16 on cpu"] * 3
    assert [call["other_mode"] for step in of(events, 5) for call in step["calls"]] == [["3"]] * 4
    assert not any({"autocast", "other_mode"} & {*call} for step in of(events, 0) for call in step["calls"])


def test_what_a_checkpoint_computes_again_is_no_call(trained):
    *_, events = trained
    assert [len(step["calls"]) for step in of(events, 13)] == [2, 2, 2]
    assert [len(step["buffers"]) for step in of(events, 13)] == [3 * DIGITS] * 3  # of a slice that is gone


def test_threads_and_foreign_loops_are_recorded(trained):
    *_, events = trained
    for number in (15, 16):
        assert [len(step["calls"]) for step in of(events, number)] == [1, 1, 1]
    bare = of(events, 17)
    assert tables(events)[bare[0]["names"]["parameters"]]["names"] == ["optimizer.17.0.0"]
    assert [len(step["calls"]) for step in bare] == [0, 0, 0]
    assert all(step["losses"][0][1] > 0 for step in bare)
    initial = next(event for event in events if event["event"] == "initial" and event["model"] == "SGD")
    assert initial["parameters"] != bare[0]["parameters"]
    compiled = of(events, 18)
    assert [call["module"] for call in compiled[0]["calls"]] == ["Sequential"]
    assert tables(events)[compiled[0]["names"]["parameters"]]["names"][0] == "Sequential-13.0.weight"


def test_tensors_of_odd_kinds_have_digests(trained):
    *_, events = trained
    lazy, sparse, complex_ = (of(events, number) for number in (19, 20, 21))
    assert [len(each) for each in (lazy, sparse, complex_)] == [1, 1, 1]
    for (step,) in (lazy, sparse, complex_):
        (gradients,) = step["gradients"].values()
        assert MISSING not in gradients
        assert set(step["gradients"]) == {AFTER_BACKWARD}
    known = tables(events)
    initial = [event for event in events if event["event"] == "initial" and event["model"] == "LazyLinear"]
    assert initial[0]["parameters"] == 2 * MISSING  # it has no values before its first call
    assert known[lazy[0]["names"]["parameters"]]["shapes"] == [[3, 6], [3]]
    assert known[complex_[0]["names"]["parameters"]]["dtypes"] == ["complex64"]


def test_a_scaler_skips_nothing_of_what_a_wrapper_passes_on(trained):
    *_, events = trained
    assert [(step["step"], step["skipped"]) for step in of(events, 22)] == [
        (number, False) for number in (1, 2, 3)
    ]
