"""Small faults of a real training: the place and the cause are named first, from records of real processes.

The slow ones take minutes; `pytest -k "epsilon"` runs one of them.
"""

import re
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.samebits.diff.faults import FAULTS
from tests.samebits.diff.faults.run import SCRIPT, line_of, make, make_data, record, slug
from tests.test_readme import pattern

from samebits.diff.command import compare, lines

SLOW = pytest.mark.slow
QUICK = "a schedule off by one"  # stands for all where there is no time


BLOCK = re.compile(r"^<!-- fault: ([^\n]*) -->\n```console\n\$ [^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGE = dict(BLOCK.findall((ROOT / "docs/diff.md").read_text()))
HASH = re.compile(r"[0-9a-f]{12}…")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of the training as it is."""
    folder = tmp_path_factory.mktemp("clean")
    make_data(folder / "data")
    record(folder, "record", SCRIPT)
    return folder / "record"


@pytest.mark.parametrize("name", [pytest.param(name, marks=[SLOW] * (name != QUICK)) for name in FAULTS])
def test_the_place_and_the_cause_of_a_fault_are_named_first(name: str, clean: Path, tmp_path: Path) -> None:
    fault = FAULTS[name]
    result = compare(*make(tmp_path / slug(name), fault, clean))
    if name in PAGE:
        said = HASH.sub("DIGEST", "".join(f"{line}\n" for line in lines(result)))
        assert pattern(HASH.sub("DIGEST", PAGE[name]).splitlines()).fullmatch(said), said
    if not fault.what:
        assert result.place is None, result
        assert result.steps > 0
        return
    assert result.place is not None
    assert (result.place.what, result.place.step) == (fault.what, fault.step), result
    first = result.causes[0]
    assert first.kind == fault.cause, result.causes
    if fault.line:
        assert first.where == line_of(fault) or first.where.endswith(f", {line_of(fault)} in B")


def test_what_the_page_shows_is_a_fault_of_the_table() -> None:
    assert {QUICK, "nothing"} < PAGE.keys() <= FAULTS.keys()
