"""A training in Keras that is interrupted anywhere, in processes of its own, ends with the same bits."""

import hashlib
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT

STEPS = 18  # 3 epochs of 6
SAVED = 75
LOG = re.compile(r"[IWE]\d{4} |\s*\[\[")  # TensorFlow's own


class Trainer:
    """Starts a process for each run; TensorFlow is imported once for all of them."""

    def __init__(self) -> None:
        command = [str(ROOT / "entrypoint"), "python", str(Path(__file__).with_name("train_resumed.py"))]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __call__(self, folder: Path, stop_at: int | None = None, **options: Any) -> tuple[int, list[str]]:
        """The run's exit status, and what it wrote on stderr."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        variables = {"SAMEBITS_STOP_AT": "-1" if stop_at is None else str(stop_at)}
        asked = {"folder": str(folder), "options": options, "variables": variables}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["status"], [line for line in answer["stderr"].splitlines() if not LOG.match(line)]


@dataclass(frozen=True)
class Bits:
    weights: str
    metrics: bytes


def bits(folder: Path) -> Bits:
    """What must be the same."""
    weights = (folder / "weights.safetensors").read_bytes()
    return Bits(hashlib.sha256(weights).hexdigest(), (folder / "metrics.jsonl").read_bytes())


@pytest.fixture(scope="module")
def trainer() -> Iterator[Trainer]:
    trainer = Trainer()
    yield trainer
    trainer.process.stdin.close()  # type: ignore[union-attr]
    assert trainer.process.wait(60) == 0


@pytest.fixture(scope="module")
def whole(trainer: Trainer, tmp_path_factory: pytest.TempPathFactory) -> Bits:
    """The training in one go."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert trainer(folder) == (0, [])
    return bits(folder)


def test_interrupted_anywhere_it_ends_with_the_same_bits(
    trainer: Trainer, whole: Bits, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    stops: list[tuple[dict[str, Any], str]] = [
        ({"stop_at": 0}, "SAMEBITS_STOP_AT: nothing to save yet"),
        ({"stop_at": 4, "workers": 4}, "SAMEBITS_STOP_AT: saved after step 4"),  # in an epoch
        ({"kill": 4}, "SIGTERM: saved after step 8"),  # within a step, which is taken to its end
        ({"stop_at": 12, "workers": 2, "checkpoint_every": 3}, "SAMEBITS_STOP_AT: saved after step 12"),
        ({"stop_at": STEPS, "evaluate": "draw"}, "SAMEBITS_STOP_AT: saved after step 18"),
    ]
    for options, why in stops:
        assert trainer(folder, **options) == (
            SAVED,
            [f"samebits: {why}; run the same command again to resume"],
        )
        assert not folder.exists()
    assert trainer(folder, workers=1) == (0, [])
    assert bits(folder) == whole
    chain = json.loads((folder / "manifest.json").read_text())["chain"]
    assert [link["from_step"] for link in chain] == [0, 4, 8, 12, STEPS]


@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM"])
def test_ended_around_an_epochs_end_no_epoch_is_empty(
    trainer: Trainer, whole: Bits, tmp_path: Path, number: str
) -> None:
    """Callbacks fail in an epoch without steps or logs; one changes a weight at the head of each epoch."""
    folder = tmp_path / "run"
    places = ["1 validation", "2 head", "2 step-3", "2 step-6", "3 validation"]
    status = SAVED
    if number == "SIGKILL":  # after which the same epoch comes again
        places += ["3 step-6", "3 logged", "3 end"]
        status = -signal.SIGKILL
    for place in places:
        assert trainer(folder, end=f"{number} {place}")[0] == status, place
        assert not folder.exists()
    assert trainer(folder) == (0, [])
    assert bits(folder) == whole


def test_evaluating_or_not_changes_no_weight(trainer: Trainer, whole: Bits, tmp_path: Path) -> None:
    assert trainer(tmp_path / "run", evaluate="never") == (0, [])
    assert bits(tmp_path / "run").weights == whole.weights


def test_a_users_own_loop_resumes_too(trainer: Trainer, tmp_path: Path) -> None:
    assert trainer(tmp_path / "whole", loop="own") == (0, [])
    assert trainer(tmp_path / "parts", loop="own", stop_at=6)[0] == SAVED  # at an epoch's end
    assert trainer(tmp_path / "parts", loop="own", stop_at=8)[0] == SAVED
    assert trainer(tmp_path / "parts", loop="own", workers=2) == (0, [])
    assert bits(tmp_path / "parts") == bits(tmp_path / "whole")
