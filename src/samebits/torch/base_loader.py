"""What loaders of both kinds share: epochs, collation under a seed of its own, and what they refuse."""

import gc
import inspect
import itertools
import weakref
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

    It reads a second DataLoader inside, whose dataset seeds before it reads; so its own attributes
    (`dataset`, `batch_size`, `sampler`, …) stay those that the user gave.

    Attributes:
        saved: a run's checkpoints hold it.
    """

    saved = False

    def __init__(self, dataset: Dataset, *, seed: int, name: str, **options: Any) -> None:
        self.seed, self.name = checked(seed), name
        self.epoch = self._next_epoch = 0  # `epoch`: the one being read, or the latest, or set_epoch's
        self._first = 0  # batch of the next iteration
        self._placed = False  # a run says where the next iteration begins
        self._iterations: list[Callable[[], Iteration | None]] = []
        self._pending: list[int] | None = None  # a restored epoch and batch, where the next iteration begins
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
        self.epoch = self._next_epoch = epoch
        self._first, self._placed, self._pending = 0, False, None

    def begin_at(self, epoch: int, batch: int) -> None:
        """The next iteration is what is left of this epoch from this batch on, both counted from 0.

        The batches before are those that came before an interruption. Nothing is read or drawn for them by
        a map-style dataset; an IterableDataset gives their samples once more, and they are left out.
        """
        self.epoch = self._next_epoch = epoch
        self._first, self._placed, self._pending = batch, True, None

    def state_dict(self) -> dict[str, Any]:
        """How often it was read, and the place of an iteration that is not over: its epoch and next batch.

        For `run.checkpoint`, where a loader for evaluation draws, or where the steps read a second loader.

        Raises:
            UsageError: several iterations are under way, of which a checkpoint cannot say who has which.
        """
        within = [self._pending] if self._pending else [it.place() for it in self._under_way()]
        if len(within) > 1:
            raise UsageError(
                f"the loader {self.name!r} is read in several places at once, and a checkpoint can have only "
                "one of them: make a loader for each, with a name of its own"
            )
        return {
            "epoch": self.epoch,
            "next_epoch": self._next_epoch,
            "within": within[0] if within else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue there: an iteration that is under way, or else the next one that begins."""
        self.epoch, self._next_epoch = state["epoch"], state["next_epoch"]
        self._first, self._pending, within = 0, None, state["within"]
        under_way = self._under_way()
        for iteration in under_way:
            iteration.move(*(within if iteration is under_way[-1] and within else (0, None)))
        if within and not under_way:
            self._pending = within

    def _under_way(self) -> "list[Iteration]":
        """The iterations that somebody has and that are not over, in the order in which they began."""
        iterations = [(there, there()) for there in self._iterations]
        self._iterations = [there for there, it in iterations if it is not None]
        return [it for _, it in iterations if it is not None and not it.ended]

    def __iter__(self) -> Any:
        if self._pending:
            epoch, first = self._pending
            placed, self._pending = False, None
        else:
            epoch = self.epoch = self._next_epoch
            self._next_epoch += 1
            first, placed, self._first, self._placed = self._first, self._placed, 0, False
        iteration = Iteration(self, epoch, first, placed)
        self._under_way()  # forgets those that nobody has
        self._iterations.append(weakref.ref(iteration))
        return iteration

    def _begin(self, epoch: int, first: int) -> Iterator[Any]:
        """The batches of an epoch from `first` on."""
        raise NotImplementedError


class Iteration:
    """One reading of a loader, and how far it is.

    Attributes:
        epoch: counted from 0.
        batch: of the epoch, the one that comes next.
        ended: there is no more.
        step: how many steps the run has begun; the same for all iterations.
    """

    step = 0

    def __init__(self, loader: Loader, epoch: int, first: int, placed: bool) -> None:
        self.loader, self.epoch, self.batch, self.ended = loader, epoch, first, False
        self._placed = placed
        self._read_in: int | None = None  # the step in which its first batch was read
        self._batches = loader._begin(epoch, first)

    def __iter__(self) -> "Iteration":
        return self

    def __next__(self) -> Any:
        if self._read_in is None:
            self._read_in = Iteration.step
        elif self._read_in != Iteration.step and not self._placed:
            self._refuse_without_a_place()
        try:
            batch = next(self._batches)
        except StopIteration:
            self.ended = True
            raise
        self.batch += 1
        return batch

    def _refuse_without_a_place(self) -> None:
        self._placed = True  # looked at once
        if not self.loader.saved:
            raise UsageError(
                f"the loader {self.loader.name!r} is read in several steps, not by run.batches itself, and "
                "no checkpoint has its place: add it to run.checkpoint, and read it in the step, as "
                "`for batch, other in zip(run.batches(…), loader)` does"
            )
        if any(type(reader) is itertools.cycle for reader in gc.get_referrers(self)):
            raise UsageError(
                f"the loader {self.loader.name!r} is read by itertools.cycle, which repeats batches of the "
                "first epoch from its own memory, and no checkpoint has that: read it by a function with "
                "`while True: yield from loader`"
            )

    def place(self) -> list[int]:
        """Its epoch, and the batch that comes next."""
        return [self.epoch, self.batch]

    def move(self, epoch: int, batch: int | None) -> None:
        """Continue at a batch of an epoch; None: there are no more."""
        self.ended = batch is None
        self.epoch, self.batch = epoch, batch or 0
        self._batches = iter(()) if batch is None else self.loader._begin(epoch, batch)


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
