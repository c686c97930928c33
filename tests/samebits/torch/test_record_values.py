"""`samebits record --values`: the tensors are those of the digests, and no bit changes."""

import json
from pathlib import Path

import pytest
from tests.samebits.record.stored import check

from samebits.record.values import file_name

TRAININGS = Path(__file__).parents[1] / "record/trainings.py"
SCRIPT = """
import hashlib, torch
from torch import nn

torch.manual_seed(3)
model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)).to(torch.bfloat16)
twist = nn.Parameter(torch.randn(2, dtype=torch.complex128))
optimizers = [torch.optim.AdamW(model.parameters(), 0.1), torch.optim.SGD([twist], 0.1, momentum=0.9)]
for step in range(4):
    inputs, empty = torch.randn(4, 6).to(torch.bfloat16), torch.empty(0, 3)
    (model(inputs).float().sum() * twist.prod().abs() + empty.sum()).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    inputs.zero_()  # what was recorded is a copy
    for optimizer in optimizers[: 1 + step % 2]:
        optimizer.step()
        optimizer.zero_grad()
for value in (*model.state_dict().values(), twist):
    bits = value.detach().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()
    print(hashlib.sha256(bits).hexdigest())
"""


def test_the_tensors_of_the_asked_steps_have_the_recorded_digests(start, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    plain = start("python", "train.py", cwd=tmp_path)
    assert plain.returncode == 0, plain.stderr
    words = ("samebits", "record", "--values", "2:2", "-o", "made", "--", "python", "train.py")
    done = start(*words, cwd=tmp_path)
    *printed, said = done.stdout.splitlines()
    assert printed == plain.stdout.splitlines(), done.stderr
    assert "; tensors of 2 steps, " in said
    (jsonl,) = (tmp_path / "made").glob("*.jsonl")
    events = [json.loads(line) for line in jsonl.read_text().splitlines()]
    tables = {event["id"]: event for event in events if event["event"] == "names"}
    files = {path.name for path in (tmp_path / "made").glob("*.safetensors")}
    assert files == {file_name(jsonl.stem, number, 2) for number in (0, 1)}
    first, second = (
        check(tmp_path / "made" / file_name(jsonl.stem, number, 2), event, tables)
        for number in (0, 1)
        for event in events
        if event["event"] == "step" and (event["optimizer"], event["step"]) == (number, 2)
    )
    # Six parameters, each with two gradients and three parts of a state; three buffers; batch, output, loss.
    assert first == 6 * (1 + 2 + 3) + 3 + 1 + 1 + 1
    assert second == 1 + 1 + 1  # the other optimiser has made its step before


@pytest.mark.slow
def test_no_bit_of_any_kind_of_training_changes(start, tmp_path: Path) -> None:
    plain = start("python", TRAININGS, cwd=tmp_path)
    words = ("samebits", "record", "--values", "1:3", "-o", "made", "--", "python", TRAININGS)
    recorded = start(*words, cwd=tmp_path)
    assert recorded.stdout.splitlines()[:-1] == plain.stdout.splitlines()
    assert "samebits" not in recorded.stderr
    assert len(list((tmp_path / "made").glob("*.safetensors"))) > 40
