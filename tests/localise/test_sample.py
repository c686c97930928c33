"""A sample of the catalogue: real records, judged as `make localise` judges them; the rest takes minutes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.localise.__main__ import FAULTS
from tests.localise.clean import PAIRS, Pair
from tests.localise.fault import Fault
from tests.localise.run import Originals, TrainingError, make, patched
from tests.localise.score import judged, score, score_clean
from tests.localise.second import FAULTS as SECOND

from samebits.diff.causes import Cause
from samebits.diff.place import Place
from samebits.diff.records import Result

CHANGED, CHANCE = "one of two optimisers has other betas", "the clock is the seed"


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Originals:
    return Originals(tmp_path_factory.mktemp("originals"))


@pytest.mark.parametrize("name", [CHANGED, CHANCE])
def test_the_place_and_the_cause_are_named_first(name: str, tmp_path: Path, originals: Originals) -> None:
    row = score(name, FAULTS[name], tmp_path / "made", originals)
    assert row.level == "exact", row


def test_the_same_training_twice_is_the_same(tmp_path: Path, originals: Originals) -> None:
    row = score_clean(Pair("rings.py"), tmp_path / "pair", originals)
    assert (row.said, row.steps) == ("same", 24), row


def test_each_change_fits_its_script() -> None:
    for name, fault in {**FAULTS, **SECOND}.items():
        text = patched(fault.script, fault.shared, fault.change)
        compile(text, name, "exec")
        assert (
            text != patched(fault.script, fault.shared)
            or fault.arguments
            or fault.data
            or any(fault.environment)
        )


def test_the_catalogue_has_what_was_promised() -> None:
    assert len(FAULTS) >= 40
    assert not FAULTS.keys() & SECOND.keys()
    assert {fault.framework for fault in FAULTS.values()} == {"torch", "Keras"}
    assert sorted([pair.framework for pair in PAIRS]) == ["Keras"] * 25 + ["torch"] * 25
    assert len(set(PAIRS)) == 50


FAULT = Fault("a kind", "rings.py", ("batch", "loss"), 3, ("order",), says="File.npy")
RIGHT, OTHER = Cause("order", "another order", ("file.npy comes first",)), Cause("code", "other code")


def said(what: str | None, step: int | None, *causes: Cause) -> Result:
    place = Place(what, step, "words") if what else None  # type: ignore[arg-type] # any of its kinds
    return Result(place, "", causes, 2, "", {}, ())


def test_only_the_right_place_with_the_right_first_cause_is_exact() -> None:
    assert judged(FAULT, said("batch", 3, RIGHT, OTHER)) == ("exact", 1)
    assert judged(FAULT, said("batch", 3, OTHER, RIGHT)) == ("first three", 2)
    assert judged(FAULT, said("batch", 4, RIGHT)) == ("first three", 1)
    assert judged(FAULT, said("gradient", 3, RIGHT)) == ("first three", 1)
    assert judged(FAULT, said("batch", 3, OTHER, OTHER, OTHER, RIGHT)) == ("missed", 4)
    assert judged(FAULT, said("batch", 3, replace(RIGHT, evidence=()))) == ("missed", 0)
    assert judged(FAULT, said(None, None)) == ("missed", 0)


def test_a_change_that_no_longer_fits_its_script_is_an_error(tmp_path: Path) -> None:
    wrong = replace(FAULT, change={"no such line": ""})
    with pytest.raises(TrainingError, match="stands there 0 times"):
        make(tmp_path, wrong, Originals(tmp_path))


def test_the_readme_has_the_committed_score() -> None:
    committed = json.loads((ROOT / "tests/localise/score.json").read_text())
    words = f"{committed['exact']} of {len(FAULTS)}"
    for page in ("README.md", "docs/localise.md"):
        text = " ".join((ROOT / page).read_text().split())
        assert words in text, page
        assert committed["date"] in text, page
    row = (len(FAULTS), words, committed["first three"], committed["missed"])
    assert f"together | {' | '.join(map(str, row))} |" in text, "the table of docs/localise.md"
    assert committed["exact"] + committed["first three"] + committed["missed"] == len(FAULTS)
