"""A user's own loop in several processes, in the ways that the arguments name; each says what stops it."""

import os
import sys

import torch
import torch.distributed
import torch.multiprocessing

import samebits
import samebits.torch
from samebits.run import plots

plots.draw = lambda metrics: b""  # which takes seconds


shared = torch.nn.Linear(2, 1).share_memory()


def train(folder: str, way: str = "") -> None:
    with samebits.torch.open_run({"seed": 0}, device="cpu", folder=folder) as run:
        if way == "connected-later":
            connect_two(int(folder[-1]))
        model = shared if way == "shared-model" else torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run.checkpoint(model=model, optimizer=optimizer)
        for _ in run.epochs(2):
            for batch in run.batches([torch.ones(1, 2), torch.zeros(1, 2)]):
                optimizer.zero_grad()
                model(batch).sum().backward()
                optimizer.step()
        run.finish(model)


def connect_two(rank: int) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{os.getcwd()}/connected", rank=rank, world_size=2
    )


def one_of_two(rank: int, way: str) -> None:
    if way in ("connected-first", "only-the-first"):
        connect_two(rank)
    if way != "only-the-first" or rank == 0:
        attempt(f"run-{rank}", way)
    if way != "shared-model":
        torch.distributed.barrier()


def attempt(folder: str, way: str = "") -> None:
    try:
        train(folder, way)
        line = "finished"
    except samebits.UsageError as error:
        line = f"refused: {error}"
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    if sys.argv[1] == "launched":
        attempt("run")
    for way in sys.argv[2:]:
        torch.multiprocessing.start_processes(one_of_two, (way,), nprocs=2, start_method="fork")
        if os.path.exists("connected"):
            os.remove("connected")
