"""The loader of an IterableDataset: which of its parts gives which batch, and what each sample may draw."""

import copy
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from torch.utils.data import Dataset, IterableDataset, IterDataPipe, Sampler, get_worker_info
from torch.utils.data._utils import worker as torch_worker

from samebits.errors import UsageError
from samebits.rng.seeds import encode, first_63_bits, hasher
from samebits.torch.base_loader import (
    Collation,
    Loader,
    QuietLoader,
    as_it_is,
    deterministic,
    refuse,
    takes_rng,
)
from samebits.torch.generators import own_generator, restored_globals, seed_globals


class StreamLoader(Loader):
    """What `samebits.torch.loader` returns for an IterableDataset.

    The dataset is read in a fixed number of shards; their batches take turns. How many processes read them
    is another matter: each worker has some of the shards, and always the same, because torch hands key n to
    worker n modulo their number.
    """

    def __init__(
        self, dataset: IterableDataset, *, seed: int, name: str, shards: int, **options: Any
    ) -> None:
        for option in ("shuffle", "sampler", "batch_sampler"):
            if options.get(option):
                raise UsageError(
                    f"{type(dataset).__name__} is an IterableDataset, which decides about its order itself: "
                    f"leave {option} out"
                )
        if isinstance(shards, bool) or not isinstance(shards, int) or shards < 1:
            raise UsageError(f"shards is {shards!r}: give an integer from 1 on")
        if shards != 1 and isinstance(dataset, IterDataPipe):
            raise UsageError(
                f"{type(dataset).__name__} is a DataPipe, which does not ask which shard it is: leave shards "
                "out"
            )
        refuse(dataset, "__iter__", name, options)
        super().__init__(dataset, seed=seed, name=name, **options)
        self.shards = shards
        for option in ("batch_size", "shuffle", "sampler", "batch_sampler", "drop_last", "collate_fn"):
            options.pop(option, None)  # done by the keys and by SeededShards
        options["num_workers"] = min(self.num_workers, shards)
        self._options = options
        self._kept: tuple[Keys, QuietLoader] | None = None  # with persistent workers

    def _begin(self, epoch: int, first: int) -> Iterator[Any]:
        # Iterations at the same time must not share their shards' iterators.
        keys, inner = self._kept or self._make()
        if self.persistent_workers:
            self._kept = keys, inner
        keys.begin(epoch, first)
        return _wanted(keys, iter(inner))

    def _make(self) -> tuple["Keys", QuietLoader]:
        keys = Keys(self.shards, self._options["num_workers"])
        # One key asks for a batch, and the batch comes back collated: torch only carries it.
        shards = SeededShards(self)
        return keys, QuietLoader(shards, batch_size=None, sampler=keys, collate_fn=as_it_is, **self._options)


def _wanted(keys: "Keys", answers: Iterator[Any]) -> Iterator[Any]:
    """The batches among what the shards gave, from the first wanted one on."""
    number = 0
    for answer in answers:
        if isinstance(answer, Ended):
            keys.note(answer)
            continue
        if number >= keys.first:
            yield answer
        number += 1


class Key(NamedTuple):
    """Asks a shard for its next batch."""

    shard: int
    begin: int | None  # the epoch, in which the shard is to be read from its beginning
    skip: bool  # only the samples are drawn


@dataclass(frozen=True)
class Ended:
    """Comes back in place of a batch: the shard has no more."""

    shard: int


class Skipped:
    """Comes back in place of a batch that is not wanted."""


