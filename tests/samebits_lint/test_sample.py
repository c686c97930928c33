"""The count of right findings in docs/lint.md is that of its table."""

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
from tests.conftest import ROOT

from samebits_lint import rules

TEXT = " ".join((ROOT / "docs/lint.md").read_text().split())
EVERY = list(csv.DictReader(Path(__file__).with_name("sample.csv").open()))
ROWS = [row for row in EVERY if row["sample"] == "9"]
JUDGEMENTS = ("right", "wrong", "wrong line")


def test_the_sentences_are_the_tables():
    kinds = Counter(row["judgement"] for row in ROWS)
    assert set(kinds) <= set(JUDGEMENTS)
    every, right = len(ROWS), kinds["right"]
    assert (
        f"On training scripts {right} of {every} findings are right ({right / every:.1%})".replace(
            "%)", " %)"
        )
        in TEXT
    )
    files = len({(row["package"], row["path"]) for row in ROWS})
    packages = len({row["package"] for row in ROWS})
    assert f"gave findings in {files} files of {packages}." in TEXT
    assert len({tuple(row.values()) for row in ROWS}) == every >= 50
    assert files >= 25
    assert packages >= 12
    assert all(row["reason"] for row in ROWS)


def test_what_the_two_largest_packages_hide_is_said():
    largest = [package for package, _ in Counter(row["package"] for row in ROWS).most_common(2)]
    rest = [row["judgement"] for row in ROWS if row["package"] not in largest]
    right = rest.count("right")
    assert f"Two packages have {len(ROWS) - len(rest)} of the findings" in TEXT
    assert f"without them it is {right} of {len(rest)} ({right / len(rest):.1%})".replace("%)", " %)") in TEXT


def test_what_the_easiest_rule_hides_is_said():
    easy = [row for row in ROWS if row["rule"] == "SB301"]
    rest = [row["judgement"] for row in ROWS if row["rule"] != "SB301"]
    right = rest.count("right")
    assert f"they are {len(easy)} of the findings (SB301)" in TEXT
    assert (
        f"without these it is {right} of {len(rest)} ({right / len(rest):.1%})".replace("%)", " %)") in TEXT
    )


@pytest.mark.parametrize("sample", ["3", "4", "5", "6", "7", "8"])
def test_the_samples_before_are_kept(sample):
    kinds = Counter(row["judgement"] for row in EVERY if row["sample"] == sample)
    every, right = sum(kinds.values()), kinds["right"]
    assert (
        f"{right} of {every} ({right / every:.1%}; sample {sample} in the file)".replace("%;", " %;") in TEXT
    )


def test_the_rules_counts_are_the_tables():
    counted = Counter((row["rule"], row["judgement"]) for row in ROWS)
    written = re.findall(r"\| (SB\d+) \| (\d+) \| (\d+) \| (\d+) \|", TEXT)
    for rule, *numbers in written:
        assert [int(number) for number in numbers] == [counted[rule, judgement] for judgement in JUDGEMENTS]
    assert {rule for rule, *_ in written} == {row["rule"] for row in ROWS} <= set(rules.load())


def test_what_was_looked_for_by_rule_is_the_tables():
    rows = [row for row in EVERY if row["sample"] == "rules"]
    counted = Counter(row["rule"] for row in rows)
    assert {row["judgement"] for row in rows} == {"right"}
    assert set(counted) <= set(rules.load())
    told = ", ".join(f"{rule} {number}" for rule, number in sorted(counted.items()))
    assert f"(sample `rules` in the file): {told}." in TEXT
