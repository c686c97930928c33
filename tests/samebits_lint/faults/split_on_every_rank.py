"""Every rank has its own seed, and splits the data with it."""

import torch
import torch.distributed as dist

torch.manual_seed(1234 + dist.get_rank())
train, validation = torch.utils.data.random_split(range(100), [98, 2])
