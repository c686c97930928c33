"""A setting that promises not to decide, and evaluation that decides anyway: seen from inside a run."""

import dataclasses
import json
import re

import pytest
import torch

import samebits.torch

# Trains each case that is named with evaluation after every epoch and after the last one only.
TRAIN = """
import copy, dataclasses, json, sys
import torch
from torch import nn
from torch.optim import lr_scheduler
import samebits

@dataclasses.dataclass(frozen=True)
class Settings:
    seed: int = 0
    evaluate_every: int = samebits.option(1, "epochs", affects_weights=False)

class Object:
    def __init__(self, **state): self.__dict__ = state
    def state_dict(self): return dict(self.__dict__)
    def load_state_dict(self, state): self.__dict__ = state

def evaluate(model, epoch, training=False):
    model.train(training)
    with torch.no_grad():
        loss = model(torch.full((4, 3), 2.0)).square().mean()
    model.train()
    return float(loss) * (1 + 0.5 * (epoch % 2))  # gets worse every second time

def train(case, every):
    settings = Settings(evaluate_every=every)
    with samebits.open_run(settings, framework="torch", folder=f"{case}-{every}") as run:
        with run.stream("initialisation"):
            model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0123456789)
        average = torch.optim.swa_utils.AveragedModel(model, use_buffers=True)
        schedule = lr_scheduler.ExponentialLR(optimizer, 0.9)
        plateau = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
        if case in ("plateau", "accuracy", "training"):
            del optimizer.step._wrapped_by_lr_sched
            schedule = plateau
        stopper = Object(best=None, bad=0)
        as_tensor = Object(score=torch.tensor(-1e9), bad=0)
        decay = Object(momentum=0.987654321, average=torch.zeros(3), unset=None)
        history = Object(seen=[])
        last = Object(stateless=True, best=1e9)
        run.checkpoint(model=model, optimizer=optimizer, average=average, schedule=schedule, stopper=stopper,
                 as_tensor=as_tensor, decay=decay, history=history, last=last)
        run.checkpoint("losses", affects_weights=False)  # of one epoch; nobody stops within one here
        for epoch in run.epochs(6):
            losses = []
            for (x,) in run.batches([(torch.randn(4, 3, generator=torch.Generator().manual_seed(i)),)
                                     for i in range(3)]):
                optimizer.zero_grad()
                loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
                loss.backward()
                optimizer.step()
                run.average(loss=loss)
                losses.append(loss.item())
                average.update_parameters(model)
                decay.average += 1
            average.update_parameters(model)
            logged = {"lr": optimizer.param_groups[0]["lr"], "momentum": decay.momentum,
                      "train_error": sum(losses) / 3}
            decay.momentum *= 0.9
            if case == "training":
                schedule.step(sum(losses) / 3)
            elif schedule is not plateau:
                schedule.step()
            if epoch == 6 or epoch % every == 0:
                with samebits.isolated_rng():
                    val = evaluate(model, epoch, training=case == "mode")
                logged |= {"val_loss": val, "next_lr": optimizer.param_groups[0]["lr"]}
                history.seen.append(val)
                last.best = min(last.best, val)
                if case == "plateau":
                    schedule.step(val)
                if case == "accuracy":
                    schedule.step(1 - 1 / (1 + val))  # logged as something else
                if case == "stopper":
                    if stopper.best is None or val < stopper.best:
                        stopper.best, stopper.bad = val, 0
                    else:
                        stopper.bad += 1
                if case == "tensor":
                    if -val > as_tensor.score:
                        as_tensor.score = torch.tensor(-val)
                    else:
                        as_tensor.bad += 1
                if stopper.bad == 2 or as_tensor.bad == 2:
                    run.log(**logged)
                    break
            run.log(**logged)
        return run.finish(model)

for case in sys.argv[1:]:
    print("case", case, file=sys.stderr, flush=True)
    hashes = [train(case, every) for every in (1, 6)]
    print("\\n" + json.dumps([case, hashes]), flush=True)
"""
DECIDES = {
    "plateau": "schedule (ReduceLROnPlateau) follows val_loss",
    "accuracy": "schedule (ReduceLROnPlateau) follows a number that is not the steps' loss",
    "stopper": "stopper.best follows val_loss",
    "tensor": "as_tensor.score follows val_loss",
    "mode": "model.1 updates its running statistics during it, so call eval() on the model before",
}
NOT = ("plain", "training")  # a schedule, averages, a history …; ReduceLROnPlateau on the training's loss


