"""Loaders whose order depends on how often they were read: read again on resume, or refused by name."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

import samebits.torch
from samebits import UsageError

SAMPLES = TensorDataset(torch.arange(12.0).reshape(12, 1))


@pytest.fixture(autouse=True)
def _unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    monkeypatch.setattr("samebits.run.plots.draw", lambda metrics: b"")


class Reshuffled:
    """Batches in another order each time, from a generator of its own."""

    def __init__(self) -> None:
        self.own = np.random.default_rng(3)

    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter([torch.full((2, 1), float(number)) for number in self.own.permutation(5)])


class Endless(Reshuffled):
    """One that the training leaves by `break`."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        while True:
            yield torch.full((2, 1), float(self.own.integers(9)))


class Forgetful(Reshuffled):
    """Its order depends on the time at which it was made, so to speak."""

    made = 0

    def __init__(self) -> None:
        Forgetful.made += 1
        self.own = np.random.default_rng(Forgetful.made)


class Plain:
    """The same batches in each epoch."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        return map(torch.Tensor.clone, torch.ones(4, 2, 1))


class Global:
    """Draws from a global generator, which a checkpoint holds."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter(torch.randn(4, 2, 1))


def own_generator() -> DataLoader[Any]:
    return DataLoader(SAMPLES, 2, shuffle=True, generator=torch.Generator().manual_seed(5))


def own_sampler() -> DataLoader[Any]:
    sampler = RandomSampler(SAMPLES, generator=torch.Generator().manual_seed(5))
    return DataLoader(SAMPLES, 2, sampler=sampler)


