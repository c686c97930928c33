"""Keras has no lines inside a step, and its record says so at the levels that have them."""

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from samebits.keras import record, record_hooks
from samebits.record.format import LEVELS


@pytest.mark.parametrize("level", LEVELS)
def test_what_cannot_be_placed_below_the_step_is_named(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_hooks, "attach", lambda process: None)
    written: list[dict[str, Any]] = []
    record.attach(SimpleNamespace(writer=SimpleNamespace(level=level, write=written.append)))
    said = [event["what"] for event in written if event["event"] == "unseen"]
    assert said == ([] if level == "step" else [record.BELOW_THE_STEP])
