"""What a run does with torch: digests of batches, and generators that belong to one step."""

import random

import numpy as np
import torch

import samebits.torch
from samebits import derive_seed
from samebits.batch_digest import batch_digest
from samebits.run import Run
from samebits.run_folder import WorkingFolder
from starter.settings import Settings


def test_a_batchs_digest_takes_torch_tensors_of_every_type():
    values = torch.arange(6.0)
    kinds = [values, values.bfloat16(), values.half(), values.int(), values > 2, values.to(torch.complex64)]
    assert len({batch_digest(value) for value in kinds}) == len(kinds)
    assert batch_digest(values.reshape(2, 3).T) == batch_digest(values.reshape(2, 3).T.contiguous())


def test_every_step_of_every_epoch_has_generators_of_its_own(tmp_path):
    samples = torch.utils.data.TensorDataset(torch.arange(8.0))
    loader = samebits.torch.loader(samples, seed=0, batch_size=2)
    run = Run(Settings(), "torch", "cpu", WorkingFolder(tmp_path / "run"), samebits.torch)
    seeds, drawn = [], []
    for _ in range(3):
        for _batch in run.batches(loader):
            seeds.append(torch.initial_seed())
            drawn.append((random.random(), np.random.random(), torch.rand(()).item()))
            torch.rand(3)  # stray draws, which the next step must not notice
    assert len(set(seeds)) == len(set(drawn)) == 12
    assert seeds == [derive_seed(0, "step", epoch, step) for epoch in range(3) for step in range(4)]
