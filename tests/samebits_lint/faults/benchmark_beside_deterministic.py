"""cuDNN measures which convolution is quickest, and is told to be deterministic."""

import torch

torch.manual_seed(3)
torch.backends.cudnn.benchmark = True
torch.backends.cudnn.deterministic = True
