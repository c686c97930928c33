"""The gradient of CTC on a GPU."""

import torch

torch.manual_seed(0)
criterion = torch.nn.CTCLoss()


def loss(log_probs, targets, input_lengths, target_lengths):
    return criterion(log_probs, targets, input_lengths, target_lengths)
