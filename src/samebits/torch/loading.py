"""A torch DataLoader whose batches depend on the seed, the epoch and the samples, and on nothing else."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from torch.utils.data import Dataset, IterableDataset, Subset, get_worker_info

from samebits.errors import UsageError
from samebits.rng.seeds import derive_seed, encode, hasher
from samebits.rng.unseedable import find_generator
from samebits.torch.base_loader import (
    Collation,
    Loader,
    QuietLoader,
    as_it_is,
    deterministic,
    inner,
    refuse,
    takes_rng,
)
from samebits.torch.generators import own_generator, restored_globals, seed_globals
from samebits.torch.streaming import StreamLoader

Key = tuple[int, int, Any, list[int] | None]


def loader(dataset: Dataset, *, seed: int, name: str = "train", shards: int = 1, **options: Any) -> Loader:
    """A `torch.utils.data.DataLoader` that gives the same batches again.

    >>> for images, labels in loader(dataset, seed=7, batch_size=64, shuffle=True, num_workers=4):
    ...     ...

    The dataset is torch's own, with `__getitem__(self, index)`: what it draws from the global generators of
    Python, NumPy and torch belongs to the sample. While a sample is read, these generators have seeds derived
    from the seed, the name, the epoch and the sample's index; while a batch is collated, from the batch's
    number. So batches are the same for any number of workers and any prefetching. Afterwards the generators
    are as they were. Each iteration is one epoch, counted from 0; `set_epoch` says which comes next. The
    order of epoch 3 is the same whether epochs 1 and 2 came before it or not. Nothing is printed.

    Seeding costs some 8 µs a sample. A dataset pays nothing for it when

    - its `__getitem__(self, index, rng)` takes a `numpy.random.Generator`, which is the sample's own, or
    - it says `deterministic = True` (torch's TensorDataset need not say it).

    An `IterableDataset` is read in `shards`: for each, `torch.utils.data.get_worker_info()` is what torch
    would say to that one of `num_workers=shards` workers, without workers, too. Each batch comes from one
    shard, and the shards take turns; one that has ended is passed over. The number of shards decides what
    the batches are, the number of workers does not. A sample has seeds derived from the seed, the name, the
    epoch, the shard and its position in the shard; `__iter__(self, rng)` gets a generator that is put to the
    sample's own stream before each sample. Each shard is read by a shallow copy of the dataset, whose
    `set_epoch(epoch)` is called if it has one.

    Args:
        dataset: a map-style dataset or an IterableDataset. A map-style one with `__getitems__`, which reads a
            whole batch, is seeded once per batch.
        seed: the seed of the run, an integer in [0, 2**63).
        name: the loader's stream; loaders with other names have other orders.
        shards: how many parts an IterableDataset splits itself into; no more workers than that are started.
            One that does not ask `get_worker_info` needs 1: it would give all its samples in every shard.
        options: those of `DataLoader`, with its defaults. A `sampler` or `batch_sampler` is asked for a whole
            epoch at once, under a seed of its own; an index that comes again in an epoch has another seed
            each time. A `collate_fn(samples, rng)` gets a generator too, or says `deterministic` as an
            attribute.

    Returns:
        A `DataLoader` with the attributes that these options give it, and `seed`, `name`, `epoch`,
        `set_epoch`, `begin_at`. The `len` of an IterableDataset's is torch's estimate from the dataset's
        `len`, exact with one shard.

    Raises:
        UsageError: the batches would depend on something else, because of `generator`, `worker_init_fn`,
            `in_order=False`, or a generator that the dataset keeps; or an option does not fit the dataset.
    """
    if isinstance(dataset, IterableDataset):
        return StreamLoader(dataset, seed=seed, name=name, shards=shards, **options)
    if shards != 1:
        raise UsageError(
            f"{type(dataset).__name__} is a map-style dataset, which any number of workers share: leave "
            "shards out"
        )
    return MapLoader(dataset, seed=seed, name=name, **options)


class MapLoader(Loader):
    """What `loader` returns for a map-style dataset."""

    def __init__(self, dataset: Dataset, *, seed: int, name: str, **options: Any) -> None:
        refuse(dataset, "__getitem__", name, options)
        _refuse_samplers(options)
        super().__init__(dataset, seed=seed, name=name, **options)

        chosen = options.get("sampler") is not None or options.get("batch_sampler") is not None
        self._keys = Keys(self, chosen)
        for option in ("batch_size", "shuffle", "sampler", "batch_sampler", "drop_last", "collate_fn"):
            options.pop(option, None)  # done by the keys and by SeededBatches
        batches = SeededBatches(self)
        if not batches.draws:
            self._keys.plain = True
            if self.batch_sampler is None:
                options.update(batch_size=None, sampler=self._keys)
            else:
                options.update(batch_sampler=self._keys)
            self._inner = QuietLoader(dataset, collate_fn=self.collate_fn, **options)
        else:
            # One key asks for a batch, and the batch comes back collated: torch only carries it.
            options.update(batch_size=None, sampler=self._keys, collate_fn=as_it_is)
            self._inner = QuietLoader(batches, **options)

    @property
    def known_length(self) -> int | None:
        return None if self._keys.chosen else len(self)  # a sampler of the user's may give more or fewer

    def _begin(self, epoch: int, first: int) -> Iterator[Any]:
        self._keys.epoch, self._keys.first = epoch, first
        return iter(self._inner)


class Keys:
    """The order of an epoch, as a sampler for torch.

    A key is (epoch, number of the batch, its indices, how often each was asked for before): all that a batch
    depends on, so that workers that live through many epochs need no other news of them.
    """

    epoch = 0
    first = 0  # batch that is asked for; an order of the user's has to be gone through up to there
    plain = False  # indices only, for a dataset that draws nothing

    def __init__(self, loader: MapLoader, chosen: bool) -> None:
        self.seed, self.name, self.generator = loader.seed, loader.name, loader.generator
        self.batch_size, self.drop_last = loader.batch_size, loader.drop_last
        self.one_by_one = loader.batch_sampler is None
        # A slice is faster than torch's sampler of batches; one of the user's has an order of its own.
        self.sampler: Any = loader.sampler if self.one_by_one or self.batch_size else loader.batch_sampler
        self.chosen = chosen  # by the user: an index may come again
        self.length = len(loader)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Any]:
        return itertools.islice(self._keys(self.epoch, self._order()), self.first, None)

    def _order(self) -> list[Any]:
        """The epoch's indices, or its batches if the user has a sampler for them."""
        for sampler in (self.sampler, getattr(self.sampler, "sampler", None)):
            set_epoch = getattr(sampler, "set_epoch", None)  # torch's DistributedSampler has it
            if set_epoch is not None:
                set_epoch(self.epoch)
        self.generator.manual_seed(derive_seed(self.seed, self.name, "order", self.epoch))
        with restored_globals():
            seed_globals(hasher(self.seed, self.name, "sampler", self.epoch).digest())
            return list(self.sampler)

    def _keys(self, epoch: int, order: list[Any]) -> Iterator[Any]:
        asked: Counter[bytes] = Counter()
        for number, indices in enumerate(self._batches(order)):
            again = None
            if self.chosen and not self.plain:
                again = []
                for index in [indices] if self.one_by_one else indices:
                    name = _encode(index)
                    again.append(asked[name])
                    asked[name] += 1
            yield indices if self.plain else (epoch, number, indices, again)

    def _batches(self, order: list[Any]) -> Iterator[Any]:
        if self.batch_size is None:
            yield from order
            return
        stop = len(order) - (len(order) % self.batch_size if self.drop_last else 0)
        for start in range(0, stop, self.batch_size):
            yield order[start : start + self.batch_size]


class SeededBatches(Dataset):
    """A dataset of whole batches, collated: seeds, reads, and leaves the global generators as they were."""

    def __init__(self, loader: MapLoader) -> None:
        self.seed, self.name = loader.seed, loader.name
        self.dataset: Any = loader.dataset
        self.collation = Collation(loader.collate_fn)
        self.one_by_one = loader.batch_sampler is None
        read = inner(self.dataset)
        self.samples_draw = not deterministic(self.dataset)
        self.samples_take_rng = self.samples_draw and takes_rng(type(read).__getitem__)
        self.whole_batches = hasattr(read, "__getitems__") and not (self.samples_take_rng or self.one_by_one)
        self.draws = self.samples_draw or self.collation.draws
        self.draws_globally = self.collation.draws_globally or (
            self.samples_draw and not self.samples_take_rng
        )

    def __getitem__(self, key: Key) -> Any:
        if not self.draws_globally or get_worker_info() is not None:  # in a worker, nobody else draws
            return self._batch(*key)
        with restored_globals():
            return self._batch(*key)

    def _batch(self, epoch: int, number: int, indices: Any, again: list[int] | None) -> Any:
        if self.whole_batches:
            if self.samples_draw:
                seed_globals(hasher(self.seed, self.name, "batch", epoch, number).digest())
            samples = self.dataset.__getitems__(indices)
        else:
            samples = self._samples(epoch, [indices] if self.one_by_one else indices, again)
        if self.one_by_one:
            samples = samples[0]
        collation = (self.seed, self.name, "collation", epoch, number)
        return self.collation(samples, lambda: hasher(*collation).digest())

    def _samples(self, epoch: int, indices: list[Any], again: list[int] | None) -> list[Any]:
        if not self.samples_draw:
            return [self.dataset[index] for index in indices]
        samples = []
        of_epoch = hasher(self.seed, self.name, "sample", epoch)
        for position, index in enumerate(indices):
            sha256 = of_epoch.copy()
            sha256.update(_encode(index))
            if again is not None and again[position]:
                sha256.update(encode(again[position]))
            if self.samples_take_rng:
                samples.append(_read_with(own_generator(sha256.digest()), self.dataset, index))
            else:
                seed_globals(sha256.digest())
                samples.append(self.dataset[index])
        return samples


def _refuse_samplers(options: Mapping[str, Any]) -> None:
    for option in ("sampler", "batch_sampler"):
        sampler = options.get(option)
        if sampler is not None and not hasattr(sampler, "__len__"):
            raise UsageError(
                f"the {option} {type(sampler).__name__} has no length: give one whose epochs end"
            )
        if sampler is not None and (where := find_generator(sampler, option)):
            raise UsageError(f"{where}, which makes an epoch depend on those before it: leave it out")


def _read_with(rng: Any, dataset: Any, index: Any) -> Any:
    if isinstance(dataset, Subset):
        return _read_with(rng, dataset.dataset, dataset.indices[index])
    return dataset.__getitem__(index, rng=rng)


def _encode(index: Any) -> bytes:
    """An index as bytes; samplers may also give lists or tuples of them."""
    if isinstance(index, list | tuple):
        return b"l%be" % b"".join(map(_encode, index))
    return encode(index)
