"""The seed is set; deterministic kernels are an option of the program, off unless somebody asks."""

import argparse

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--cuda-deterministic", action="store_true")
args = parser.parse_args()
torch.manual_seed(args.seed)
if args.cuda_deterministic:
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
