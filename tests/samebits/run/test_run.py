"""An open run: what ends it."""

import argparse
import contextlib
import dataclasses
import enum
import errno
import functools
import importlib
import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import FRAMEWORKS

import samebits
from samebits import UsageError
from starter.settings import Settings


def test_somebody_elses_input_error_keeps_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    with (
        pytest.raises(ConnectionResetError),
        samebits.open_run(Settings(), framework=FRAMEWORKS[0], folder=tmp_path / "run"),
    ):
        raise ConnectionResetError(104, "Connection reset by peer")
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_weights_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    with (
        pytest.raises(UsageError, match=r"without `run\.finish\(model\)`"),
        samebits.open_run(Settings(), framework=FRAMEWORKS[0], folder=tmp_path / "run"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@dataclasses.dataclass
class Changing:
    seed: int = 0
    rate: float = 0.5


class Size(enum.Enum):
    SMALL = object()


PLAIN = {
    "seed": np.int64(3),
    "rate": np.float32(0.5),
    "data": Path("a/b"),
    "size": Size.SMALL,
    "milestones": {30: 0.1},
    "betas": (0.9, 0.999),
    "inner": Changing(),
    "none": None,
}
AS_JSON = {
    "seed": 3,
    "rate": 0.5,
    "data": "a/b",
    "size": "SMALL",
    "milestones": {"30": 0.1},
    "betas": [0.9, 0.999],
    "inner": {"seed": 0, "rate": 0.5},
    "none": None,
}


def opened(settings, folder, framework=FRAMEWORKS[0], change=None):
    """A run that ends without weights; returns its error, or the settings that it would have recorded."""
    recorded = []
    try:
        with samebits.open_run(settings, framework=framework, folder=folder) as run:
            if change is not None:
                change()
            recorded.append(run._settings)
    except UsageError as error:
        return recorded[0] if recorded else str(error)


@pytest.mark.parametrize("settings", [PLAIN, argparse.Namespace(**PLAIN)], ids=["dict", "Namespace"])
def test_what_existing_scripts_have_is_taken_as_settings(tmp_path, monkeypatch, settings):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    assert opened(settings, tmp_path / "run") == AS_JSON


def test_the_manifest_has_the_settings_that_the_run_began_with(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    settings = Changing()
    change = functools.partial(setattr, settings, "rate", 0.1)
    assert opened(settings, tmp_path / "run", change=change) == {"seed": 0, "rate": 0.5}
    assert settings.rate == 0.1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"seed": 0, "dtype": np.dtype("float32")},
            "the setting dtype is dtype('float32') (Float32DType), whi",
        ),
        ({"seed": 0, "names": {"a", "b"}}, "(set), which the manifest cannot save"),
        (
            {"seed": 0, "inner": {"rates": [1.0, float("nan")]}},
            "the setting inner is {'rates': [1.0, nan]} (di",
        ),
        (
            {"seed": 0, "clip": float("inf")},
            "the setting clip is inf, which JSON cannot hold: give a finite num",
        ),
        (
            argparse.Namespace(seed=0, run_command=print),
            "the setting run_command is <built-in function print>",
        ),
        ({"rate": 1.0}, "the settings have no `seed`, from which every generator is seeded: add seed=0"),
        ({"seed": "0"}, "seed is '0': give an integer from 0"),
        (argparse.Namespace(seed=None), "seed is None: give an integer from 0"),
        (Changing, "the settings are Changing: give a dataclass's instance, an argparse.Namespace or a dict"),
        (None, "the settings are of type NoneType: give"),
    ],
)
def test_settings_that_no_manifest_can_hold_are_refused_at_the_start(tmp_path, monkeypatch, settings, said):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    assert said in opened(settings, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("every", "number", "evaluated"), [(1, 3, [1, 2, 3]), (2, 3, [2, 3]), (0, 3, [3]), (2, 5, [2, 4, 5])]
)
def test_a_function_is_called_after_the_epochs_that_are_to_be_evaluated(
    tmp_path, monkeypatch, every, number, evaluated
):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    settings = samebits.RunSettings(evaluate_every=every, device="cpu", run=tmp_path / "run")
    calls = []

    def evaluate():
        calls.append(run.epoch)
        return 0.5

    with contextlib.suppress(UsageError), samebits.open_run(settings, framework=FRAMEWORKS[0]) as run:
        run.log(before=lambda: 1)
        for _ in run.epochs(number):
            run.average(loss=1.0)
            run.log(accuracy=evaluate)
        run.log(after=lambda: 2, rate=3)
        lines = [json.loads(line) for line in run.working.metrics.read_text().splitlines()]
    assert calls == evaluated
    assert lines[0] == {"before": 1}
    epochs = [
        {"epoch": n, "loss": 1.0} | ({"accuracy": 0.5} if n in evaluated else {})
        for n in range(1, number + 1)
    ]
    assert lines[1:-1] == epochs, "each epoch has one line"
    assert lines[-1] == {"epoch": number, "after": 2, "rate": 3}


