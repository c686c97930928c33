"""Each parameter of several networks once, through a set."""

from itertools import chain

import torch

torch.manual_seed(0)
nets = [torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)]
every = set(chain.from_iterable(net.parameters() for net in nets))
optimizer = torch.optim.Adam(list(every))
