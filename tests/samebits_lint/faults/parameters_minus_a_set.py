"""Parameters with and without decay, by set operations."""

import torch


def groups(model):
    plain = {parameter for parameter in model.parameters() if parameter.ndim < 2}
    decayed = set(model.parameters()) - plain
    return [{"params": list(decayed), "weight_decay": 0.1}, {"params": list(plain), "weight_decay": 0.0}]


torch.manual_seed(0)
optimizer = torch.optim.AdamW(groups(torch.nn.Linear(3, 3)))
