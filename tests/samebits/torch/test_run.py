"""What a run does with torch: digests of batches, and generators that belong to one step."""

import dataclasses
import json
import random

import numpy as np
import pytest
import torch

import samebits.torch
from samebits import UsageError, derive_seed
from samebits.hashing.batches import batch_digest
from samebits.run.folder import WorkingFolder
from samebits.run.options import Options
from samebits.run.run import Run
from samebits.torch.trainer_loop import Steps
from starter.settings import Settings


def test_a_batchs_digest_takes_torch_tensors_of_every_type():
    values = torch.arange(6.0)
    kinds = [values, values.bfloat16(), values.half(), values.int(), values > 2, values.to(torch.complex64)]
    assert len({batch_digest(value) for value in kinds}) == len(kinds)
    assert batch_digest(values.reshape(2, 3).T) == batch_digest(values.reshape(2, 3).T.contiguous())


def test_every_step_of_every_epoch_has_generators_of_its_own(tmp_path):
    samples = torch.utils.data.TensorDataset(torch.arange(8.0))
    loader = samebits.torch.loader(samples, seed=0, batch_size=2)
    run = Run(Settings(), Options(), "torch", "cpu", WorkingFolder(tmp_path / "run"), samebits.torch, {})
    seeds, drawn = [], []
    for _ in range(3):
        for _batch in run.batches(loader):
            seeds.append(torch.initial_seed())
            drawn.append((random.random(), np.random.random(), torch.rand(()).item()))
            torch.rand(3)  # stray draws, which the next step must not notice
    assert len(set(seeds)) == len(set(drawn)) == 12
    assert seeds == [derive_seed(0, "step", epoch, step) for epoch in range(3) for step in range(4)]


def test_a_loop_that_never_asks_for_the_end_of_an_epoch_takes_the_same_steps(tmp_path):
    samples = torch.utils.data.TensorDataset(torch.arange(10.0))
    loader = samebits.torch.loader(samples, seed=0, batch_size=2, shuffle=True)
    run = Run(Settings(), Options(), "torch", "cpu", WorkingFolder(tmp_path / "run"), samebits.torch, {})
    steps, seen, counts = Steps(run, loader, size=2), [], []
    for epoch in range(2):
        batches = iter(steps)
        for number in range(len(steps)):  # five batches: two steps of two, one of one
            seen.append((epoch, next(batches)[0].tolist()))
            counts.append(
                (run.epoch, run.step, torch.initial_seed() == derive_seed(0, "step", epoch, number // 2))
            )
        run.loop.end_of_steps()
        run.log()
    assert counts[:6] == [(1, 0, True), (1, 0, True), (1, 1, True), (1, 1, True), (1, 2, True), (2, 3, True)]
    assert [batch for epoch, batch in seen if epoch == 1] == [b[0].tolist() for b in at_epoch(loader, 1)]
    assert [line["epoch"] for line in run._metrics.lines] == [1, 2]


def at_epoch(loader, epoch):
    loader.set_epoch(epoch)
    return loader


@dataclasses.dataclass(frozen=True)
class Own(samebits.RunSettings):
    pass


def train(folder, **settings):
    """With torch's own loader, which draws its order from the global generator."""
    samples = torch.utils.data.TensorDataset(torch.arange(12.0).reshape(6, 2))
    with samebits.open_run(Own(**settings), framework="torch", folder=folder) as run:
        with run.stream("initialisation"):
            model = torch.nn.Linear(2, 1)
        torch.manual_seed(3)
        run.checkpoint(model=model)
        for _ in run.epochs(3):
            for (values,) in run.batches(torch.utils.data.DataLoader(samples, batch_size=2, shuffle=True)):
                with torch.no_grad():
                    model.weight += values.sum(0) * model.weight.abs() * 0.1
            run.log()
        return run.finish(model)


def test_torchs_own_loader_continues_at_an_epochs_end(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    whole = train(tmp_path / "whole")
    assert json.loads((tmp_path / "whole/manifest.json").read_text())["resumes_within_epochs"] is False
    for step, from_step in (
        (3, 3),
        (4, 3),
        (9, 9),
    ):  # within an epoch: from the one before
        monkeypatch.setenv("SAMEBITS_STOP_AT", str(step))
        with pytest.raises(SystemExit) as left:
            train(tmp_path / f"run-{step}")
        assert left.value.code == 75
        monkeypatch.delenv("SAMEBITS_STOP_AT")
        assert train(tmp_path / f"run-{step}") == whole
        manifest = json.loads((tmp_path / f"run-{step}/manifest.json").read_text())
        assert [part["from_step"] for part in manifest["chain"]] == [0, from_step]
        metrics = [tmp_path / name / "metrics.jsonl" for name in ("whole", f"run-{step}")]
        assert metrics[0].read_text() == metrics[1].read_text()


def test_checkpoints_within_an_epoch_need_a_loader_with_a_place(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    with pytest.raises(UsageError, match="DataLoader cannot begin within an epoch: give"):
        train(tmp_path / "run", checkpoint_every=2)
    assert list(tmp_path.iterdir()) == []


def hold_state(folder, what):
    with samebits.open_run(Own(), framework="torch", folder=folder) as run:
        run.checkpoint(model=(model := torch.nn.Linear(2, 1)))
        for _ in run.epochs(1):
            for _batch in run.batches([1]):
                run.state.seen = what
        return run.finish(model)


def test_what_run_state_cannot_store_is_refused_when_a_checkpoint_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    with pytest.raises(UsageError, match=r"^run\.state\.seen is of type builtins\.object, which") as refused:
        hold_state(tmp_path / "run", object())
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []
    hold_state(tmp_path / "run", {"mean": np.float32(3), "of": (torch.ones(2), [1, None])})


def test_a_run_that_nobody_closes_says_once_that_it_can_be_resumed(tmp_path, monkeypatch, capsys):
    """As in a script whose lines were not moved into a `with` block: Python closes it at the end."""
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    monkeypatch.setenv("SAMEBITS_STOP_AT", "2")
    block = samebits.open_run(Own(), framework="torch", folder=tmp_path / "run")
    run = block.__enter__()
    run.checkpoint(model=torch.nn.Linear(2, 1))
    batches = (batch for _ in run.epochs(1) for batch in run.batches([1, 2, 3]))
    with pytest.raises(SystemExit):
        list(batches)
    block.gen.close()
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith(": saved after step 2; run the same command again to resume")
