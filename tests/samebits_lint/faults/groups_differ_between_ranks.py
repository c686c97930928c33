"""Each rank groups the parameters that it has, and one of them saves the groups for all."""

import torch
import torch.distributed as dist


def optimizer_of(stage):
    groups = {}
    for name, parameter in stage.named_parameters():
        groups.setdefault("bias" in name, []).append(parameter)
    optimizer = torch.optim.Adam([{"params": listed} for listed in groups.values()])
    if dist.get_rank() == 0:
        torch.save(optimizer.state_dict(), "optimizer.pt")
    return optimizer
