"""An example switches the benchmark on where there is a GPU, and sets a seed for the results."""

import torch
from braindecode.util import set_random_seeds

cuda = torch.cuda.is_available()
if cuda:
    torch.backends.cudnn.benchmark = True
set_random_seeds(seed=20200220, cuda=cuda)
