"""The loader of an IterableDataset: the same batches for any number of workers, and from any batch on.

What workers do is shown by scripts in processes of their own, which print one SHA-256 for each epoch.
"""

import random

import numpy as np
import pytest
import torch
from torch.utils.data import ChainDataset, IterableDataset, IterDataPipe, get_worker_info

from samebits import UsageError
from samebits.torch import Loader, loader

SCRIPT = """
import hashlib, itertools, random
import numpy, torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from samebits.torch import loader

class Numbers(IterableDataset):
    'Splits itself as torch says; augments with all three global generators.'
    lengths = 5, 0, 9, 2, 1
    def samples(self):
        info = get_worker_info()
        for shard in range(5)[info.id::info.num_workers] if info else range(5):
            for position in range(self.lengths[shard]):
                yield shard, position
    def __iter__(self):
        for shard, position in self.samples():
            drawn = random.random(), numpy.random.randn(), torch.rand(1).item()
            yield torch.tensor([shard, position, *drawn]).double()

class WithRng(Numbers):
    def __iter__(self, rng):
        for shard, position in self.samples():
            yield torch.tensor([shard, position, rng.random(), rng.normal()]).double()

class Nothing(Numbers):
    deterministic = True
    def __iter__(self):
        yield from (torch.tensor(sample).double() for sample in self.samples())

class Unaware(IterableDataset):
    def __iter__(self):
        yield from (torch.tensor([index, random.random()]).double() for index in range(22))

class Endless(IterableDataset):
    def __iter__(self):
        yield from (torch.rand(1) for _ in itertools.count())
"""


@pytest.mark.parametrize("dataset", ["Numbers", "WithRng", "Nothing", "Unaware"])
def test_batches_are_the_same_for_all_workers(lines, dataset):
    shards = 1 if dataset == "Unaware" else 5
    code = f"""
for collate in None, noisy, noisy_with:
    def epochs(**options):
        batches = loader({dataset}(), seed=3, shards={shards}, batch_size=2, collate_fn=collate, **options)
        return [digest(batches), digest(batches)]
    first = epochs()
    print(*first, len(set(first)))
    print(epochs(num_workers=1, prefetch_factor=1) == first)
    print(epochs(num_workers=2, prefetch_factor=5, persistent_workers=True) == first)
    print(epochs(num_workers=3, prefetch_factor=1, persistent_workers=True) == first)
    print(epochs(num_workers=4) == first)
    print(epochs(num_workers=8) == first)
single = [loader({dataset}(), seed=3, shards={shards}, batch_size=None, num_workers=w) for w in (0, 2)]
print(digest(single[0]) == digest(single[1]))
"""
    *printed, single = lines(code)
    digests = printed[::6]
    assert [line for line in printed if line not in digests] == ["True"] * 15
    assert single == "True"
    others = [line.split()[-1] for line in digests]
    assert others == ["1" if dataset == "Nothing" else "2", "2", "2"]
    assert len(set(digests)) == 3  # the collation's draws are in them


def test_another_process_and_spawned_workers_give_the_same_batches(lines):
    code = """
if __name__ == '__main__':
    for options in {}, {'num_workers': 2, 'multiprocessing_context': CONTEXT}:
        print(digest(loader(Numbers(), seed=3, shards=5, batch_size=2, **options)))
"""
    printed = lines(code.replace("CONTEXT", "'spawn'"))
    assert printed[0] == printed[1]
    assert lines("torch.manual_seed(9), random.seed(9)" + code.replace("CONTEXT", "'fork'")) == printed


def test_plain_workers_do_change_and_double_the_batches(lines):
    """What all this is for; if torch cures it, much of the loader can go."""
    code = """
for workers in 0, 1, 2:
    torch.manual_seed(3), random.seed(3), numpy.random.seed(3)
    print(digest(DataLoader(Numbers(), batch_size=2, num_workers=workers)))
for make, seed in (DataLoader, {}), (loader, {'seed': 0}):
    print(sum(len(batch) for batch in make(Unaware(), batch_size=2, num_workers=2, **seed)))
"""
    *digests, doubled, ours = lines(code, quiet=False)
    assert len(set(digests)) == 3
    assert (doubled, ours) == ("44", "22")


def test_what_is_left_of_an_epoch_is_the_rest_of_the_whole(lines):
    code = """
def same(some, others):
    return len(some) == len(others) and all(map(torch.equal, some, others))
def make(workers, **options):
    return loader(Numbers(), seed=3, shards=5, batch_size=2, num_workers=workers, **options)
whole = make(0)
whole.set_epoch(1)
whole = list(whole)
print(len(whole))
for workers in 0, 2, 3:
    batches = make(workers, persistent_workers=workers > 0)
    for first in range(len(whole) + 2):
        batches.begin_at(1, first)
        print(same(list(batches), whole[first:]))
    print(batches.epoch, same(list(batches), whole))
stopped, resumed = make(2), make(3)
stopped.set_epoch(1), resumed.begin_at(1, 4)
print(same(list(itertools.islice(stopped, 4)) + list(resumed), whole))
"""
    assert lines(code) == ["10", *(["True"] * 12 + ["1 False"]) * 3, "True"]


