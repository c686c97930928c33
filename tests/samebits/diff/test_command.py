"""`samebits diff` says its verdict, whatever else it was asked for."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.samebits.diff import made

from samebits.diff import reader
from samebits.diff.command import command, compare
from samebits.errors import UsageError


@pytest.fixture
def records(tmp_path: Path) -> list[str]:
    first = made.training(3)
    second = made.another(first)
    made.from_step(second, 2, lambda event: event.update(lrs=[0.5]))
    return [str(made.write(tmp_path / name, each)) for name, each in (("a", first), ("b", second))]


def run(*words: Any) -> Result:
    return CliRunner().invoke(command, list(map(str, words)), standalone_mode=False)


def test_a_picture_that_cannot_be_written_is_told_after_the_verdict(records: list[str]) -> None:
    missing = Path(records[0]) / "nowhere/picture.html"
    done = run(*records, "--html", missing)
    assert done.stdout.startswith("first difference: step 2, the learning rate: 0.1 in A, 0.5 in B")
    assert "picture:" not in done.stdout
    assert isinstance(done.exception, UsageError)
    assert str(missing.parent) in str(done.exception)
    told = run(*records, "--html", missing, "--json")
    assert json.loads(told.stdout)["first_difference"]["step"] == 2
    assert "picture" not in json.loads(told.stdout)


def test_a_picture_is_written_and_named(records: list[str], tmp_path: Path) -> None:
    done = run(*records, "--html", tmp_path / "p.html")
    assert done.stdout.splitlines()[-1] == f"picture: {tmp_path / 'p.html'}"
    assert (tmp_path / "p.html").exists()


def test_a_record_with_endless_tables_of_names_is_read_as_far_as_they_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MOST_NAMES", 100_000)
    both = [made.training(6), made.training(6)]
    for events in both:
        at = next(at for at, event in enumerate(events) if event["event"] == "step") + 2
        names = [f"layer-{number}" for number in range(1000)]
        table = {"kind": "state", "names": names, "shapes": [[]] * 1000, "dtypes": ["int"] * 1000}
        events[at:at] = [{"event": "names", "id": 9 + n, "owner": "Net", **table} for n in range(20)]
    with pytest.raises(UsageError, match=r"than 100,000 bytes of tables of names.* the same for 2 steps"):
        compare(*(made.write(tmp_path / name, each) for name, each in zip("ab", both, strict=True)))
