"""Small faults of a real training: the place and the cause are named first, from records of real processes.

The slow ones take minutes; `pytest -k "epsilon"` runs one of them.
"""

from pathlib import Path

import pytest
from tests.samebits.diff.faults import FAULTS
from tests.samebits.diff.faults.run import SCRIPT, line_of, make, make_data, record, slug

from samebits.diff.command import compare

SLOW = pytest.mark.slow
QUICK = "a schedule off by one"  # stands for all where there is no time


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