def test_an_epoch_leaves_the_global_generators_alone(lines):
    code = """
import samebits
def rest(make):
    samebits.seed_everything(0)
    for batch in make() if make else []:
        pass
    return torch.rand(5).tolist() + numpy.random.randn(3).tolist() + [random.random(), random.gauss()]
expected = rest(None)
print(rest(lambda: DataLoader(Nothing())) == expected)
for dataset in Numbers(), WithRng(), Nothing():
    for collate in None, noisy, noisy_with:
        for workers in 0, 2:
            options = {'shards': 5, 'num_workers': workers, 'collate_fn': collate}
            print(rest(lambda: loader(dataset, seed=0, **options)) == expected)
"""
    plain, *ours = lines(code)
    assert plain == "False"
    assert ours == ["True"] * 18


def test_who_breaks_off_leaves_no_worker_behind(lines):
    code = """
from multiprocessing import active_children
for workers in 0, 2:
    batches = loader(Endless(), seed=0, shards=2, batch_size=3, num_workers=workers)
    print(digest(itertools.islice(batches, 7)), len(active_children()))
batches = loader(Numbers(), seed=0, shards=2, num_workers=4, persistent_workers=True)
print(digest(batches), len(active_children()))
next(iter(batches))
print(batches.set_epoch(0), digest(batches), len(active_children()))
del batches
print(len(active_children()))
"""
    without, with_two, kept, again, none = lines(code)
    assert without == with_two
    assert without.endswith(" 0")
    assert kept.endswith(" 2")
    assert again == f"None {kept}"
    assert none == "0"


# What follows needs no second process.


class Numbers(IterableDataset):
    def __init__(self, *lengths):
        self.lengths = lengths

    def __iter__(self):
        info = get_worker_info()
        for position in range(self.lengths[info.id]):
            drawn = random.random(), np.random.rand(), torch.rand(1).item()
            yield torch.tensor([info.id, position, *drawn]).double()


class WithRng(Numbers):
    def __iter__(self, rng):
        for position in range(self.lengths[get_worker_info().id]):
            yield torch.tensor([position, rng.random()]).double()


class Unaware(IterableDataset):
    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __iter__(self):
        return (torch.tensor([index, random.random()]).double() for index in range(self.length))


def gathered(batches):
    return torch.cat([batch if batch.ndim > 1 else batch[None] for batch in batches])


def named(batches):
    """Which samples are in which batch: (shard, position)."""
    return [[(int(row[0]), int(row[1])) for row in batch] for batch in batches]


def test_shards_take_turns_until_all_have_ended():
    dataset = Numbers(3, 0, 5)
    assert named(loader(dataset, seed=0, shards=3, batch_size=2)) == [
        [(0, 0), (0, 1)],
        [(2, 0), (2, 1)],
        [(0, 2)],
        [(2, 2), (2, 3)],
        [(2, 4)],
    ]
    whole = loader(dataset, seed=0, shards=3, batch_size=2, drop_last=True)
    assert named(whole) == [[(0, 0), (0, 1)], [(2, 0), (2, 1)], [(2, 2), (2, 3)]]
    single = loader(dataset, seed=0, shards=3, batch_size=None)
    assert [int(row[0]) for row in single] == [0, 2, 0, 2, 0, 2, 2, 2]
    assert list(loader(Numbers(0, 0), seed=0, shards=2)) == []


def test_every_sample_has_numbers_of_its_own():
    batches = loader(Numbers(90, 110), seed=0, shards=2, batch_size=16)
    rows, next_epoch = gathered(batches), gathered(batches)
    assert torch.equal(rows[:, :2], next_epoch[:, :2])
    assert not (rows[:, 2:] == next_epoch[:, 2:]).any()
    for column in (2, 3, 4):
        assert len(set(rows[:, column].tolist())) == 200
    assert not (rows[:, 3] == rows[:, 4]).any()


def test_a_samples_numbers_depend_on_its_shard_and_position():
    def by_name(dataset, shards=2, **options):
        rows = gathered(loader(dataset, **{"seed": 0, "shards": shards, **options})).tolist()
        return {tuple(row[:2]): row[2:] for row in rows}

    expected = by_name(Numbers(4, 7))
    assert by_name(Numbers(4, 7), batch_size=3) == expected
    assert by_name(Numbers(4, 7), batch_size=None) == expected
    assert expected.items() < by_name(Numbers(5, 7, 3), shards=3).items()
    for other in {"seed": 1}, {"name": "other"}:
        assert all(numbers != expected[name] for name, numbers in by_name(Numbers(4, 7), **other).items())


def test_a_generator_that_is_handed_over_begins_anew_for_each_sample():
    class Greedy(WithRng):
        def __iter__(self, rng):
            for position in range(4):
                first = rng.random()
                rng.random(position), rng.integers(5, dtype="int32")
                yield torch.tensor([position, first]).double()

    rows, greedy = (gathered(loader(made(4), seed=0, batch_size=2)) for made in (WithRng, Greedy))
    assert len(set(rows[:, 1].tolist())) == 4
    assert torch.equal(rows, greedy)


