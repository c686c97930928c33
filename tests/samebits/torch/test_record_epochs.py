"""The epoch of a step, by how often its data loader was read."""

from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader, Sampler  # noqa: E402

from samebits.torch.record_epochs import Epochs  # noqa: E402


class Endless(Sampler[int]):
    """Its length nobody knows, as torch allows."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(3))


class Refused(Endless):
    def __len__(self) -> int:
        raise NotImplementedError


@pytest.mark.parametrize("sampler", [None, Endless(), Refused()])
def test_each_pass_that_trains_is_an_epoch(sampler):
    epochs, loader, seen = Epochs(), DataLoader(torch.zeros(3), sampler=sampler), []
    for _ in range(2):
        iterator = iter(loader)
        epochs.begin(loader, iterator)
        for _ in iterator:
            epochs.batch(iterator, over=False)
            seen.append(epochs.step())
        epochs.batch(iterator, over=True)
    assert seen == [1] * 3 + [2] * 3
