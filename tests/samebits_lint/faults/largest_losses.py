"""The samples with the largest losses are trained on again."""

import torch

torch.manual_seed(0)
samples = torch.arange(100)
losses = torch.randint(5, (100,))
hard = samples[torch.topk(losses, 10).indices]