def train(folder: Path, make: Callable[[], Any], epochs: int = 4, hold: bool = False) -> str:
    loader = make()
    with samebits.torch.open_run({"seed": 0}, device="cpu", folder=folder) as run:
        with run.stream("initialisation"):
            model = torch.nn.Linear(1, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
        held = {"order": loader.generator} if hold else {}
        run.checkpoint(model=model, optimizer=optimizer, **held)
        for _ in run.epochs(epochs):
            given = loader() if callable(loader) else loader
            for number, batch in enumerate(run.batches(given)):
                values = batch[0] if isinstance(batch, list) else batch
                loss = torch.nn.functional.dropout(model(values)).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if number == 6:
                    break
        return run.finish(model) + (run.folder / "metrics.jsonl").read_text()


def interrupted(folder: Path, make: Callable[[], Any], step: int, **options: Any) -> str:
    """After the last step of an epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMEBITS_STOP_AT", str(step))
        with pytest.raises(SystemExit) as left:
            train(folder, make, **options)
    assert left.value.code == 75
    return train(folder, make, **options)


@pytest.mark.parametrize(
    ("make", "stops"),
    [
        (Reshuffled, (5, 15)),
        pytest.param(Endless, (7, 19), marks=pytest.mark.slow),
        (own_generator, (6, 18)),
        pytest.param(own_sampler, (6, 18), marks=pytest.mark.slow),
    ],
)
def test_what_can_be_read_again_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[], Any], stops: tuple[int, int]
) -> None:
    whole = train(tmp_path / "whole", make)
    for epoch, stop in zip((1, 3), stops, strict=True):
        assert interrupted(tmp_path / str(epoch), make, stop) == whole
        assert f"reads epochs 1 to {epoch} of " in capsys.readouterr().out


def shuffled() -> DataLoader[Any]:
    return DataLoader(SAMPLES, 2, shuffle=True)


@pytest.mark.parametrize(
    ("make", "steps", "hold"),
    [
        (Global, 4, False),
        pytest.param(Plain, 4, False, marks=pytest.mark.slow),
        pytest.param(shuffled, 6, False, marks=pytest.mark.slow),
        pytest.param(own_generator, 6, True, marks=pytest.mark.slow),
    ],
)
def test_what_needs_no_reading_ends_in_the_same_bits_too(
    tmp_path: Path, make: Callable[[], Any], steps: int, hold: bool
) -> None:
    whole = train(tmp_path / "whole", make, hold=hold)
    for epoch in (1, 2, 3):
        assert interrupted(tmp_path / str(epoch), make, epoch * steps, hold=hold) == whole, epoch


def test_torchs_loader_that_follows_the_global_generator_is_not_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted(tmp_path / "run", shuffled, 12)
    interrupted(tmp_path / "held", own_generator, 12, hold=True)
    interrupted(tmp_path / "plain", Plain, 8)
    assert "again" not in capsys.readouterr().out


def test_other_batches_are_refused_by_name(tmp_path: Path) -> None:
    says = "run.batches: Forgetful gives other batches in epoch 1 than in the run that stopped: "
    with pytest.raises(UsageError, match=f"^{says}"):
        interrupted(tmp_path / "run", Forgetful, 5)


def stream() -> Iterator[torch.Tensor]:
    while True:
        yield torch.ones(2, 1)


def a_part_of_a_generator() -> Callable[[], Any]:
    endless = stream()
    return lambda: itertools.islice(endless, 3)


def a_cycle() -> Callable[[], Any]:
    endless = itertools.cycle(SAMPLES)
    return lambda: (batch[0].reshape(1, 1) for batch, _ in zip(endless, range(3), strict=False))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (a_part_of_a_generator, r"continues to read the generator stream \(test_histories\.py:\d+\) where"),
        (a_cycle, "epoch 2 continues to read the same cycle where epoch 1 ended, and no checkpoint has that"),
    ],
)
def test_a_generator_that_epochs_share_is_refused_by_name(
    tmp_path: Path, make: Callable[[], Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        train(tmp_path / "run", make)


@pytest.mark.parametrize("ends", [False, True])
def test_parts_of_a_loader_that_is_held(tmp_path: Path, ends: bool) -> None:
    """Of one that never ends, the next part comes; one that is left begins its next epoch."""

    def train_parts(folder: Path, hold: bool = True) -> str:
        with samebits.torch.open_run({"seed": 0}, device="cpu", folder=folder) as run:
            loader = run.loader(SAMPLES, batch_size=5, shuffle=True)
            endless = forever(loader)
            model = torch.nn.Linear(1, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
            run.checkpoint(model=model, optimizer=optimizer, **({"loader": loader} if hold else {}))
            for _ in run.epochs(4):
                for (batch,) in run.batches(itertools.islice(loader if ends else endless, 2)):
                    optimizer.zero_grad()
                    model(batch).square().mean().backward()
                    optimizer.step()
            return run.finish(model)

    whole = train_parts(tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMEBITS_STOP_AT", "4")
        with pytest.raises(SystemExit):
            train_parts(tmp_path / "parts")
    assert train_parts(tmp_path / "parts") == whole
    with pytest.raises(UsageError, match="the loader 'train' is read in several steps, not by run"):
        train_parts(tmp_path / "not held", hold=False)


def forever(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def beside(folder: Path, way: str, hold: bool = True) -> str:
    """A training whose steps read a second loader, of three batches, besides the first one, of four."""
    with samebits.torch.open_run({"seed": 0}, device="cpu", folder=folder) as run:
        loader = run.loader(SAMPLES, batch_size=3, shuffle=True)
        second = run.loader(SAMPLES, name="second", batch_size=4, shuffle=True)
        assert next(iter(second))[0].shape == (4, 1)  # which changes the second one's place, and no weight
        model = torch.nn.Linear(1, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        run.checkpoint(model=model, optimizer=optimizer, **({"second": second} if hold else {}))
        endless = itertools.cycle(second) if way == "cycle" else forever(second)
        for _ in run.epochs(4):
            pairs: Any = zip(run.batches(loader), endless if way != "zip" else second, strict=False)
            for (batch,), (other,) in pairs:
                optimizer.zero_grad()
                (model(batch).square().mean() + model(other).abs().mean()).backward()
                optimizer.step()
            if way == "first batch":  # of a loader that is left, and then read from its beginning
                run.log(sum=float(next(iter(second))[0].sum()))
        return run.finish(model) + (folder / "metrics.jsonl").read_text()


@pytest.mark.parametrize(
    ("way", "stops"),
    [
        ("forever", (2, 4, 7, 9)),
        pytest.param("zip", (2, 5), marks=pytest.mark.slow),
        pytest.param("first batch", (5, 6, 8), marks=pytest.mark.slow),
    ],
)
def test_a_second_loader_that_is_held_continues_within_its_epoch(
    tmp_path: Path, way: str, stops: tuple[int, ...]
) -> None:
    whole = beside(tmp_path / "whole", way)
    for stop in stops:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SAMEBITS_STOP_AT", str(stop))
            with pytest.raises(SystemExit):
                beside(tmp_path / str(stop), way)
        assert beside(tmp_path / str(stop), way) == whole, stop


@pytest.mark.parametrize(
    ("way", "hold", "says"),
    [
        (
            "forever",
            False,
            "the loader 'second' is read in several steps, not by run.batches itself, and no ",
        ),
        ("zip", False, "the loader 'second' is read in several steps"),
        (
            "cycle",
            True,
            "the loader 'second' is read by itertools.cycle, which repeats batches of the first",
        ),
    ],
)
def test_a_second_loader_without_a_place_is_refused_by_name(
    tmp_path: Path, way: str, hold: bool, says: str
) -> None:
    with pytest.raises(UsageError, match=f"^{says}"):
        beside(tmp_path / "run", way, hold)


def test_a_new_generator_in_each_epoch_is_right(tmp_path: Path) -> None:
    def make() -> Callable[[], Any]:
        return lambda: (value for value, _ in zip(torch.randn(4, 2, 1), itertools.count(), strict=False))

    whole = train(tmp_path / "whole", make)
    assert interrupted(tmp_path / "run", make, 8) == whole
