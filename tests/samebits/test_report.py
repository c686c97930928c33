"""One table, one JSON, one set of words: what every check prints through `samebits._report`."""

import json
import re
from pathlib import Path

import pytest

from samebits._report import OUTCOMES, WIDTH, Finding, as_json, cell, print_findings, print_table

ESCAPE = "\x1b]0;mine\x07"


@pytest.fixture
def pipe(monkeypatch):
    """No terminal, whatever the tests' own shell says of one."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


def test_a_list_is_one_element_a_line():
    findings = [Finding("a", "ok", "1"), Finding("b [x]", "fail", f"ü{ESCAPE}", "do it")]
    text = as_json(findings)
    assert [line[:1] for line in text.splitlines()] == ["[", "{", "{", "]"]
    told = {"subject": "b [x]", "outcome": "fail", "found": f"ü{ESCAPE}", "fix": "do it"}
    assert json.loads(text)[1] == told
    assert "\x1b" not in text
    assert as_json([]) == "[]"


def test_dataclasses_and_paths_are_values_of_an_object():
    assert json.loads(as_json({"rows": [Finding("a", "ok", "1")], "kept": Path("runs/x"), "no": None})) == {
        "rows": [{"subject": "a", "outcome": "ok", "found": "1", "fix": ""}],
        "kept": "runs/x",
        "no": None,
    }
    with pytest.raises(TypeError, match="set is nothing that JSON has"):
        as_json({"rows": {1}})


def test_a_pipe_has_a_width_and_loses_no_text(capsys, pipe):
    words = " ".join(f"word{number}" for number in range(100))
    print_table(("one", "two", "three"), [("a" * 50, "b" * 300, words)])
    lines = capsys.readouterr().out.splitlines()
    assert 100 < max(map(len, lines)) <= WIDTH <= 160
    text = "".join(lines)
    assert (text.count("a"), text.count("b")) == (50, 300)
    assert len(set(re.findall(r"word\d+", text))) == 100


def test_a_terminal_has_its_own_width(capsys, pipe, monkeypatch):
    for name, value in {"TTY_COMPATIBLE": "1", "COLUMNS": "70", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    print_table(("one", "two"), [("a", "b" * 300)])
    lines = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) == 70


def test_text_of_files_cannot_command_a_terminal_and_markup_is_text(capsys, pipe):
    print_table((f"[bold]{ESCAPE}",), [(f"[/]{ESCAPE}",)], title=f"[red]{ESCAPE}")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    for shown in (r"[bold]\x1b]0;mine\x07", r"[/]\x1b]0;mine\x07", r"[red]\x1b]0;mine\x07"):
        assert shown in out


def test_findings_begin_with_the_worst(capsys, pipe):
    print_findings([Finding(f"was {outcome}", outcome, "x") for outcome in reversed(OUTCOMES)])
    printed = re.findall(r"was (\w+)", capsys.readouterr().out)
    assert printed == list(OUTCOMES) == ["fail", "warn", "skipped", "ok"]


def test_a_cell_says_the_word_and_why():
    assert cell("ok") == ("ok", "ok")
    assert cell("skipped", "no GPU") == ("skipped: no GPU", "skipped")
