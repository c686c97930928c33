"""A training of two processes; the first saves for both. Knows nothing of samebits."""

import os
import sys

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

distributed.init_process_group("gloo")
rank = distributed.get_rank()
torch.manual_seed(1)
model = DistributedDataParallel(nn.Linear(4, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
begun = 0
if "--resume" in sys.argv:
    state = torch.load(sys.argv[sys.argv.index("--resume") + 1], weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    begun = state["step"]
for step in range(begun + 1, 7):
    generator = torch.Generator().manual_seed(
        10 * step + rank + (rank if begun and "lose" in sys.argv else 0)
    )
    optimizer.zero_grad()
    model(torch.randn(8, 4, generator=generator)).square().mean().backward()
    optimizer.step()
    if rank == 0 and step % 2 == 0:
        os.makedirs("out", exist_ok=True)
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
        torch.save(state, f"out/{step}.pt")
distributed.destroy_process_group()
