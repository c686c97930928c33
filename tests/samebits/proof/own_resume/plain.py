"""A training that saves and loads by itself, as many do. LOSE is a part that it does not load."""

import argparse
import copy
import os

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--resume", default="")
parser.add_argument("--save-every", type=int, default=2)
args = parser.parse_args()
LOSE = os.environ.get("LOSE", "")
torch.manual_seed(0)
data, targets = torch.randn(40, 4), torch.randint(3, (40,))
model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))
average = copy.deepcopy(model)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 5, 0.5)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8, growth_interval=4)
step = 0
order = torch.Generator().manual_seed(1)
held = {"model": model, "optimizer": optimizer, "schedule": schedule, "scaler": scaler, "average": average}
start_epoch = start_batch = 0
permutation = None
if args.resume:
    state = torch.load(args.resume, weights_only=True)
    for name, each in held.items():
        if name != LOSE:
            each.load_state_dict(state[name])
    step, start_epoch, start_batch = state["step"], state["epoch"], state["batch"]
    if LOSE == "step":
        step = 0
    if LOSE == "place":
        start_batch = 0
    if LOSE != "generator":
        torch.set_rng_state(state["rng"])
    if LOSE != "order":
        order.set_state(state["order"])
    permutation = state["permutation"]
os.makedirs("out", exist_ok=True)
for epoch in range(start_epoch, args.epochs):
    if permutation is None:
        permutation = torch.randperm(40, generator=order)
    batches = permutation.split(10)
    for number, rows in enumerate(batches):
        if number < start_batch:
            continue
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(data[rows]), targets[rows])
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        with torch.no_grad():
            for mean, value in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(value, 0.1)
        step += 1
        if step % args.save_every == 0:
            state = {name: each.state_dict() for name, each in held.items()}
            state |= {"step": step, "epoch": epoch, "batch": number + 1, "rng": torch.get_rng_state()}
            state |= {"order": order.get_state(), "permutation": permutation}
            torch.save(state, f"out/step-{step}.pt")
    permutation, start_batch = None, 0
    if step % 4 == 0:
        model.eval()
        with torch.no_grad():
            model(data)
        model.train()
torch.save(average.state_dict(), "out/average.pt")
