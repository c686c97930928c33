"""The count of right findings in docs/lint.md is that of its table."""

import csv
import re
from collections import Counter

from tests.conftest import ROOT

from samebits.lint import rules

TEXT = " ".join((ROOT / "docs/lint.md").read_text().split())
ROWS = list(csv.DictReader((ROOT / "docs/lint_sample.csv").open()))
JUDGEMENTS = ("right", "wrong", "wrong line")


def test_the_sentences_are_the_tables():
    kinds = Counter(row["judgement"] for row in ROWS)
    assert set(kinds) == set(JUDGEMENTS)
    every, right, misplaced = len(ROWS), kinds["right"], kinds["wrong line"]
    assert (
        f"On training scripts {right} of {every} findings are right ({right / every:.1%})".replace(
            "%)", " %)"
        )
        in TEXT
    )
    assert f"{misplaced} of the {every - right} others say of their script what is true" in TEXT
    forgiven = right + misplaced
    assert f"it is {forgiven} of {every} ({forgiven / every:.1%}).".replace("%)", " %)") in TEXT
    files = len({(row["package"], row["path"]) for row in ROWS})
    packages = len({row["package"] for row in ROWS})
    assert f"gave findings in {files} files of {packages}." in TEXT
    assert len({tuple(row.values()) for row in ROWS}) == every >= 50
    assert files >= 25


def test_the_rules_counts_are_the_tables():
    counted = Counter((row["rule"], row["judgement"]) for row in ROWS)
    written = re.findall(r"\| (SB\d+) \| (\d+) \| (\d+) \| (\d+) \|", TEXT)
    for rule, *numbers in written:
        assert [int(number) for number in numbers] == [counted[rule, judgement] for judgement in JUDGEMENTS]
    assert {rule for rule, *_ in written} == {row["rule"] for row in ROWS} <= set(rules.load())
