"""An average of the weights counts its updates in a plain number."""

import copy

import torch


class Average(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.module, self.updates = copy.deepcopy(model), 0

    @torch.no_grad()
    def update(self, model):
        self.updates += 1
        keep = min(0.999, self.updates / (self.updates + 10))
        for mine, theirs in zip(self.module.parameters(), model.parameters(), strict=True):
            mine.lerp_(theirs, 1 - keep)
