"""The names that `samebits lint` looks for, and the kernels that torch has no deterministic version of."""

import re

import torch

from samebits._instead import INSTEAD
from samebits_lint import operations


def test_every_kernel_has_a_name_or_a_reason():
    named = {
        pattern
        for pattern in INSTEAD
        for kernel in operations.TORCH.values()
        if re.fullmatch(pattern, kernel)
    }
    by_mode = {r"upsample_(linear|bilinear|bicubic|trilinear).*", r"embedding_bag.*"}
    assert named | by_mode | set(operations.TORCH_UNTOLD) == set(INSTEAD)
    assert not named & set(operations.TORCH_UNTOLD)


def test_the_names_are_torchs():
    for dotted in [*operations.TORCH, *operations.INTERPOLATED, *operations.PADDED]:
        operation = torch
        for part in dotted.split(".")[1:]:
            operation = getattr(operation, part)
        assert callable(operation)
