"""An open run: what ends it."""

import pytest
from tests.conftest import FRAMEWORKS

import samebits
from samebits import WrongUse
from starter.settings import Settings


def test_somebody_elses_input_error_keeps_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check", lambda strict: None)
    with (
        pytest.raises(ConnectionResetError),
        samebits.open_run(Settings(), framework=FRAMEWORKS[0], folder=tmp_path / "run"),
    ):
        raise ConnectionResetError(104, "Connection reset by peer")
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_weights_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check", lambda strict: None)
    with (
        pytest.raises(WrongUse, match=r"without `run\.finish\(model\)`"),
        samebits.open_run(Settings(), framework=FRAMEWORKS[0], folder=tmp_path / "run"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
