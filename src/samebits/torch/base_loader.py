"""What loaders of both kinds share: epochs, collation under a seed of its own, and what they refuse."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import (
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    default_collate,
    default_convert,
)

from samebits.errors import UsageError
from samebits.process import check
from samebits.rng.seeds import checked
from samebits.rng.unseedable import find_generator
from samebits.torch.generators import own_generator, seed_globals


class QuietLoader(DataLoader):
    """A DataLoader without torch's remark about the number of workers, which depends on the machine."""

    def check_worker_number_rationality(self) -> None:
        pass


class Loader(QuietLoader):
    """What `samebits.torch.loader` returns.

    Its iterators are those of a second DataLoader inside, whose dataset seeds before it reads; so its own
    attributes (`dataset`, `batch_size`, `sampler`, …) stay those that the user gave.
    """

    def __init__(self, dataset: Dataset, *, seed: int, name: str, **options: Any) -> None:
        self.seed, self.name = checked(seed), name
        self.epoch = self._next_epoch = 0  # `epoch`: the one being read, or the latest, or set_epoch's
        self._first = 0  # batch of the next iteration
        super().__init__(dataset, **options)

    @property
    def known_length(self) -> int | None:
        """How many batches each epoch has, None where only reading them tells."""
        return None

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is this epoch, counted from 0.

        Raises:
            UsageError: it is no integer from 0 on.
        """
        if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 0:
            raise UsageError(f"epoch is {epoch!r}: give an integer from 0 on")
        self.begin_at(epoch, 0)

    def begin_at(self, epoch: int, batch: int) -> None:
        """The next iteration is what is left of this epoch from this batch on, both counted from 0.

        The batches before are those that came before an interruption. Nothing is read or drawn for them by
        a map-style dataset; an IterableDataset gives their samples once more, and they are left out.
        """
        self.epoch = self._next_epoch = epoch
        self._first = batch

    def state_dict(self) -> dict[str, int]:
        """How often it was read: for `run.checkpoint`, where a loader for evaluation draws."""
        return {"epoch": self.epoch, "next_epoch": self._next_epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue counting from there."""
        self.epoch, self._next_epoch = state["epoch"], state["next_epoch"]

    def __iter__(self) -> Any:
        self.epoch, self._next_epoch = self._next_epoch, self._next_epoch + 1
        first, self._first = self._first, 0
        return self._begin(self.epoch, first)

    def _begin(self, epoch: int, first: int) -> Iterator[Any]:
        """The batches of an epoch from `first` on."""
        raise NotImplementedError


class Collation:
    """Makes a batch of samples, with a `collate_fn` that may draw.

    Attributes:
        draws: it may.
        draws_globally: from the global generators.
    """

    def __init__(self, function: Any) -> None:
        self.function = function
        plain = function in (default_collate, default_convert)
        self.draws = not (plain or deterministic(function))
        self.takes_rng = self.draws and takes_rng(function)
        self.draws_globally = self.draws and not self.takes_rng

    def __call__(self, samples: Any, digest: Callable[[], bytes]) -> Any:
        """The batch; `digest` is asked only if it decides something."""
        if self.takes_rng:
            return self.function(samples, rng=own_generator(digest()))
        if self.draws:
            seed_globals(digest())
        return self.function(samples)


def refuse(dataset: Any, reader: str, name: Any, options: dict[str, Any]) -> None:
    """Raise UsageError for what would make the batches of any dataset depend on more than the seed.

    Args:
        dataset: what is read.
        reader: its method that does so.
        name: the loader's.
        options: the DataLoader's. Its generator is set, so that torch draws from it where it would draw from
            the global one.
    """
    check.this_process(strict=False)
    if not isinstance(name, str):
        raise UsageError(f"the loader's name is {name!r}: give text, such as 'train'")
    if options.get("generator") is not None:
        raise UsageError(
            "samebits.torch.loader has a generator of its own: give seed= in place of generator="
        )
    if options.get("worker_init_fn") is not None:
        raise UsageError(
            "samebits.torch.loader seeds its workers itself, for every sample: leave worker_init_fn out, and "
            "open files when the dataset first reads from them"
        )
    if options.get("in_order") is False:
        raise UsageError("in_order=False gives batches in the order in which workers are done: leave it out")
    if not deterministic(dataset) and (where := find_generator(dataset, "dataset")):
        raise UsageError(
            f"{where}, whose numbers depend on which worker reads which sample: take an argument `rng` in "
            f"{reader}, or draw from a global generator, or set `deterministic = True` if no sample uses it"
        )
    options["generator"] = torch.Generator()


def deterministic(what: Any) -> bool:
    """A dataset or a function says that it draws no random numbers."""
    what = inner(what)
    if isinstance(what, ConcatDataset | ChainDataset):
        return all(map(deterministic, what.datasets))
    return type(what) is TensorDataset or bool(getattr(what, "deterministic", False))


def takes_rng(function: Callable[..., Any]) -> bool:
    """A function has a parameter `rng`."""
    try:
        return "rng" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # written in C
        return False


def inner(dataset: Any) -> Any:
    """The dataset under torch's subsets, which hand neither `rng` nor `deterministic` on."""
    return inner(dataset.dataset) if isinstance(dataset, Subset) else dataset


def as_it_is(batch: Any) -> Any:
    """For torch, which would collate what is collated already."""
    return batch
