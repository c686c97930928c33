"""The loader: the same batches whatever the workers do, and no trace in the global generators.

Each fact is shown by scripts in processes of their own, which print one SHA-256 for each epoch.
"""

import functools
import random

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Subset, TensorDataset, WeightedRandomSampler

from samebits import UsageError
from samebits.rng.unseedable import find_generator
from samebits.torch import Loader, loader

SCRIPT = """
import hashlib, random
import numpy, torch
from torch.utils.data import DataLoader
from samebits.torch import loader

class Numbers:
    'Augments with all three global generators.'
    def __len__(self):
        return 22
    def __getitem__(self, index):
        return torch.tensor([index, random.random(), numpy.random.randn(), torch.rand(1).item()]).double()

class WithRng(Numbers):
    def __getitem__(self, index, rng):
        return torch.tensor([index, rng.random(), rng.normal()]).double()

class InBatches(Numbers):
    def __getitems__(self, indices):
        return [self[index] for index in indices]

class Nothing(Numbers):
    deterministic = True
    def __getitem__(self, index):
        return torch.tensor([index]).double()
"""


def test_an_epoch_leaves_the_global_generators_alone(lines):
    code = """
import samebits
def rest(make):
    samebits.seed_everything(0)
    for batch in make() if make else []:
        pass
    return torch.rand(5).tolist() + numpy.random.randn(3).tolist() + [random.random(), random.gauss()]
expected = rest(None)
print(rest(lambda: DataLoader(Nothing(), shuffle=False)) == expected)
for dataset in Numbers(), WithRng(), InBatches(), Nothing():
    for collate in None, noisy, noisy_with:
        for workers in 0, 1:
            print(rest(lambda: loader(dataset, seed=0, num_workers=workers, collate_fn=collate)) == expected)
"""
    plain, *ours = lines(code)
    assert plain == "False"
    assert ours == ["True"] * 24


EVALUATED = """
import samebits
samebits.seed_everything(0)
if {evaluate}:
    for batch in {maker}(Numbers(), batch_size=4{seed}):
        pass
train = {maker}(Numbers(), batch_size=4, shuffle=True, num_workers=4{seed})
print(digest([next(iter(train))]))
"""


@pytest.mark.parametrize(("maker", "seed", "same"), [("DataLoader", "", False), ("loader", ", seed=0", True)])
def test_an_evaluation_before_does_not_change_the_first_batch(lines, maker, seed, same):
    runs = [
        lines(EVALUATED.format(maker=maker, seed=seed, evaluate=evaluate), same) for evaluate in (False, True)
    ]
    assert (runs[0] == runs[1]) is same


@pytest.mark.parametrize("dataset", ["Numbers", "WithRng", "InBatches", "Nothing"])
def test_batches_are_the_same_for_all_workers(lines, dataset):
    code = f"""
for collate in None, noisy, noisy_with:
    def epochs(**options):
        batches = loader({dataset}(), seed=3, batch_size=4, shuffle=True, collate_fn=collate, **options)
        return [digest(batches), digest(batches)]
    first = epochs()
    print(*first, len(set(first)))
    print(epochs(num_workers=1) == first)
    print(epochs(num_workers=4, prefetch_factor=1) == first)
    print(epochs(num_workers=4, prefetch_factor=5, persistent_workers=True) == first)
"""
    printed = lines(code)
    digests = printed[::4]
    assert [line for line in printed if line not in digests] == ["True"] * 9
    assert [line.split()[-1] for line in digests] == ["2"] * 3
    assert len(set(digests)) == 3  # the collation's draws are in them


def test_another_process_and_spawned_workers_give_the_same_batches(lines):
    code = """
if __name__ == '__main__':
    for size in 4, None:
        for options in {}, {'num_workers': 1, 'multiprocessing_context': CONTEXT}:
            print(digest(loader(Numbers(), seed=3, batch_size=size, shuffle=True, **options)))
"""
    printed = lines(code.replace("CONTEXT", "'spawn'"))
    assert printed[0] == printed[1] != printed[2] == printed[3]
    assert lines("torch.manual_seed(9), random.seed(9)" + code.replace("CONTEXT", "'fork'")) == printed


def test_plain_workers_do_change_the_batches(lines):
    """What all this is for; if torch cures it, much of the loader can go."""
    code = """
for workers in 0, 1, 4:
    own = torch.Generator().manual_seed(3)
    torch.manual_seed(3), random.seed(3), numpy.random.seed(3)
    print(digest(DataLoader(Numbers(), batch_size=4, shuffle=True, generator=own, num_workers=workers)))
"""
    assert len(set(lines(code, quiet=False))) == 3