class Keys(Sampler[Key]):
    """Asks the shards in turn, as a sampler for torch, until all have ended.

    Shards that have ended are asked, too, and so are some that do not exist, where the workers' number does
    not divide the shards': so a shard always meets the same worker.
    """

    def __init__(self, shards: int, workers: int) -> None:
        self.turns = -(-shards // workers) * workers if workers else shards
        self.begin(0, 0)

    def begin(self, epoch: int, first: int) -> None:
        """A new iteration is this epoch from batch `first` on."""
        self.epoch, self.first = epoch, first
        self.ended: set[int] = set()
        self.empty = 0  # keys that gave no batch

    def note(self, ended: Ended) -> None:
        """A key gave no batch."""
        self.ended.add(ended.shard)
        self.empty += 1

    def __iter__(self) -> Iterator[Key]:
        for asked in itertools.count():
            if len(self.ended) == self.turns:
                return
            # Of the keys that are under way some may give no batch: then a few batches are made in vain.
            skip = asked - self.empty < self.first
            yield Key(asked % self.turns, self.epoch if asked < self.turns else None, skip)


class SeededShards(Dataset):
    """A dataset whose keys ask for the next batch of a shard: seeds, draws, collates.

    It leaves the global generators and `get_worker_info` as they were.
    """

    def __init__(self, loader: StreamLoader) -> None:
        self.seed, self.name, self.shards = loader.seed, loader.name, loader.shards
        self.dataset: Any = loader.dataset
        self.batch_size, self.drop_last = loader.batch_size, loader.drop_last
        self.collation = Collation(loader.collate_fn)
        self.samples_draw = not deterministic(self.dataset)
        self.samples_take_rng = self.samples_draw and takes_rng(cast(IterableDataset, self.dataset).__iter__)
        self.draws_globally = self.collation.draws_globally or (
            self.samples_draw and not self.samples_take_rng
        )
        self.reading: dict[int, Shard] = {}

    def __getitem__(self, key: Key) -> Any:
        if not self.draws_globally or get_worker_info() is not None:  # in a worker, nobody else draws
            return self._batch(key)
        with restored_globals():
            return self._batch(key)

    def _batch(self, key: Key) -> Any:
        if key.shard >= self.shards:
            return Ended(key.shard)
        if key.begin is not None:
            self.reading[key.shard] = Shard(self, key.begin, key.shard)
        shard = self.reading[key.shard]
        samples = shard.take(self.batch_size or 1)
        if not samples or (self.drop_last and len(samples) < (self.batch_size or 1)):
            return Ended(key.shard)
        number = shard.batches
        shard.batches += 1
        if key.skip:
            return Skipped()
        batch = samples[0] if self.batch_size is None else samples
        return self.collation(batch, lambda: shard.digest("collation", number))


class Shard:
    """A part of an epoch, read sample by sample.

    What it reads is a shallow copy of the dataset, as each worker of torch's has a copy: a dataset may keep
    in itself how far it is, and some are their own iterators.
    """

    def __init__(self, of: SeededShards, epoch: int, number: int) -> None:
        dataset = copy.copy(of.dataset)
        self.path = hasher(of.seed, of.name, "shard", epoch, number)
        self.info = torch_worker.WorkerInfo(
            id=number,
            num_workers=of.shards,
            seed=first_63_bits(self.digest("worker")),
            dataset=dataset,
        )
        self.position = self.batches = 0
        self.draws = of.samples_draw
        self.rng = own_generator(self.digest("start")) if of.samples_take_rng else None
        with _worker_info(self.info):
            self._seed("start")
            if hasattr(dataset, "set_epoch"):
                dataset.set_epoch(epoch)
            self.iterator = iter(dataset) if self.rng is None else dataset.__iter__(rng=self.rng)

    def take(self, number: int) -> list[Any]:
        """The next samples; fewer when it ends."""
        samples: list[Any] = []
        with _worker_info(self.info):
            for position in range(self.position, self.position + number):
                self._seed(position)
                try:
                    samples.append(next(self.iterator))
                except StopIteration:
                    self.iterator = iter(())  # frees the files that it may hold
                    break
        self.position += len(samples)
        return samples

    def digest(self, *path: str | int) -> bytes:
        """What the seed of a stream below this shard's is made of."""
        sha256 = self.path.copy()
        for element in path:
            sha256.update(encode(element))
        return bytes(sha256.digest())

    def _seed(self, element: str | int) -> None:
        if self.rng is not None:
            self.rng.bit_generator.state = own_generator(self.digest(element)).bit_generator.state
        elif self.draws:
            seed_globals(self.digest(element))


@contextmanager
def _worker_info(info: torch_worker.WorkerInfo) -> Iterator[None]:
    """A block in which `torch.utils.data.get_worker_info()` is this."""
    former, torch_worker._worker_info = torch_worker._worker_info, info
    try:
        yield
    finally:
        torch_worker._worker_info = former
