"""A settings class becomes a command line."""

import os
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

import samebits
from samebits import UsageError
from samebits.run.options import Options, checked_device, options, wanted_device
from samebits.run.settings import as_json, deciding, telling


@dataclass(frozen=True)
class Settings:
    seed: int = samebits.option(0, "the seed", minimum=0)
    rate: float = samebits.option(0.5, "the rate", maximum=1)
    kind: Literal["a", "b"] = samebits.option("a", "the kind")
    fast: bool = samebits.option(False, "be fast", affects_weights=False)
    run: Path | None = samebits.option(None, "the folder", affects_weights=False)


def parse(*arguments):
    seen = []
    with pytest.raises(SystemExit) as end:
        samebits.main(seen.append, Settings, list(arguments))
    return end.value.code, (seen or [None])[0]


def test_no_options_gives_the_defaults():
    assert parse() == (0, Settings())


def test_every_field_is_an_option_of_its_type():
    options = ["--seed", "7", "--rate", "0.25", "--kind", "b", "--fast", "--run", "runs/x"]
    assert parse(*options) == (0, Settings(seed=7, rate=0.25, kind="b", fast=True, run=Path("runs/x")))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sede", "1"], "No such option '--sede'. Did you mean '--seed'? See `"),
        (["--seed", "x"], "'x' is not a valid integer"),
        (["--seed", "-1"], "-1 is not in the range x>=0"),
        (["--rate", "nan"], "'nan' is not a finite number"),
        (["--rate", "-inf"], "'-inf' is not a finite number"),
        (["--rate", "2"], "2.0 is not in the range x<=1"),
        (["--kind", "c"], "'c' is not one of 'a', 'b'"),
        (["stray"], "Got unexpected extra argument"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2(capsys, arguments, message):
    assert parse(*arguments) == (2, None)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("samebits: ")
    assert message in error
    assert "--help" in error


def test_a_users_error_is_one_line_with_its_status(capsys):
    def train(settings):
        raise samebits.CheckFailed("two\nlines")

    with pytest.raises(SystemExit) as end:
        samebits.main(train, Settings, [])
    assert end.value.code == 1
    assert capsys.readouterr().err == "samebits: two lines\n"


def test_help_says_what_each_option_means(capsys):
    assert parse("--help")[0] == 0
    assert "the seed" in capsys.readouterr().out


def test_which_settings_changed_and_which_decide_bits():
    settings = Settings(seed=3, fast=True, run=Path("here"))
    assert as_json(settings) == {"seed": 3, "rate": 0.5, "kind": "a", "fast": True, "run": "here"}
    assert telling(settings) == {"seed": 3, "fast": True}
    assert deciding(settings) == {"seed": 3, "rate": 0.5, "kind": "a"}


@dataclass(frozen=True)
class Inherited(samebits.RunSettings):
    rate: float = samebits.option(0.5, "the rate")


def test_samebits_own_settings_come_from_a_base_class_and_not_by_their_names():
    given = {"checkpoint_every": 3, "resume": "never", "run": Path("here"), "device": "cpu"}
    told = options(Inherited(**given))
    assert (told.checkpoint_every, told.resume, told.folder) == (3, "never", Path("here"))
    assert wanted_device(Inherited(**given)) == "cpu"
    for settings in (Namespace(seed=0, **given), Settings(run=Path("here"))):  # those mean something else
        assert options(settings) == Options()
        assert wanted_device(settings) == "auto"
    assert options(Inherited(**given), resume="force", folder=None, checkpoint_every=0) == Options(
        folder=Path("here"), resume="force"
    )


def test_the_own_options_come_first_in_the_help(capsys):
    with pytest.raises(SystemExit):
        samebits.main(print, Inherited, ["--help"])
    said = capsys.readouterr().out
    assert said.index("--rate") < said.index("--seed") < said.index("--run ")


def test_how_a_run_resumes_tells_no_runs_apart():
    settings = Inherited(rate=0.1, resume="force", run=Path("here"), device="cpu")
    assert telling(settings) == {"device": "cpu", "rate": 0.1}


@pytest.mark.parametrize(
    ("every", "epochs"), [(0, [7]), (1, [1, 2, 3, 4, 5, 6, 7]), (3, [3, 6, 7]), (9, [7])]
)
def test_the_last_epoch_is_always_evaluated(every, epochs):
    assert Inherited(evaluate_every=every).evaluated_epochs(7) == epochs


class Place(os.PathLike):
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


@pytest.mark.parametrize("folder", [3, True, b"runs/x", ["runs"], Place(b"runs/x")])
def test_a_folder_that_is_no_path_is_one_line(folder):
    with pytest.raises(UsageError, match=r"^folder is .*: give a path as text, or None$"):
        options({"seed": 0}, folder=folder)


def test_any_path_is_a_folder():
    for folder in ("runs/x", Path("runs/x"), Place("runs/x"), None):
        assert options({"seed": 0}, folder=folder).folder is folder


@pytest.mark.parametrize("device", ["gpu", "cuda:1", 3, "", ["cpu"]])
def test_a_device_of_no_such_kind_is_one_line(device):
    with pytest.raises(
        UsageError, match=r"^device is .*: give auto, cpu, cuda; CUDA_VISIBLE_DEVICES chooses"
    ):
        checked_device(device)
    assert [checked_device(name) for name in ("auto", "cpu", "cuda")] == ["auto", "cpu", "cuda"]
