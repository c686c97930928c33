"""A Keras dataset whose batches follow from (seed, name, epoch) alone, whoever prepares them."""

import math
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from itertools import islice
from typing import Any

import keras
import numpy as np
from keras.src.trainers.data_adapters.data_adapter import DataAdapter
from packaging.version import Version

from samebits.errors import UsageError
from samebits.hashing.batches import batch_digest
from samebits.process import check
from samebits.rng.isolation import restored_generators
from samebits.rng.moved import moved_generators
from samebits.rng.seeds import checked, derive_seed, encode, first_63_bits, hasher, seed_step
from samebits.rng.unseedable import find_generator

# Whether Keras tells a step's last batch beside its first: 3.10 does not.
ENDS = Version(keras.__version__) >= Version("3.11")
Batch = tuple[np.ndarray, ...]  # inputs, targets, weights: as far as there are any
TRIED = 16  # samples, to find out where `augment` draws from
Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def dataset(
    x: np.ndarray,
    y: np.ndarray | None = None,
    *,
    seed: int,
    name: str = "train",
    batch_size: int = 32,
    shuffle: bool = False,
    augment: Augment | None = None,
    sample_weight: np.ndarray | None = None,
    workers: int = 1,
    max_queue_size: int = 10,
) -> "Dataset":
    """Batches for `model.fit`, `evaluate`, `predict` or your own loop.

    >>> train = samebits.keras.dataset(images, labels, seed=0, batch_size=64, shuffle=True, augment=shift)
    >>> model.fit(train, epochs=3)

    Each complete pass is the next epoch, counted from 0; `train.set_epoch(2)` makes the next pass epoch 2. So
    give every purpose a dataset of its own: evaluating on `train` would take one of its epochs.

    Args:
        x: the inputs, samples along the first axis.
        y: the targets, as many.
        seed: the run's seed, an integer in [0, 2**63).
        name: names this dataset's random stream; two datasets with different names draw different numbers.
        batch_size: samples in a batch; the last one may be smaller.
        shuffle: draw a new order in each epoch. `fit(shuffle=…)` has no effect.
        augment: called as `augment(sample, rng)` in each epoch for each sample (an array without batch axis),
            from several threads. It must return an array, of one shape and dtype for all samples. `rng`
            depends on seed, name, epoch and the sample's index in `x`. A function that draws from Python's,
            NumPy's or torch's global generator gets these seeded for each sample; it is then called when its
            batch is needed, not ahead in threads, which share the global generators with the training.
        sample_weight: one weight per sample.
        workers: threads that prepare batches ahead of the training; 0: prepared when they are needed.
        max_queue_size: how many batches they prepare ahead.

    Raises:
        UsageError: the arrays are empty or differ in length, a number is out of range, or `augment` draws
            from a generator that cannot be seeded for a sample: one that it keeps, TensorFlow's or Keras's.
    """
    check.this_process(strict=False)
    arrays = [np.asarray(array) for array in (x, y, sample_weight) if array is not None]
    lengths = [len(array) if array.ndim else 0 for array in arrays]
    if len(set(lengths)) > 1 or lengths[0] == 0:
        raise UsageError(
            f"dataset {name!r} got arrays of {lengths} samples: equal lengths are needed, at least 1"
        )
    checked(seed)
    limits = {"batch_size": (batch_size, 1), "workers": (workers, 0), "max_queue_size": (max_queue_size, 1)}
    for what, (number, least) in limits.items():
        if number < least:
            raise UsageError(f"dataset {name!r} got {what}={number}: it must be at least {least}")
    made = Dataset(arrays, seed, name, batch_size, shuffle, augment, workers, max_queue_size)
    if augment is not None:
        check_draws(made)
    return made


