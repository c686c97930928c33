"""The count of right findings in docs/lint.md is that of its table."""

import csv
import re
from collections import Counter

from tests.conftest import ROOT

from samebits.lint import rules

TEXT = " ".join((ROOT / "docs/lint.md").read_text().split())
ROWS = list(csv.DictReader((ROOT / "docs/lint_sample.csv").open()))


def test_the_sentence_is_the_tables():
    kinds = Counter(row["judgement"] for row in ROWS)
    right, wrong, elsewhere = kinds.pop("right"), kinds.pop("wrong"), kinds.pop("predicts only")
    assert not kinds
    assert f"{right} of {right + wrong} are right in packages that train." in TEXT
    assert f"{elsewhere} more are in packages that only predict" in TEXT
    assert f"counted as wrong, it is {right} of {len(ROWS)}." in TEXT
    files = len({(row["package"], row["path"]) for row in ROWS})
    packages = len({row["package"] for row in ROWS})
    assert f"{len(ROWS)} findings in {files} files of {packages} packages" in TEXT
    assert right / (right + wrong) > 0.9


def test_the_rules_counts_are_the_tables():
    counted = Counter((row["rule"], row["judgement"]) for row in ROWS)
    written = re.findall(r"\| (SB\d+) \| (\d+) \| (\d+) \| (\d+) \|", TEXT)
    for rule, *numbers in written:
        assert [int(number) for number in numbers] == [
            counted[rule, judgement] for judgement in ("right", "wrong", "predicts only")
        ]
    assert {rule for rule, *_ in written} == {row["rule"] for row in ROWS} <= set(rules.load())
