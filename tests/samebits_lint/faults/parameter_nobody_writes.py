"""A parameter of memory as it is."""

import torch


class Mixed(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = torch.nn.Linear(width, 1)
        self.share = torch.nn.Parameter(torch.empty(width))

    def forward(self, x):
        return self.layer(x * self.share)


torch.manual_seed(0)
model = Mixed(4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model(torch.ones(2, 4)).sum().backward()
optimizer.step()
