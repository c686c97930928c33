"""The biases are a set, because that is quick to look into; and they go to the optimiser so."""

import torch

torch.manual_seed(0)
model = torch.nn.Linear(3, 3)
biases = {parameter for name, parameter in model.named_parameters() if "bias" in name}
weights = [parameter for parameter in model.parameters() if parameter not in biases]
groups = [dict(params=weights), dict(params=list(biases), lr=0.2)]  # noqa: C408
optimizer = torch.optim.SGD(groups, lr=0.1)
