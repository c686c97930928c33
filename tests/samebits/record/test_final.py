"""The digest of the weights with which a recorded training ended, whatever was left of its record."""

import json
from pathlib import Path

import pytest

from samebits.record.final import count_steps, final_loss, final_metrics, final_weights

ABOUT = json.dumps({"event": "record", "role": "main", "pid": 1})
STEP = '{"event":"step","optimizer":0,"class":"SGD","step":%d,"losses":[["d",%s]],"parameters":"%s"}'


def record(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.jsonl").write_text(text)
    return folder


@pytest.mark.parametrize("left", ["", ABOUT[:20], ABOUT, "[1", "\0\0"])
def test_a_process_that_was_killed_in_its_first_line_has_no_weights(left: str, tmp_path: Path) -> None:
    whole = f"{ABOUT}\n{STEP % (1, 0.5, 'ab')}\n"
    alone = record(tmp_path / "alone", p1=whole)
    killed = record(tmp_path / "killed", p1=whole, p2=left)
    assert final_weights(killed) == final_weights(alone) != ""
    assert (count_steps(killed), final_loss(killed)) == (1, 0.5)
    assert final_weights(record(tmp_path / "nothing", p2=left)) == ""


def test_a_step_that_is_cut_off_counts_for_nothing(tmp_path: Path) -> None:
    steps = [STEP % (number, number, f"{number:02}") for number in (1, 2)]
    first = record(tmp_path / "first", p1=f"{ABOUT}\n{steps[0]}\n")
    cut = record(tmp_path / "cut", p1=f"{ABOUT}\n{steps[0]}\n{steps[1][:-3]}")
    whole = record(tmp_path / "whole", p1=f"{ABOUT}\n{steps[0]}\n{steps[1]}\n")
    assert final_weights(cut) == final_weights(first) != final_weights(whole)
    assert (count_steps(cut), final_loss(cut)) == (1, 1)


def test_the_metrics_of_the_last_epoch_come_before_the_loss_of_a_step(tmp_path: Path) -> None:
    lines = [ABOUT, STEP % (1, 0.5, "ab")]
    assert final_metrics(record(tmp_path / "plain", p1="".join(f"{line}\n" for line in lines))) == {
        "loss": 0.5
    }
    for epoch, values in enumerate(({"loss": 3.0}, {"loss": 2.0, "accuracy": "nan", "odd": None}), 1):
        lines.append(json.dumps({"event": "logs", "epoch": epoch, "values": values}, separators=(",", ":")))
    lines.append(lines[-1][:-9])  # was killed
    metrics = final_metrics(record(tmp_path / "fitted", p1="\n".join(lines)))
    assert metrics["loss"] == 2.0
    assert metrics.keys() == {"loss", "accuracy"}