def test_a_wrong_argument_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    """Also in a framework's own `open_run`, which passes them on."""
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    room = importlib.import_module(f"samebits.{FRAMEWORKS[0]}")
    monkeypatch.chdir(tmp_path)
    for wrong in ({"folder": 3}, {"device": "gpu"}):
        with pytest.raises(UsageError, match=" is "), room.open_run({"seed": 0}, **wrong):
            pass
    assert list(tmp_path.iterdir()) == []


@dataclasses.dataclass
class Unset:
    seed: int = 0
    rate: float = dataclasses.field(init=False)


def test_a_setting_that_has_no_value_yet_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    line = opened(Unset(), tmp_path / "run")
    assert line == "the setting rate has no value: give it one when the settings are made"


def test_a_setting_that_refers_to_itself_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    settings = {"seed": 0, "circle": []}
    settings["circle"].append(settings["circle"])
    assert "the setting circle is [[...]]" in opened(settings, tmp_path / "run")


def test_a_framework_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    there = " or ".join(map(repr, FRAMEWORKS))
    line = f"framework 'jax' is none that samebits knows: give one of those installed, {there}"
    assert opened(Settings(), tmp_path / "run", framework="jax") == line
    find = importlib.util.find_spec
    for lost in ("tensorflow", "samebits.keras"):  # as where only torch is, and in a project of torch alone
        monkeypatch.setattr("importlib.util.find_spec", lambda name, lost=lost: name != lost and find(name))
        assert "framework 'keras' is not installed here" in opened(Settings(), tmp_path / "run", "keras")


def test_a_folder_whose_manifest_is_broken_is_refused_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    folder = tmp_path / "run"
    folder.mkdir()
    for text in ("", "{", "[]", '{"format": 99}', '{"format": 1}', '{"format": 1, "weights_sha256": "../x"}'):
        (folder / "manifest.json").write_text(text)
        line = opened(Settings(), folder)
        assert "manifest" in line
        assert "name another folder with --run, or move" in line
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "manifest.json"]


@pytest.mark.parametrize("name", ["a" * 300, "circle/run", "nothing", "zero\0byte"])
def test_a_folder_that_cannot_be_looked_at_is_one_line(tmp_path, monkeypatch, name):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "nothing").symlink_to("nowhere")
    assert "cannot be looked at: " in opened(Settings(), tmp_path / name)


def test_a_folder_below_one_that_one_may_not_enter_is_one_line(tmp_path, monkeypatch):
    """By a rule of its own: root, who runs the tests in some places, may enter every folder."""
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    stat = os.stat

    def refuse(path, *arguments, **options):
        if "closed" in os.fspath(path).split("/"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return stat(path, *arguments, **options)

    for place in ("os.stat", "os.lstat"):
        monkeypatch.setattr(place, refuse)
    line = opened(Settings(), tmp_path / "closed" / "run")
    assert line.endswith("closed/run cannot be looked at: Permission denied; name another folder with --run")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_weights_without_a_number_are_refused(tmp_path, monkeypatch, framework):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    if framework == "torch":
        import torch

        models = [{}, torch.nn.ReLU(), {"w": torch.zeros(0, 3)}]
    else:
        import keras

        models = [keras.Sequential([keras.Input((3,)), keras.layers.Flatten()])]
    for model in models:
        with (
            pytest.raises(UsageError, match="the model has no weights"),
            samebits.open_run(Settings(), framework=framework, folder=tmp_path / "run") as run,
        ):
            run.finish(model)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_weights_that_are_no_numbers_are_named(tmp_path, monkeypatch, capsys, framework):
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    numbers = np.array([[1.0, np.nan], [np.nan, np.inf]], dtype="float32")
    if framework == "torch":
        import torch

        model = torch.nn.Linear(2, 2)
        model.weight = torch.nn.Parameter(torch.from_numpy(numbers))
    else:
        import keras

        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
        model.layers[0].kernel.assign(numbers)
    with samebits.open_run(Settings(), framework=framework, folder=tmp_path / "run") as run:
        run.finish(model)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("samebits: the")]
    assert line.startswith("samebits: the weights hold NaN in ")
    assert line.endswith(" (2 values)")
    assert list(json.loads((tmp_path / "run/manifest.json").read_text())["not_numbers"].values()) == [2]