def test_epoch_three_alone_is_epoch_three_after_the_others(lines):
    code = """
for workers in 0, 2:
    options = {'num_workers': workers, 'persistent_workers': workers > 0}
    batches = loader(Numbers(), seed=3, batch_size=4, shuffle=True, **options)
    for epoch in range(4):
        print(digest(batches))
    batches.set_epoch(3)
    print(digest(batches))
"""
    printed = lines(code)
    assert printed[:5] == printed[5:]
    assert len(set(printed[:4])) == 4
    assert printed[3] == printed[4]
    alone = """
batches = loader(Numbers(), seed=3, batch_size=4, shuffle=True)
batches.set_epoch(3)
print(digest(batches))
"""
    assert lines(alone) == [printed[3]]


# What follows needs no second process.


class Numbers:
    def __init__(self, length=22):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return torch.tensor([index, random.random(), np.random.rand(), torch.rand(1).item()]).double()


class WithRng(Numbers):
    def __getitem__(self, index, rng):
        return torch.tensor([index, rng.random()]).double()


def gathered(batches):
    return torch.cat([batch if batch.ndim > 1 else batch[None] for batch in batches])


def test_an_epoch_is_counted_when_it_begins():
    batches = loader(Numbers(), seed=0)
    assert batches.epoch == 0
    for expected in (0, 1):
        for _ in batches:
            assert batches.epoch == expected
    batches.set_epoch(7)
    next(iter(batches))
    assert batches.epoch == 7
    with pytest.raises(UsageError, match="epoch is -1"):
        batches.set_epoch(-1)


def test_every_sample_has_numbers_of_its_own():
    batches = loader(Numbers(200), seed=0, batch_size=16)
    rows, next_epoch = gathered(batches), gathered(batches)
    assert torch.equal(rows[:, 0], next_epoch[:, 0])
    assert not (rows[:, 1:] == next_epoch[:, 1:]).any()
    assert rows[:, 0].tolist() == list(range(200))
    for column in (1, 2, 3):
        assert len(set(rows[:, column].tolist())) == 200
    assert not (rows[:, 2] == rows[:, 3]).any()


def test_a_samples_numbers_do_not_depend_on_its_batch():
    def by_index(**options):
        rows = gathered(loader(Numbers(), seed=0, **options))
        return rows[rows[:, 0].argsort()]

    expected = by_index()
    assert torch.equal(by_index(batch_size=7), expected)
    assert torch.equal(by_index(batch_size=7, shuffle=True), expected)
    assert torch.equal(by_index(batch_size=None, shuffle=True), expected)
    assert torch.equal(by_index(batch_size=3, sampler=list(range(22))[::-1]), expected)
    assert not torch.equal(gathered(loader(Numbers(), seed=1)), expected)
    assert not torch.equal(gathered(loader(Numbers(), seed=0, name="other")), expected)


