"""A record tells which samples each step was trained with, and whether gradients were there before."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

SCRIPT = Path(__file__).parent / "elsewhere/train_samples.py"


@pytest.fixture(scope="module")
def trained(start, tmp_path_factory):
    """The steps of each optimiser, and the samples that they were trained with."""
    folder = tmp_path_factory.mktemp("samples")
    (folder / "train.py").write_text(SCRIPT.read_text())
    done = start("samebits", "record", "-o", "made", "--", "python", "train.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "lacks" not in done.stderr
    main = max((folder / "made").glob("*.jsonl"), key=lambda path: path.stat().st_size)
    events = [json.loads(line) for line in main.read_text().splitlines()]
    used = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[[")]
    of = [[event for event in events if event.get("optimizer") == each] for each in range(len(used))]
    return list(zip(of, used, strict=True))


@pytest.mark.parametrize("case", [0, 1, 2, 4, 5], ids=["plain", "none", "zeros", "persistent", "workers"])
def test_a_step_has_the_indices_of_its_batch(trained, case):
    steps, used = trained[case]
    assert [step["samples"] for step in steps] == used
    assert len({str(samples) for samples in used}) > 1


def test_an_index_that_is_no_number_has_a_digest(trained):
    steps, _ = trained[3]
    texts = [sample for step in steps for batch in step["samples"] for sample in batch]
    assert [len(text) for text in texts] == [16] * 6
    assert len(set(texts)) == 3
    assert texts[:3] == texts[3:]


def test_a_loop_that_reads_ahead_has_the_same_samples_a_step_earlier(trained):
    steps, used = trained[6]
    told = [batch for step in steps for batch in step.get("samples", [])]
    assert told == [batch for step in used for batch in step]
    assert len(steps[0]["samples"]) == 2


def test_gradients_that_are_there_before_backward_are_counted(trained):
    held = [[step.get("held", 0) for step in steps] for steps, _ in trained[:3]]
    assert held == [[0] * 6, [0] + [2] * 5, [0] * 6]
