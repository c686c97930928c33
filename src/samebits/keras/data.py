"""A Keras dataset whose batches follow from (seed, name, epoch) alone, whoever prepares them."""

import hashlib
import math
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import keras
import numpy as np
from keras.src.trainers.data_adapters.data_adapter import DataAdapter

from samebits import process
from samebits.errors import WrongUse
from samebits.seeds import checked, derive_seed, encode, first_63_bits, hasher

Batch = tuple[np.ndarray, ...]  # inputs, targets, weights: as far as there are any
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
    """Batches for `model.fit`, `evaluate`, `predict` or a loop of one's own.

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
            from several threads. It must return an array, of one shape and dtype for all samples, and draw
            from nothing but `rng`, which depends on seed, name, epoch and the sample's index in `x`.
        sample_weight: one weight per sample.
        workers: threads that prepare batches ahead of the training; 0: prepared when they are needed.
        max_queue_size: how many batches they prepare ahead.

    Raises:
        WrongUse: the arrays are empty or differ in length, or a number is out of range.
    """
    process.check(strict=False)
    arrays = [np.asarray(array) for array in (x, y, sample_weight) if array is not None]
    lengths = [len(array) if array.ndim else 0 for array in arrays]
    if len(set(lengths)) > 1 or lengths[0] == 0:
        raise WrongUse(
            f"dataset {name!r} got arrays of {lengths} samples: equal lengths are needed, at least 1"
        )
    checked(seed)
    limits = {"batch_size": (batch_size, 1), "workers": (workers, 0), "max_queue_size": (max_queue_size, 1)}
    for what, (number, least) in limits.items():
        if number < least:
            raise WrongUse(f"dataset {name!r} got {what}={number}: it must be at least {least}")
    return Dataset(arrays, seed, name, batch_size, shuffle, augment, workers, max_queue_size)


class Dataset(keras.utils.PyDataset, DataAdapter):
    """What `dataset` returns.

    Keras's own adapter for a `PyDataset` shuffles the batches once more from Python's global generator, and
    its threads prepare batches before `on_epoch_begin` and after `on_epoch_end`, so that no epoch can be told
    from these calls. Keras takes an adapter in place of a dataset; this is both. A pass fixes its epoch when
    its first batch is asked for and runs only as far as batches are asked for; threads work below that.

    Attributes:
        epoch: the epoch of the next pass.
    """

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
        self.seed, self.name, self.shuffle, self.augment = seed, name, shuffle, augment
        self._arrays, self._batch_size = arrays, batch_size
        self._digests: dict[int, str] = {}

    def __len__(self) -> int:
        """Batches in an epoch."""
        return math.ceil(len(self._arrays[0]) / self._batch_size)

    def __getitem__(self, index: int) -> Batch:
        """Batch `index` of the next pass."""
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        return self._batch(self.epoch, self._order(self.epoch), index)

    def __iter__(self) -> Iterator[Batch]:
        """One pass; when its last batch has been handed out, the next pass is the next epoch."""
        epoch, digest = self.epoch, hashlib.sha256()
        for index, (batch, batch_digest) in enumerate(self._prepared(epoch)):
            digest.update(batch_digest)
            if index == len(self) - 1:
                self._digests[epoch] = digest.hexdigest()
                self.epoch = epoch + 1
            yield batch

    def set_epoch(self, epoch: int) -> None:
        """Make the next pass this epoch, counted from 0."""
        if epoch < 0:
            raise WrongUse(f"dataset {self.name!r} was set to epoch {epoch}: epochs count from 0")
        self.epoch = epoch

    def _batch(self, epoch: int, order: np.ndarray, index: int) -> Batch:
        chosen = order[index * self._batch_size :][: self._batch_size]
        batch = [array[chosen] for array in self._arrays]
        if self.augment is not None:
            stream = hasher(self.seed, self.name, "sample", epoch)
            pairs = zip(batch[0], chosen, strict=True)
            batch[0] = np.stack([self.augment(sample, _generator(stream, int(one))) for sample, one in pairs])
        return tuple(batch)

    def digest(self, epoch: int) -> str:
        """The SHA-256 over the SHA-256s of an epoch's batches, in order (types, shapes and values).

        Of an epoch that was handed out it tells what was handed out. Others are prepared for it.
        """
        if epoch not in self._digests:
            digest = hashlib.sha256()
            for _, batch_digest in self._prepared(epoch):
                digest.update(batch_digest)
            self._digests[epoch] = digest.hexdigest()
        return self._digests[epoch]

    def _order(self, epoch: int) -> np.ndarray:
        """The samples' indices in the order of an epoch."""
        order = np.arange(len(self._arrays[0]))
        if self.shuffle:
            np.random.default_rng(derive_seed(self.seed, self.name, "order", epoch)).shuffle(order)
        return order

    def _prepared(self, epoch: int) -> Iterator[tuple[Batch, bytes]]:
        """An epoch's batches and their digests in order, prepared by the worker threads."""

        order = self._order(epoch)

        def prepare(index: int) -> tuple[Batch, bytes]:
            batch = self._batch(epoch, order, index)
            return batch, _digest(batch)

        if self.workers == 0:
            yield from map(prepare, range(len(self)))
            return
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix=f"samebits-{self.name}")
        try:
            waiting = iter(range(len(self)))
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
                raise WrongUse(
                    f"{argument} was given beside dataset {self.name!r}: give targets and sample_weight to "
                    "samebits.keras.dataset instead (a class's weight as the weight of its samples)"
                )
        if getattr(caller.get("distribute_strategy"), "num_replicas_in_sync", 1) > 1:
            # It reads ahead before the first epoch, which may count as a pass.
            raise WrongUse(f"dataset {self.name!r} feeds one device: train without a tf.distribute strategy")
        signature = tuple(tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in self[0])
        options = tf.data.Options()
        options.autotune.enabled = False  # nor does anything else read ahead here; our threads do
        options.threading.private_threadpool_size = 1
        return tf.data.Dataset.from_generator(self.__iter__, output_signature=signature).with_options(options)


def _generator(stream: Any, index: int) -> np.random.Generator:
    """The generator of one sample. Seeding it takes 8 µs."""
    own = stream.copy()
    own.update(encode(index))
    return np.random.Generator(np.random.PCG64(first_63_bits(own.digest())))


def _digest(batch: Batch) -> bytes:
    digest = hashlib.sha256()
    for part in batch:
        digest.update(f"{part.dtype.str}{part.shape}".encode())
        digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    return digest.digest()
