"""Who drew in between: of trainings that differ in one draw, its place is named, and its line."""

import json
from pathlib import Path

import pytest

from samebits.diff.command import compare, lines

SCRIPT = Path(__file__).parent / "elsewhere/train_moves.py"


@pytest.fixture(scope="module")
def records(start, tmp_path_factory):
    """The file of each variant's process, by its name."""
    folder = tmp_path_factory.mktemp("moves")
    (folder / "train.py").write_text(SCRIPT.read_text())
    done = start("samebits", "record", "-o", "made", "--", "python", "train.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    told = dict(
        line.split(":") for line in done.stdout.splitlines() if line.count(":") == 1 and "KB" not in line
    )
    return {name: folder / f"made/{pid}.jsonl" for name, pid in told.items()}


def line(words):
    """Where something stands in the script."""
    at = next(at for at, text in enumerate(SCRIPT.read_text().splitlines(), 1) if words in text)
    return f"train.py:{at}"


LOOP, CALL = line("for inputs in loader"), line("loss = model(inputs")
MADE, PEEK = line("batches = list("), line("iter(loader)  # looks")
CASES = {
    # what draws once more: the generator, what is told of it, the line of the cause
    "peek": (
        "torch",
        "equal after the evaluation after step 8, not at the start of step 9 (epoch 3); only in B it moved "
        f"during iter() of a DataLoader ({PEEK})",
        PEEK,
    ),
    "noise": (
        "torch",
        "equal after step 5 (epoch 2), not at the start of step 6 (epoch 2); only in B it moved in code from "
        f"{LOOP} to {CALL}",
        CALL,
    ),
    "augment": (
        "torch",
        "equal after the evaluation after step 4, not at the start of step 5 (epoch 2); it moved in another "
        f"way during the next batch of a data loader ({LOOP})",
        LOOP,
    ),
    "more loaders": (
        "torch",
        "equal after step 4 (epoch 1), not at the evaluation after step 4; it moved in another way "
        f"during iter() of a DataLoader ({MADE})",
        MADE,
    ),
    "numpy": (
        "numpy",
        "equal after step 6 (epoch 2), not at the start of step 7 (epoch 2); it moved in another way in code "
        f"from {LOOP} to {CALL}",
        CALL,
    ),
}


@pytest.mark.parametrize("variant", CASES)
def test_who_drew_is_named(records, variant):
    generator, text, where = CASES[variant]
    result = compare(records["plain"], records[variant])
    assert result.apart == {generator: text}
    assert (result.causes[0].kind, result.causes[0].where) == ("generator", where), result.causes
    assert f"  {generator}'s generator: {text}" in list(lines(result))


def epochs(path):
    events = map(json.loads, path.read_text().splitlines())
    return [event["epoch"] for event in events if event["event"] == "step"]


def test_epochs_are_those_that_are_certain(records):
    assert epochs(records["plain"]) == [1] * 4 + [2] * 4 + [3] * 4
    assert epochs(records["peek"]) == epochs(records["plain"])
    assert epochs(records["cut"]) == [1] * 4 + [2] + [None] * 4
    assert epochs(records["cached"]) == [1] + [None] * 11


def test_the_verdict_has_the_epoch_that_both_agree_on(records):
    result = compare(records["plain"], records["noise"])
    assert str(result.place).startswith("step 6 (epoch 2), ")
    assert result.as_json()["first_difference"]["epoch"] == 2
    assert result.place.what == "forward"
    result = compare(records["plain"], records["cut"])
    assert result.place.text.startswith("control flow: run B evaluates after step 5, A does not")
