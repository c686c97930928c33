"""Each rule's page: its bad example is flagged, its good one is clean."""

import re

import pytest
from tests.conftest import ROOT

from samebits_lint import rules
from samebits_lint.check import check

PAGES = {path.stem: path.read_text() for path in sorted((ROOT / "docs/rules").glob("*.md"))}


def test_every_rule_has_a_page_under_its_name():
    known = rules.load()
    assert set(PAGES) == set(known)
    for code, text in PAGES.items():
        assert text.startswith(f"# {code}: {known[code].name}\n")


@pytest.mark.parametrize("code", PAGES)
def test_the_examples_are_what_they_say(tmp_path, code):
    examples = re.findall(r"## (\w+)\n\n```python\n(.*?)```", PAGES[code], re.DOTALL)
    assert [name for name, _ in examples] == ["Bad", "Good"]
    named = {}
    for name, text in examples:
        file = tmp_path / f"{name.lower()}.py"
        file.write_text(text)
        named[name] = {problem.rule for problem in check([file], rules.load())}
    assert code in named["Bad"]
    assert named["Good"] == set()


def test_the_table_in_the_docs_is_the_rules():
    rows = re.findall(
        r"^\| \[(SB\d+)\]\(rules/\1\.md\) \| `([\w-]+)` \|", (ROOT / "docs/lint.md").read_text(), re.M
    )
    assert rows == [(rule.code, rule.name) for rule in rules.load().values()]
