"""An option that nothing reads."""

import torch


def make(rank, random_state=3407):
    return torch.nn.Parameter(torch.randn(rank, 8))


down = make(4, random_state=1)