class Dataset(keras.utils.PyDataset, DataAdapter):
    """What `dataset` returns.

    Keras's own adapter for a `PyDataset` shuffles the batches once more from Python's global generator, and
    its threads prepare batches before `on_epoch_begin` and after `on_epoch_end`, so that no epoch can be told
    from these calls. Keras takes an adapter in place of a dataset; this is both. A pass fixes its epoch when
    its first batch is asked for and runs only as far as batches are asked for; threads work below that.

    Attributes:
        epoch: the epoch of the next pass.
        draws_globally: `augment` does, from Python's, NumPy's or torch's generator.
        latest_digest: of the batch that was handed out last (see `samebits.hashing.batches`); None before.
        latest_batch: that batch.
        step: how many steps the run has begun; the same for all datasets.
    """

    step = 0

    def __init__(
        self,
        arrays: list[np.ndarray],
        seed: int,
        name: str,
        batch_size: int,
        shuffle: bool,
        augment: Augment | None,
        workers: int,
        max_queue_size: int,
    ) -> None:
        super().__init__(workers=workers, max_queue_size=max_queue_size)
        self.epoch = 0
        self._first = 0  # batch of the next pass
        self._placed = False  # a run says where the next pass begins
        self.draws_globally = False
        self.latest_digest: bytes | None = None
        self.latest_batch: Batch | None = None
        self.seed, self.name, self.shuffle, self.augment = seed, name, shuffle, augment
        self._arrays, self._batch_size = arrays, batch_size

    def __len__(self) -> int:
        """Batches in an epoch."""
        return math.ceil(len(self._arrays[0]) / self._batch_size)

    @property
    def known_length(self) -> int:
        """How many batches each epoch has."""
        return len(self)

    def __getitem__(self, index: int) -> Batch:
        """Batch `index` of the next pass."""
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        return self._batch(self.epoch, self._order(self.epoch), index)

    def __iter__(self) -> Iterator[Batch]:
        """One pass; when its last batch has been handed out, the next pass is the next epoch."""
        epoch, first, placed = self.epoch, self._first, self._placed
        began_in = Dataset.step
        if first == len(self):
            self.set_epoch(epoch + 1)
        for index, (batch, digest) in enumerate(self._prepared(epoch, first), first):
            if began_in != Dataset.step and not placed:
                raise UsageError(
                    f"dataset {self.name!r} is read in several steps, beside the one that the run reads, "
                    "and no checkpoint has its place: in each step, call set_epoch(run.step // len(dataset)) "
                    "and take dataset[run.step % len(dataset)]"
                )
            if index == len(self) - 1:
                self.set_epoch(epoch + 1)
            self.latest_digest, self.latest_batch = digest, batch
            yield batch

    def set_epoch(self, epoch: int) -> None:
        """Make the next pass this epoch, counted from 0."""
        self.begin_at(epoch, 0)
        self._placed = False

    def begin_at(self, epoch: int, batch: int) -> None:
        """Make the next pass what is left of this epoch from this batch on, both counted from 0.

        Nothing is prepared for the batches before: they are the ones that came before an interruption.

        Raises:
            UsageError: there is no such epoch or batch.
        """
        if epoch < 0:
            raise UsageError(f"dataset {self.name!r} was set to epoch {epoch}: epochs count from 0")
        if not 0 <= batch <= len(self):
            raise UsageError(f"dataset {self.name!r} was set to batch {batch} of {len(self)}")
        self.epoch, self._first, self._placed = epoch, batch, True

    def _batch(self, epoch: int, order: np.ndarray, index: int) -> Batch:
        chosen = order[index * self._batch_size :][: self._batch_size]
        batch = [array[chosen] for array in self._arrays]
        if self.augment is not None:
            stream = hasher(self.seed, self.name, "sample", epoch)
            with restored_generators() if self.draws_globally else nullcontext():
                pairs = zip(batch[0], chosen, strict=True)
                batch[0] = np.stack(
                    [self._augmented(sample, stream, int(number)) for sample, number in pairs]
                )
        return tuple(batch)

    def _augmented(self, sample: np.ndarray, stream: Any, index: int) -> np.ndarray:
        """One sample, with a generator of its own. Seeding that takes 8 µs."""
        assert self.augment is not None
        own = stream.copy()
        own.update(encode(index))
        seed = first_63_bits(own.digest())
        if self.draws_globally:
            seed_step(seed)
        return self.augment(sample, np.random.Generator(np.random.PCG64(seed)))

    def _order(self, epoch: int) -> np.ndarray:
        """The samples' indices in the order of an epoch."""
        order = np.arange(len(self._arrays[0]))
        if self.shuffle:
            np.random.default_rng(derive_seed(self.seed, self.name, "order", epoch)).shuffle(order)
        return order

    def _prepared(self, epoch: int, first: int) -> Iterator[tuple[Batch, bytes]]:
        """An epoch's batches from `first` on, and their digests, in order, prepared by the worker threads."""
        order = self._order(epoch)

        def prepare(index: int) -> tuple[Batch, bytes]:
            batch = self._batch(epoch, order, index)
            return batch, batch_digest(batch)

        if self.workers == 0 or self.draws_globally:
            yield from map(prepare, range(first, len(self)))
            return
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix=f"samebits-{self.name}")
        try:
            waiting = iter(range(first, len(self)))
            ahead: deque[Future[tuple[Batch, bytes]]] = deque()
            ahead.extend(pool.submit(prepare, index) for index in islice(waiting, self.max_queue_size))
            while ahead:
                ready = ahead.popleft().result()
                ahead.extend(pool.submit(prepare, index) for index in islice(waiting, 1))
                yield ready
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    # What follows is called by Keras.

    @property
    def batch_size(self) -> int:
        """Samples in a batch."""
        return self._batch_size

    def get_tf_dataset(self) -> Any:
        """The passes as a `tf.data.Dataset`, each iterator of which is one pass."""
        import tensorflow as tf

        # Keras hands none of these to an adapter, and so they would have no effect: looked up in the caller.
        caller = sys._getframe(1).f_locals
        for argument in ("y", "sample_weight", "class_weight"):
            if caller.get("kwargs", {}).get(argument) is not None:
                raise UsageError(
                    f"{argument} was given beside dataset {self.name!r}: give targets and sample_weight to "
                    "samebits.keras.dataset instead (a class's weight as the weight of its samples)"
                )
        if getattr(caller.get("distribute_strategy"), "num_replicas_in_sync", 1) > 1:
            # It reads ahead before the first epoch, which may count as a pass.
            raise UsageError(
                f"dataset {self.name!r} feeds one device: train without a tf.distribute strategy"
            )
        if (passes := caller.get("self")) is not None:
            passes._enumerate_iterator = partial(self._enumerate, passes, passes._enumerate_iterator)
        signature = tuple(tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in self[0])
        options = tf.data.Options()
        options.autotune.enabled = False  # nor does anything else read ahead here; our threads do
        options.threading.private_threadpool_size = 1
        return tf.data.Dataset.from_generator(self.__iter__, output_signature=signature).with_options(options)

    def _enumerate(self, passes: Any, whole: Callable[[], Iterator[Any]]) -> Iterator[tuple[Any, ...]]:
        """The first and the last number of each step's batches, and where the steps get them from.

        In place of Keras's own (`whole`), which would count the batches of a shortened pass from 0 and wait
        for as many as a whole one has.
        """
        if self._first == 0:
            yield from whole()
            return
        left, steps = iter(passes._get_iterator()), passes.steps_per_execution
        for first in range(self._first, len(self), steps):
            yield (first, first + steps - 1, left) if ENDS else (first, left)
        if self._first == len(self):
            self.set_epoch(self.epoch + 1)


def check_draws(data: Dataset) -> None:
    """Find out where `augment` draws from, by calling it for the first samples.

    Raises:
        UsageError: from something that cannot be seeded for a sample.
    """
    if where := find_generator(data.augment, "augment"):
        raise UsageError(
            f"{where}, whose numbers depend on which thread is first: draw from its argument rng"
        )
    first = np.arange(min(TRIED, len(data._arrays[0])))
    moved = moved_generators(lambda: data._batch(0, first, 0))
    for owner in ("TensorFlow", "Keras"):
        if owner in moved:
            raise UsageError(
                f"dataset {data.name!r}: augment draws from {owner}'s global generator, which cannot be "
                "seeded for a sample: draw from its argument rng, or from NumPy's"
            )
    data.draws_globally = bool(moved)
