"""Trainings in Keras that know nothing of samebits: where two differ, and why; whether they repeat."""

import json
from pathlib import Path

import pytest

from samebits.diff.command import compare

SCRIPT = Path(__file__).parent / "record_resumed.py"
pytestmark = pytest.mark.slow


def record(start, folder, name, *words):
    done = start("samebits", "record", "-o", name, "--", "python", SCRIPT, *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / name


@pytest.fixture(scope="module")
def clean(start, tmp_path_factory):
    return record(start, tmp_path_factory.mktemp("clean"), "made")


def test_clipping_that_was_left_out_is_named(start, tmp_path, clean):
    result = compare(clean, record(start, tmp_path, "made", "free"))
    assert result.place is not None
    assert (result.place.what, result.place.step) == ("clipping", 1), result
    assert result.causes[0].kind == "clipping"
    assert result.causes[0].where.endswith("record_resumed.py:31")


@pytest.mark.parametrize("whole", [(), ("whole",)])
def test_dropout_that_begins_anew_after_resuming_is_named(start, tmp_path, clean, whole):
    words = ["python", str(SCRIPT)]
    both = f"{' '.join(words)} first && {' '.join(words)} second {' '.join(whole)}"
    done = start("samebits", "record", "-o", "made", "--", "sh", "-c", both, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = compare(clean, tmp_path / "made")
    if whole:
        assert result.place is None, result
        return
    assert result.place is not None
    assert result.place.step == 5, result
    assert result.place.what in ("forward", "loss", "gradient")  # the first that is read
    lost = "the checkpoint does not hold the state of the seed generator of `dropout`"
    assert (result.causes[0].kind, result.causes[0].text) == ("resume", lost)


def test_smoke_works(start, tmp_path):
    done = start("samebits", "smoke", "--no-resume", "--json", "--", "python", SCRIPT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["same"], told["steps"], len(set(told["weights"]))) == (True, 8, 1)


def test_smoke_names_what_has_no_seed(start, tmp_path):
    done = start("samebits", "smoke", "--no-resume", "--", "python", SCRIPT, "noisy", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "first difference: the initial parameter `dense/kernel`" in done.stdout
    assert "python's generator" in done.stdout
