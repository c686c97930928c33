"""Faults that others have reported, each as a small script: which lint finds, and the docs' number."""

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
from tests.conftest import ROOT

from samebits_lint import rules
from samebits_lint.check import check

HERE = Path(__file__).parent
ROWS = list(csv.DictReader((HERE / "faults.csv").open()))
SCRIPTS = {row["script"]: row["found"] for row in ROWS}
UNFOUND = ("run time", "missed")  # reading cannot decide; it could, and does not


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_is_found_as_the_list_says(script):
    named = {problem.rule for problem in check([HERE / "faults" / f"{script}.py"], rules.load())}
    expected = SCRIPTS[script]
    assert expected in named if expected not in UNFOUND else not named


def test_the_list_is_whole():
    assert {path.stem for path in (HERE / "faults").glob("*.py")} == set(SCRIPTS)
    assert len({row["report"] for row in ROWS}) == len(ROWS) >= 60
    assert all(row["report"].startswith("https://github.com/") and row["kind"] for row in ROWS)
    assert {row["found"] for row in ROWS} - set(UNFOUND) <= set(rules.load())
    assert all(SCRIPTS[row["script"]] == row["found"] for row in ROWS)


def test_the_number_in_the_docs_is_that_of_the_list():
    text = " ".join((ROOT / "docs/lint.md").read_text().split())
    counted = Counter(row["found"] if row["found"] in UNFOUND else "rule" for row in ROWS)
    every, caught = len(ROWS), counted["rule"]
    readable = every - counted["run time"]
    assert f"lint finds {caught} of {every} ({caught / every:.1%})".replace("%)", " %)") in text
    assert f"{counted['run time']} show at run time only" in text
    assert f"{counted['missed']} could be read, and lint misses them" in text
    assert f"{caught} of {readable} ({caught / readable:.1%})".replace("%)", " %)") in text
    kinds = Counter(row["kind"] for row in ROWS)
    by_rule = Counter(row["kind"] for row in ROWS if row["found"] not in UNFOUND)
    written = re.findall(r"\| ([a-z][A-Za-z ]+) \| (\d+) \| (\d+) \|", text)
    assert {kind: (int(some), int(most)) for kind, some, most in written} == {
        kind: (by_rule[kind], kinds[kind]) for kind in kinds
    }
