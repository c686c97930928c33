"""What a training that is compared is started with."""

from pathlib import Path

import pytest

from samebits.proof import seeds
from samebits.proof.trainings import Training, start


@pytest.mark.parametrize(("curves", "told"), [(False, "curves: 0\n"), (True, "curves: \n")])
def test_only_a_run_that_stays_has_curves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, curves: bool, told: str
) -> None:
    monkeypatch.delenv("SAMEBITS_CURVES")
    command = ["sh", "-c", 'echo "curves: $SAMEBITS_CURVES"']
    child = Training("one", command, tmp_path / "run", bare=True, curves=curves)
    assert start(child).wait() == 0
    assert child.log.read_text() == told


def test_the_runs_of_seeds_stay(tmp_path: Path) -> None:
    assert seeds._child(1, ["python", "train.py"], tmp_path / "run").curves
