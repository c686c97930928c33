"""Trainings that test_epoch_ends.py ends by a signal at an instant of its choice, each in its own process.

The argument is JSON: a list of trainings, each a folder's name, where in which epoch a signal comes (the
signal, the epoch and the place), and settings. The signal goes to data workers, too. One process imports
torch, and forks the others one after another. The answer is a line for each: its status (minus the signal
that ended it), stdout and stderr.
"""

import gc
import json
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch._dynamo
import torch._inductor.config  # before the fork: these take a second
from torch import nn

import samebits
import samebits.torch
from samebits.run import plots

plots.draw = lambda metrics: b""
STEPS = 4  # of an epoch


@dataclass(frozen=True)
class Settings(samebits.RunSettings):
    keep_steps: tuple[int, ...] = samebits.option((), "steps", affects_weights=False)
    stream: bool = samebits.option(False, "a loader that does not know its length", affects_weights=False)
    workers: int = samebits.option(0, "processes", affects_weights=False)
    once: bool = samebits.option(False, "a training that fails before its end", affects_weights=False)


class Stream(torch.utils.data.IterableDataset):
    deterministic = True

    def __iter__(self) -> Any:
        return iter(torch.arange(16 * 3.0).reshape(16, 3) / 48)


def make_loader(settings: Settings) -> Any:
    if settings.stream:
        return samebits.torch.loader(Stream(), seed=0, batch_size=4, num_workers=settings.workers)
    return list(torch.arange(16 * 3.0).reshape(4, 4, 3) / 48)


def train(settings: Settings, folder: str, at: Any) -> None:
    torch.manual_seed(0)
    with samebits.open_run(settings, framework="torch", folder=folder, keep_steps=settings.keep_steps) as run:

        def signal_at(epoch: int, place: str) -> None:
            if at is not None and at[1:] == [epoch, place]:
                run.loop.saving.wait()  # so that it is known what a kill goes back to
                os.killpg(os.getpid(), at[0])

        loader = make_loader(settings)
        model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.3), nn.Linear(8, 1))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        run.state.all = []
        run.checkpoint(model=model, optimizer=optimizer)
        run.checkpoint("seen", "last", affects_weights=False)  # no weight depends on them
        for epoch in run.epochs(9):
            optimizer.param_groups[0]["lr"] *= 0.5  # twice in a process that resumes within the epoch
            run.state.seen, run.state.total = 0, torch.zeros(())
            run.log(rate=optimizer.param_groups[0]["lr"])
            signal_at(epoch, "head")
            seen = 0
            for batch in run.batches(loader):
                loss = model(batch).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                seen += 1
                run.state.seen += 1
                run.state.total += loss.detach()
                run.average(loss=loss)
                signal_at(epoch, f"step {run.state.seen}")
            last = float(loss.detach())  # these two fail where the loop was empty
            assert 1 / seen
            signal_at(epoch, "evaluation")
            model.eval()
            for number, batch in enumerate(run.batches([torch.ones(2, 3), torch.zeros(2, 3)])):
                signal_at(epoch, f"evaluation {number}")
                last += float(model(batch).sum().detach())
            model.train()
            run.state.all = [*run.state.all, last]
            run.log(mean=float(run.state.total / run.state.seen), last=last)
            signal_at(epoch, "logged")
            if epoch == 3 and not settings.once:
                break
            if settings.once and epoch == 3:
                raise samebits.UsageError("the disk is full")
        signal_at(3, "finish")
        assert len(run.state.all) == 3
        run.finish(model)


def redirected(name: str, number: int) -> str:
    file = os.open(name, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    os.dup2(file, number)
    return name


gc.freeze()  # what is imported: the looks of each run at all objects then take no second
for name, at, settings in json.loads(sys.argv[1]):
    if (child := os.fork()) == 0:
        os.setsid()
        redirected("stdout", 1)
        redirected("stderr", 2)
        status = 0
        try:
            train(Settings(**settings), name, at)
        except SystemExit as exit:
            status = int(exit.code or 0)
        except samebits.UsageError as error:
            print(f"samebits: {error}", file=sys.stderr)
            status = 2
        except BaseException:
            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps([status, Path("stdout").read_text(), Path("stderr").read_text()]), flush=True)