def test_orders_are_shuffled_and_independent():
    def order(**options):
        return gathered(loader(Numbers(100), shuffle=True, **options))[:, 0].tolist()

    orders = [order(seed=0), order(seed=1), order(seed=0, name="other")]
    assert all(sorted(order) == list(range(100)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_attributes_are_those_of_a_dataloader():
    dataset = Numbers()
    batches = loader(dataset, seed=0, batch_size=5, drop_last=True, shuffle=True)
    assert isinstance(batches, Loader | torch.utils.data.DataLoader)
    assert (batches.dataset, batches.batch_size, batches.drop_last) == (dataset, 5, True)
    assert len(batches) == len(list(batches)) == 4
    assert len(loader(dataset, seed=0, batch_size=5)) == 5
    assert [len(batch) for batch in loader(dataset, seed=0, batch_size=5)] == [5, 5, 5, 5, 2]


def test_subsets_hand_everything_on():
    subset = Subset(WithRng(), [5, 3, 1])
    rows = gathered(loader(subset, seed=0))
    assert rows[:, 0].tolist() == [5, 3, 1]
    assert torch.equal(rows[0, 1], gathered(loader(WithRng(), seed=0))[0, 1])  # by the subset's own index
    plain = Numbers()
    plain.deterministic = True
    state = torch.get_rng_state()
    list(loader(ConcatDataset([Subset(plain, [1]), plain]), seed=0))
    assert not torch.equal(torch.get_rng_state(), state)  # it drew, because it said that it would not
    assert len(list(loader(TensorDataset(torch.arange(3)), seed=0))) == 3


def test_what_repeats_an_index_gets_other_numbers():
    rows = gathered(loader(Numbers(), seed=0, batch_size=3, sampler=[4, 4, 2, 4]))
    assert rows[:, 0].tolist() == [4, 4, 2, 4]
    assert len(set(rows[:, 1].tolist())) == 4
    assert rows[0].tolist() == gathered(loader(Numbers(), seed=0))[4].tolist()


def test_a_sampler_that_draws_depends_on_the_epoch_only():
    def epochs(before):
        torch.manual_seed(before)
        sampler = WeightedRandomSampler([1.0] * 22, 22)
        batches = loader(Numbers(), seed=0, batch_size=4, sampler=sampler)
        state = torch.get_rng_state()
        result = [gathered(batches), gathered(batches)]
        assert torch.equal(torch.get_rng_state(), state)
        return torch.stack(result)

    once = epochs(1)
    assert torch.equal(once, epochs(2))
    assert not torch.equal(once[0], once[1])
    assert not torch.equal(once[0, :, 0], once[1, :, 0])


def test_batch_samplers_and_distributed_samplers():
    batches = loader(Numbers(), seed=0, batch_sampler=[[1, 2], [0], [5, 4, 3]])
    assert [batch[:, 0].tolist() for batch in batches] == [[1, 2], [0], [5, 4, 3]]
    sampler = torch.utils.data.DistributedSampler(Numbers(), num_replicas=2, rank=0, seed=0)
    batches = loader(Numbers(), seed=0, sampler=sampler)
    assert gathered(batches)[:, 0].tolist() != gathered(batches)[:, 0].tolist()
    assert sampler.epoch == 1
    lists = torch.utils.data.BatchSampler(range(22), 4, False)

    class Whole(Numbers):
        def __getitem__(self, index):
            return super().__getitem__(index[0])

    assert len(gathered(loader(Whole(), seed=0, batch_size=None, sampler=lists))) == 6


class Broken(Numbers):
    def __getitem__(self, index):
        np.random.rand()
        raise ValueError("no such picture")


def test_an_error_leaves_the_generators_alone():
    state = np.random.get_state(legacy=False)["state"]["pos"], random.getstate(), torch.get_rng_state()
    with pytest.raises(ValueError, match="no such picture"):
        next(iter(loader(Broken(), seed=0)))
    assert np.random.get_state(legacy=False)["state"]["pos"] == state[0]
    assert random.getstate() == state[1]
    assert torch.equal(torch.get_rng_state(), state[2])


class Keeps(Numbers):
    def __init__(self, **kept):
        super().__init__()
        for name, value in kept.items():
            setattr(self, name, value)


ELSEWHERE = random.Random(0)


class Names(Numbers):
    def __getitem__(self, index):
        return ELSEWHERE.random()


def closed_over(generator):
    return lambda sample: sample + generator.random()


PARTIAL = functools.partial(max, key=closed_over(random.Random(0)))
KEPT = {
    "dataset.transform's generator is a random.Random": Keeps(transform=closed_over(random.Random(0))),
    "dataset.transform['key']'s generator is a": Keeps(transform=PARTIAL),
    "dataset.__getitem__'s ELSEWHERE is a random.Random": Names(),
    "dataset.choose is a random.Random": Keeps(choose=random.Random(0).choice),
    "dataset.rng is a numpy.random._generator.Generator": Keeps(rng=np.random.default_rng(0)),
    "dataset.rng is a torch._C.Generator": Keeps(rng=torch.Generator()),
    "dataset.rng is a random.Random": Keeps(rng=random.Random(0)),
    "dataset.dataset.transform.steps[1].rng is a": Subset(
        Keeps(transform=Keeps(steps=[Keeps(), Keeps(rng=np.random.RandomState(0))])), [0]
    ),
    "dataset.by_name['a'] is a": Keeps(by_name={"a": random.Random(0)}),
}


@pytest.mark.parametrize(("where", "dataset"), KEPT.items())
def test_a_generator_that_a_dataset_keeps_is_refused(where, dataset):
    with pytest.raises(UsageError) as raised:
        loader(dataset, seed=0)
    assert str(raised.value).startswith(where)
    assert "\n" not in str(raised.value)


def test_what_only_looks_like_a_kept_generator_is_not_refused():
    assert find_generator(Keeps(kind=random.Random, module=random, samples=[0.0] * 10**6), "dataset") is None
    kept = Keeps(rng=random.Random(0))
    kept.deterministic = True
    loader(kept, seed=0)
    loop = Keeps()
    loop.itself = loop
    loader(loop, seed=0)


REFUSED = {
    "seed is -1": {"seed": -1},
    "the loader's name is 3": {"name": 3},
    "samebits.torch.loader has a generator of its own": {"generator": torch.Generator()},
    "samebits.torch.loader seeds its workers itself": {"worker_init_fn": print},
    "in_order=False": {"in_order": False},
    "Numbers is a map-style dataset": {"shards": 2},
    "the sampler generator has no length": {"sampler": (i for i in range(3))},
    "sampler.generator is a torch._C.Generator": {
        "sampler": torch.utils.data.RandomSampler(Numbers(), generator=torch.Generator())
    },
}


@pytest.mark.parametrize(("message", "options"), REFUSED.items())
def test_what_would_make_batches_depend_on_more_is_refused(message, options):
    options = {"dataset": Numbers(), "seed": 0, **options}
    with pytest.raises(UsageError) as raised:
        loader(**options)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_options_that_say_nothing_are_accepted():
    options = {
        "generator": None,
        "worker_init_fn": None,
        "sampler": None,
        "collate_fn": None,
        "in_order": True,
    }
    assert len(list(loader(Numbers(), seed=0, **options))) == 22
