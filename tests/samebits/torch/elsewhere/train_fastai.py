"""Train with fastai's own loop, `Learner.fit_one_cycle`, and a callback that makes it a run."""

import os
import sys
from typing import Any

import torch
from task import Points, Settings, network
from torch.nn.functional import cross_entropy

import samebits
import samebits.torch
from samebits.run import plots
from samebits.run.run import Run
from samebits.torch.trainer_loop import Steps

sys.path.append(os.environ["FASTAI"])  # installed there for the test
from fastai.callback.core import Callback
from fastai.callback.schedule import Learner
from fastai.metrics import accuracy

plots.draw = lambda metrics: b""  # which takes seconds


class Data:
    """What a Learner asks of its DataLoaders."""

    device = torch.device("cpu")

    def __init__(self, train: Any, valid: Any) -> None:
        self.train, self.valid = train, valid

    def __getitem__(self, number: int) -> Any:
        return (self.train, self.valid)[number]


class Resume(Callback):
    """Holds what a Learner keeps between two batches; after all other callbacks."""

    order = 200

    def __init__(self, run: Run) -> None:
        self.run = run

    def before_fit(self) -> None:
        self.run.checkpoint(model=self.learn.model, learner=self, test_loader=self.dls.valid)

    def after_loss(self) -> None:
        if self.training:
            self.run.average(loss=self.learn.loss_grad)

    def after_train(self) -> None:
        self.run.loop.end_of_steps()

    def after_validate(self) -> None:  # no end of an epoch: a skipped one has that, too
        self.run.log(accuracy=float(self.recorder.log[-1]))

    def after_fit(self) -> None:
        self.run.loop.end_of_training()

    def state_dict(self) -> dict[str, Any]:
        state = self.opt.state_dict()
        return {
            "moments": [dict(moments) for moments in state["state"]],
            "rates": [dict(rates) for rates in state["hypers"]],
            "counts": [self.learn.train_iter, self.learn.pct_train],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.opt.load_state_dict({"state": state["moments"], "hypers": state["rates"]})
        self.learn.train_iter, self.learn.pct_train = state["counts"]


def train(settings: Settings) -> None:
    with samebits.torch.open_run(settings, device="cpu") as run:
        loader = run.loader(Points(44), batch_size=settings.batch_size, shuffle=True)
        test_loader = run.loader(Points(40), name="test", batch_size=40)
        with run.stream("initialisation"):
            model = network()
        learner = Learner(
            Data(Steps(run, loader), test_loader), model, cross_entropy, metrics=accuracy, cbs=Resume(run)
        )
        with learner.no_bar(), learner.no_logging():
            learner.fit_one_cycle(settings.epochs, 0.02, start_epoch=run.loop.resumes_at[0] - 1)
        run.finish(model)


if __name__ == "__main__":
    samebits.main(train, Settings)