@pytest.fixture(scope="module")
def trained(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    (folder / "train.py").write_text(TRAIN)
    done = start("python", "train.py", *DECIDES, *NOT, cwd=folder)
    assert done.returncode == 0, done.stderr
    hashes = dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith('["'))
    said = {
        part.split("\n")[0]: part.split("\n")[1:-1]
        for part in re.split("^case ", done.stderr, flags=re.M)[1:]
    }
    return folder, hashes, said


@pytest.mark.parametrize("case", DECIDES)
def test_evaluation_that_decides_is_said_once_by_name(trained, case):
    folder, hashes, said = trained
    assert hashes[case][0] != hashes[case][1]  # it does decide
    line = (
        f"evaluation decides how the training continues: {DECIDES[case]}. So evaluate_every affects the "
        "weights: remove affects_weights=False from that setting"
    )
    assert said[case][0] == f"samebits: {line}"
    assert set(said[case]) == {said[case][0]}
    assert json.loads((folder / f"{case}-1/manifest.json").read_text())["evaluation_decides"] == [line]


@pytest.mark.parametrize("case", NOT)
def test_what_changes_without_evaluation_is_no_alarm(trained, case):
    folder, hashes, said = trained
    assert hashes[case][0] == hashes[case][1]
    assert said[case] == []
    assert json.loads((folder / f"{case}-1/manifest.json").read_text())["evaluation_decides"] == []


@dataclasses.dataclass(frozen=True)
class Settings:
    seed: int = 0
    evaluate_every: int = samebits.option(1, "epochs", affects_weights=False)
    workers: int = samebits.option(0, "processes", affects_weights=False)


class Object:
    def __init__(self, **state):
        self.__dict__ = state

    def state_dict(self):
        return dict(self.__dict__)

    def load_state_dict(self, state):
        self.__dict__ = dict(state)


def resumed(folder, what, *declared, **settings):
    """A training that stops after its second epoch and resumes with other settings."""

    def train(settings):
        with samebits.torch.open_run(settings, device="cpu", folder=folder) as run:
            model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
            schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
            average = torch.optim.swa_utils.AveragedModel(model)
            stopper, order = Object(best=None), torch.Generator().manual_seed(1)
            run.checkpoint(
                model=model,
                optimizer=optimizer,
                schedule=schedule,
                average=average,
                stopper=stopper,
                order=order,
            )
            run.checkpoint(*declared, affects_weights=False)
            for epoch in run.epochs(3):
                run.state.seen = 0
                for batch in run.batches([torch.ones(4, 3), torch.zeros(4, 3)]):
                    optimizer.zero_grad()
                    model(batch).square().mean().backward()
                    optimizer.step()
                    stopper.steps = run.step  # in a step: that is training
                    torch.rand(1, generator=order)
                    run.state.seen += 1
                schedule.step()
                average.update_parameters(model)
                model.eval()
                float(model(torch.ones(1, 3)).sum())
                model.train()
                if what == "stopper":
                    stopper.best = epoch
                if what == "order":
                    torch.rand(1, generator=order)
                if what == "run.state":
                    run.state.best = epoch
                if what == "model":
                    model.load_state_dict(model.state_dict())
                if what == "statistics":
                    model(torch.ones(4, 3))
            return run.finish(model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMEBITS_STOP_AT", "4")
        with pytest.raises(SystemExit):
            train(Settings())
    return train(Settings(**settings))


@pytest.fixture
def _unchecked(monkeypatch):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    monkeypatch.setattr("samebits.run.plots.draw", lambda metrics: b"")


@pytest.mark.usefixtures("_unchecked")
@pytest.mark.parametrize("what", ["stopper", "order", "run.state", "model", "statistics"])
def test_another_evaluation_is_refused_where_something_held_changed_during_it(tmp_path, what):
    name = {"statistics": "model", "run.state": "run.state.best"}.get(what, what)
    says = (
        f"setting evaluate_every was 1 and is 2, and evaluation may have changed {name} after an epoch's last"
    )
    with pytest.raises(samebits.UsageError, match=re.escape(says)):
        resumed(tmp_path / "run", what, evaluate_every=2)
    resumed(tmp_path / "same", what, workers=1)
    resumed(tmp_path / "declared", what, name, evaluate_every=2)  # it affects no weight, says the user


@pytest.mark.usefixtures("_unchecked")
def test_another_evaluation_that_changes_nothing_is_accepted(tmp_path):
    """Schedules and averages of weights change there too, and not by evaluation; nor does an epoch's head."""
    resumed(tmp_path / "run", "nothing", evaluate_every=2)