def test_draws_between_batches_change_nothing():
    def rows(draw):
        batches = []
        for batch in loader(Numbers(5, 3), seed=0, shards=2, batch_size=2):
            batches.append(batch)
            draw()
        return gathered(batches)

    def draw():
        return random.random(), np.random.rand(), torch.rand(1)

    assert torch.equal(rows(lambda: None), rows(draw))


def test_only_wanted_batches_are_collated():
    collated = []
    batches = loader(Numbers(9), seed=0, batch_size=2, collate_fn=lambda samples: collated.append(samples))
    batches.begin_at(0, 3)
    list(batches)
    assert [len(samples) for samples in collated] == [2, 1]


def test_a_dataset_that_knows_nothing_of_workers_is_read_once():
    batches = loader(Unaware(22), seed=0, batch_size=4)
    assert len(batches) == len(list(batches)) == 6
    assert gathered(batches)[:, 0].tolist() == list(range(22))
    assert len(list(loader(ChainDataset([Unaware(3), Unaware(2)]), seed=0))) == 5
    with pytest.raises(TypeError, match="has no len"):
        len(loader(Numbers(1), seed=0))


class Told(IterableDataset):
    """Its samples are what it was told, and it is its own iterator."""

    epoch, at = None, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        assert get_worker_info().dataset is self
        return self

    def __next__(self):
        self.at += 1
        if self.at > 2:
            raise StopIteration
        info = get_worker_info()
        return self.epoch, self.at, info.id, info.num_workers, info.seed


def test_a_shard_is_told_what_it_is_and_reads_a_copy():
    dataset = Told()
    batches = loader(dataset, seed=0, shards=2, batch_size=None)
    batches.set_epoch(4)
    samples = list(batches)
    assert [sample[:4] for sample in samples] == [[4, 1, 0, 2], [4, 1, 1, 2], [4, 2, 0, 2], [4, 2, 1, 2]]
    seeds = [sample[4] for sample in samples]
    assert seeds[:2] == seeds[2:]
    assert len({*seeds, *(sample[4] for sample in batches)}) == 4  # another epoch, other seeds
    assert (dataset.epoch, dataset.at) == (None, 0)
    assert get_worker_info() is None


def test_the_collation_is_not_in_a_shard():
    def collate(samples):
        assert get_worker_info() is None  # as torch has it without workers
        return samples

    assert len(list(loader(Numbers(2, 2), seed=0, shards=2, collate_fn=collate))) == 4


def test_iterations_side_by_side_do_not_meet():
    batches = loader(Numbers(3, 2), seed=0, shards=2)
    for batch, other in zip(batches, batches, strict=True):
        assert torch.equal(batch[:, :2], other[:, :2])
        assert not (batch[:, 2:] == other[:, 2:]).any()  # the next epoch


class Broken(IterableDataset):
    def __iter__(self):
        yield np.random.rand()
        raise ValueError("no such picture")


def test_an_error_leaves_everything_alone():
    state = np.random.get_state(legacy=False)["state"]["pos"], random.getstate(), torch.get_rng_state()
    with pytest.raises(ValueError, match="no such picture"):
        list(loader(Broken(), seed=0))
    assert get_worker_info() is None
    assert np.random.get_state(legacy=False)["state"]["pos"] == state[0]
    assert random.getstate() == state[1]
    assert torch.equal(torch.get_rng_state(), state[2])


def test_attributes_are_those_of_a_dataloader():
    dataset = Numbers(7)
    batches = loader(dataset, seed=0, batch_size=5, drop_last=True, num_workers=4)
    assert isinstance(batches, Loader | torch.utils.data.DataLoader)
    assert (batches.dataset, batches.batch_size, batches.drop_last) == (dataset, 5, True)
    assert (batches.num_workers, batches.shards, batches.seed, batches.name) == (4, 1, 0, "train")


class Keeps(Unaware):
    def __init__(self):
        super().__init__(1)
        self.rng = np.random.default_rng(0)


class Pipe(IterDataPipe):
    pass


REFUSED = {
    "Unaware is an IterableDataset, which decides about its order itself: leave shuffle out": {
        "shuffle": True
    },
    "Unaware is an IterableDataset, which decides about its order itself: leave sampler out": {
        "sampler": [0]
    },
    "Unaware is an IterableDataset, which decides about its order itself: leave batch_sampler": {
        "batch_sampler": [[0]]
    },
    "Pipe is a DataPipe, which does not ask which shard it is": {"dataset": Pipe(), "shards": 2},
    "shards is 0": {"shards": 0},
    "shards is True": {"shards": True},
    "seed is -1": {"seed": -1},
    "the loader's name is 3": {"name": 3},
    "samebits.torch.loader seeds its workers itself": {"worker_init_fn": print},
    "dataset.rng is a numpy.random._generator.Generator": {"dataset": Keeps()},
}


@pytest.mark.parametrize(("message", "options"), REFUSED.items())
def test_what_would_make_batches_depend_on_more_is_refused(message, options):
    options = {"dataset": Unaware(3), "seed": 0, **options}
    with pytest.raises(UsageError) as raised:
        loader(**options)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)
