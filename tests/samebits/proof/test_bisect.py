"""`samebits bisect`: what runs again, what does not and why, and how far down the difference is placed."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.conftest import Started, commit
from tests.samebits.diff import made

from samebits.errors import UsageError
from samebits.fingerprint import cpu
from samebits.proof.bisect import Answer, bisect, command
from samebits.proof.enough import Enough
from samebits.proof.smoke import Watch
from samebits.proof.why import compare
from samebits.record.begin import VALUES, WINDOW
from samebits.record.format import INSIDE

Start = Callable[..., Started]
Events = list[dict[str, Any]]
OTHER = [None, None]


def settings(events: Events) -> dict[str, Any]:
    return next(event for event in events if event["event"] == "settings")


def both(
    tmp_path: Path, change: Callable[[Events], object], second: Callable[[Events], object]
) -> list[Path]:
    """Two records that were never a training.

    Args:
        tmp_path: where they go.
        change: what is done to both.
        second: what is done to the second.
    """
    first = made.training(4)
    change(first)
    other = made.another(first)
    second(other)
    return [made.write(tmp_path / "a", first), made.write(tmp_path / "b", other)]


def other_gradient(events: Events) -> None:
    """The third step has another gradient, from the same batch and loss."""
    step = made.step(events, 3)
    step["gradients"]["after backward"] = made.put(step["gradients"]["after backward"], "0.bias")


def with_more_threads(events: Events) -> None:
    """So that chance is not the likeliest cause."""
    other_gradient(events)
    settings(events)["fingerprint"]["effective"]["torch"]["threads"] = 4


def ask(paths: list[Path], own: list[str | None] = OTHER, anyway: bool = False) -> Answer:
    """Bisect where nothing can run again."""
    folder = paths[0].parent / "again"
    folder.mkdir()
    answer = bisect(paths, own, anyway, folder, Watch(False))
    assert not list(folder.iterdir())
    return answer


@pytest.mark.parametrize(
    ("change", "ended"),
    [
        (
            lambda events: events[7].update(parameters=made.put(events[7]["parameters"], "0.bias")),
            "before the first",
        ),
        (
            lambda events: made.step(events, 3)["calls"][0].update(arguments=made.digest("x")),
            "an input of the step",
        ),
        (lambda events: made.step(events, 3).update(lrs=[0.2]), "an input of the step"),
        (lambda events: events.remove(made.step(events, 2)), "an input of the step"),
    ],
    ids=["initial weights", "batch", "learning rate", "control flow"],
)
def test_what_no_operation_decides_runs_nothing_again(
    tmp_path: Path, change: Callable[[Events], object], ended: str
) -> None:
    answer = ask(both(tmp_path, lambda _: None, change))
    assert answer.status == 1
    assert ended in answer.ended
    assert answer.as_json()["verdict"]["first_difference"] is not None


def test_records_that_are_the_same_run_nothing_again(tmp_path: Path) -> None:
    answer = ask(both(tmp_path, lambda _: None, lambda _: None))
    assert (answer.status, answer.ended) == (0, "")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda events: None, "a was made by other code than is in .*train.py"),
        (lambda events: events[0].update(command=["python", "x.py", "***"]), "bisect a b -- COMMAND`$"),
        (
            lambda events: settings(events)["fingerprint"].update(cpu={"model": "Z80"}),
            r"another machine \(Z80",
        ),
        (lambda events: settings(events).update(device="cuda"), "no NVIDIA driver answers here"),
        (lambda events: settings(events).update(framework="keras"), "below the step in graph mode"),
    ],
    ids=["code", "secret", "CPU", "GPU", "Keras"],
)
def test_what_cannot_run_again_is_one_line_beside_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Events], object], says: str
) -> None:
    monkeypatch.setattr("samebits.container_engine.driver", lambda: None)

    def known(events: Events) -> None:
        if says.startswith("a was"):
            return
        settings(events)["code"] = {}
        change(events)

    paths = both(tmp_path, known, other_gradient)
    monkeypatch.chdir(tmp_path)
    answer = ask(paths)
    assert answer.status == 2
    assert answer.result.place is not None
    assert answer.result.place.what == "gradient"
    assert re.search(says, answer.impossible), answer.impossible


def test_a_verdict_that_operations_decide_names_the_command_that_goes_down_to_them(tmp_path: Path) -> None:
    said = list(compare(*both(tmp_path, lambda _: None, with_more_threads)).lines())
    assert re.fullmatch(
        "`.*samebits bisect .*/a .*/b -- python train.py` runs both again, and names the operation", said[-1]
    )


@pytest.mark.parametrize(
    ("change", "other"),
    [
        (lambda _: None, lambda events: made.step(events, 3).update(lrs=[0.2])),
        (lambda events: settings(events).update(framework="keras"), with_more_threads),
        (
            lambda events: events[0].update(parent=events[0]["pid"]),
            with_more_threads,
        ),  # no command of its own
        (lambda _: None, other_gradient),  # `samebits twice` is better
    ],
    ids=["an input", "Keras", "no command", "chance"],
)
def test_a_verdict_that_they_do_not_decide_names_no_such_command(
    tmp_path: Path, change: Callable[[Events], object], other: Callable[[Events], object]
) -> None:
    assert "bisect" not in "".join(compare(*both(tmp_path, change, other)).lines())


def test_a_record_of_two_commands_needs_one_that_runs_all(tmp_path: Path) -> None:
    paths = both(tmp_path, lambda _: None, other_gradient)
    resumed = made.another(made.another(made.training(4)))
    resumed[0]["parent"] = 1
    made.write(tmp_path / "later", resumed).joinpath("13.jsonl").rename(paths[0] / "13.jsonl")
    assert "a holds 2 commands, as of a run that was resumed" in ask(paths).impossible


def test_the_instructions_of_this_cpu_are_no_other_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def here(events: Events) -> None:
        settings(events)["code"] = {}
        settings(events)["fingerprint"]["cpu"] = cpu.processor()

    assert "which was not run: there is no file" in ask(both(tmp_path, here, other_gradient)).impossible


@dataclass
class Again:
    """In place of second runs: records of them that were made before.

    Attributes:
        change: what is done to the second run of a side, by "A" or "B".
        asked: side, level, variables and the end of each second run.
    """

    change: dict[str, Callable[[Events], object]]
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def __call__(
        self, side: Any, level: str, folder: Path, variables: Any, watch: Watch, enough: tuple[int, int]
    ) -> Any:
        self.asked.append((side.name, level, dict(variables), enough))
        (file,) = side.path.glob("*.jsonl")
        events = [json.loads(line) for line in file.read_text().splitlines()]
        self.change.get(side.name, lambda _: None)(events)
        record = made.write(folder / f"{side.name}.{level}.record", events)
        return SimpleNamespace(child=SimpleNamespace(name=side.name, record=record), seconds=1.0)


def ask_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **change: Any) -> tuple[Answer, Again]:
    """Bisect two records of which each can run again."""

    def known(events: Events) -> None:
        settings(events)["code"] = {}

    again = Again(change)
    monkeypatch.setattr("samebits.proof.bisect.again", again)
    paths = both(tmp_path, known, with_more_threads)
    folder = tmp_path / "again"
    folder.mkdir()
    return bisect(paths, ["python train.py"] * 2, False, folder, Watch(False)), again


def test_each_side_runs_again_at_each_level_up_to_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def later(events: Events) -> None:
        made.step(events, 4)["lrs"] = [7.0]

    answer, again = ask_again(tmp_path, monkeypatch, B=later)  # after the step that matters
    assert [each[:2] for each in again.asked] == [(side, level) for level in INSIDE for side in "AB"]
    assert {each[3] for each in again.asked} == {(0, 3)}
    assert [each[2][WINDOW] for each in again.asked] == ["3:3"] * 4
    assert [each[2][VALUES] for each in again.asked] == ["", "", "3:3", "3:3"]
    assert (answer.status, answer.level, answer.repeats) == (1, "operation", ("A", "B"))


@pytest.mark.parametrize("step", [1, 3])
def test_a_second_run_is_compared_with_its_record_up_to_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    def chance(events: Events) -> None:
        made.step(events, step)["calls"][0]["arguments"] = made.digest("another")
        source = {"kind": "generator", "source": "default_rng()", "where": "train.py:1", "fix": "a seed"}
        events.insert(-1, {"event": "chance", "sources": [source]})

    answer, again = ask_again(tmp_path, monkeypatch, B=chance)
    assert [each[:2] for each in again.asked] == [("A", "layer"), ("B", "layer")]
    assert (answer.status, answer.apart, answer.repeats, answer.twice) == (1, "B", (), None)
    assert next(answer.lines()) == "B does not repeat itself: its second run differs from its record"


def test_a_second_run_with_another_file_is_no_repetition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_data(events: Events) -> None:
        next(event for event in events if event["event"] == "file")["digest"] = made.digest("others")
        made.step(events, 1)["calls"][0]["arguments"] = made.digest("another")

    answer, _ = ask_again(tmp_path, monkeypatch, A=other_data)
    assert answer.status == 2
    assert answer.impossible == (
        "A cannot be repeated here as it was: a file that was read has other contents "
        "(data.npy has other contents in A and in B: A is its record, B its second run)"
    )
    assert "between" not in "".join(answer.lines())


def test_the_folder_of_second_runs_must_be_empty_and_is_gone_where_nothing_ran(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = both(tmp_path, lambda _: None, lambda events: made.step(events, 3).update(lrs=[0.2]))
    words = ["--json", "-o", str(tmp_path / "again"), *map(str, paths)]
    assert command.main(words, standalone_mode=False) == 1
    assert not (tmp_path / "again").exists()
    told = json.loads(capsys.readouterr().out)
    assert (told["level"], told["kept"], told["verdict"]["first_difference"]["what"]) == (
        "step",
        None,
        "learning rate",
    )
    (tmp_path / "again").mkdir()
    (tmp_path / "again/mine").touch()
    with pytest.raises(UsageError, match="again is not empty: give -o another folder"):
        command.main(words, standalone_mode=False)
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["mine"]


def test_a_record_holds_enough_when_all_its_processes_are_past_the_step(tmp_path: Path) -> None:
    events = made.training(4)
    first, second = (made.write(tmp_path / name, events) for name in ("one", "two"))
    rest = (first / "11.jsonl").read_bytes()
    (first / "12.jsonl").write_bytes(rest[: rest.index(b'"step":3') + 10])  # killed within its third line
    assert Enough(second, 0, 3)()
    assert not Enough(second, 0, 4)()
    assert not Enough(second, 1, 1)()
    enough = Enough(first, 0, 2)
    assert not enough()
    with open(first / "12.jsonl", "wb") as file:
        file.write(rest)
    assert enough()


def test_a_record_that_was_stopped_ends_with_its_last_whole_line_and_the_reason(tmp_path: Path) -> None:
    folder = made.write(tmp_path / "one", made.training(4))
    file = folder / "11.jsonl"
    whole = file.read_bytes()
    at = whole.index(b'"step":3') + 10
    file.write_bytes(whole[:at])
    Enough(folder, 0, 2).end()
    lines = file.read_bytes().splitlines()
    assert json.loads(lines[-2])["step"] == 2
    assert json.loads(lines[-1]) == {"event": "stopped", "why": "it was stopped: no later step was needed"}
    file.write_bytes(whole)
    Enough(folder, 0, 2).end()
    assert file.read_bytes() == whole


TRAINING = """
import sys
import time

import numpy as np
import torch

EPSILON, NOISE = float(sys.argv[1]), "noise" in sys.argv


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 1)

    def forward(self, x):
        x = self.norm(self.first(x))
        if NOISE:
            x = x + torch.from_numpy(np.random.default_rng().normal(size=8)).float()
        return self.last(x)


torch.manual_seed(0)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for number in range(9):
    net.norm.eps = EPSILON if number == 2 else 1e-5
    optimizer.zero_grad()
    net(torch.ones(4, 4).cumsum(1)).square().mean().backward()
    optimizer.step()
    time.sleep(0.2 * (number > 2))
print("trained to the end")
"""

RUN = """
from dataclasses import dataclass

import samebits.torch
import torch


@dataclass(frozen=True)
class Settings(samebits.RunSettings):
    epsilon: float = samebits.option(1e-5, "of the second epoch")


def train(settings):
    with samebits.torch.open_run(settings) as run:
        data = torch.utils.data.TensorDataset(torch.arange(64.0).reshape(32, 2))
        model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run.checkpoint(model=model, optimizer=optimizer)
        loader = run.loader(data, batch_size=4, shuffle=True)
        for epoch in run.epochs(3):
            model[1].eps = settings.epsilon if epoch > 1 else 1e-5
            for (points,) in run.batches(loader):
                optimizer.zero_grad()
                model(points).square().mean().backward()
                optimizer.step()
        run.finish(model)


samebits.main(train, Settings)
"""


@pytest.fixture(scope="module")
def trained(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of a training as it is, with another epsilon in one step, and with a draw that has no seed."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("project")
    (folder / "train.py").write_text(TRAINING)
    (folder / ".gitignore").write_text("runs\n")
    commit(folder)
    for name, words in (("plain", ["1e-5"]), ("epsilon", ["1e-3"])):
        done = start(
            "samebits", "record", "-o", f"runs/{name}", "--", "python", "train.py", *words, cwd=folder
        )
        assert done.returncode == 0, done.stderr
    return folder


def test_both_run_again_up_to_the_step_and_the_operation_is_named(start: Start, trained: Path) -> None:
    done = start(
        "samebits", "bisect", "--json", "-o", "runs/again", "runs/plain", "runs/epsilon", cwd=trained
    )
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert (told["level"], told["repeat"], told["does_not_repeat"]) == ("operation", ["A", "B"], None)
    place = told["verdict"]["first_difference"]
    assert (place["what"], place["step"]) == ("forward", 3)
    assert (place["part"]["module"], place["part"]["line"]) == ("norm", "train.py:17")
    assert place["values"]["of"] == 32
    assert place["part"]["operation"] == "aten::native_layer_norm"
    assert "1e-05 in A, 0.001 in B" in told["verdict"]["causes"][0]["text"]
    assert "trained to the end" not in (trained / "runs/again/A.layer.log").read_text()
    assert [path.name for path in sorted((trained / "runs/again").glob("*.record"))] == [
        f"{name}.{level}.record" for name in "AB" for level in ("layer", "operation")
    ]


@pytest.mark.slow
def test_a_side_that_does_not_repeat_itself_is_named(start: Start, trained: Path) -> None:
    made = ("samebits", "record", "-o", "runs/noise", "--", "python", "train.py", "1e-5", "noise")
    assert start(*made, cwd=trained).returncode == 0
    done = start("samebits", "bisect", "runs/plain", "runs/noise", cwd=trained)
    assert done.returncode == 1, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "B does not repeat itself: its second run differs from its record"
    assert (
        said[2]
        == "first difference: step 1, the model's output: batch, weights and the generators in use equal"
    )
    assert "1. numpy.random.default_rng() without a seed (train.py:19)" in said
    assert len(list((trained / "runs").glob("bisect-*/*.record"))) == 2


ADDS = """
import torch

torch.manual_seed(0)
net = torch.nn.Linear(16, 16)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
films, seen = torch.randint(8, (100_000,)), torch.randn(100_000, 16)
for _ in range(3):
    optimizer.zero_grad()
    rows = net(seen)
    total = torch.zeros(8, 16).index_put((films,), rows, accumulate=True)
    total.square().mean().backward()
    optimizer.step()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.cpu_count() == 1, reason="two threads are needed")
def test_of_a_side_that_does_not_repeat_itself_each_operation_is_executed_twice(
    start: Start, tmp_path: Path
) -> None:
    """With two threads `index_put` adds in an order that nobody decides."""
    pytest.importorskip("torch")
    (tmp_path / "train.py").write_text(ADDS)
    for threads in "12":
        words = ("samebits", "record", "-o", f"runs/{threads}", "--", "python", "train.py")
        assert start(*words, cwd=tmp_path, SAMEBITS_THREADS=threads).returncode == 0
    words = ("samebits", "bisect", "--json", "runs/1", "runs/2", "--", "python", "train.py")
    done = start(*words, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert told["does_not_repeat"] == "B"
    assert told["verdict"]["first_difference"]["step"] == 1
    (named,) = told["twice"]["differing"]
    assert (named["operation"], named["line"]) == ("aten::index_put", "train.py:11")
    assert "index_add_" in named["instead"]


@pytest.mark.slow
def test_a_second_run_that_fails_says_how(start: Start, trained: Path) -> None:
    words = ("samebits", "bisect", "runs/plain", "runs/epsilon", "--command-a", "python train.py x")
    done = start(*words, cwd=trained)
    assert done.returncode == 2
    assert done.stdout.startswith("first difference: step 3, the model's output")
    assert done.stderr.splitlines()[-1] == (
        "samebits: A again (layer) ended with status 1: ValueError: could not convert string to float: 'x'; "
        "it was `python train.py x`"
    )


@pytest.mark.slow
def test_two_finished_runs_are_recorded_first(start: Start, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(RUN)
    commit(tmp_path)
    for epsilon in ("1e-5", "1e-3"):
        done = start("python", "train.py", "--run", f"runs/{epsilon}", "--epsilon", epsilon, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    done = start("samebits", "bisect", "--json", "runs/1e-5", "runs/1e-3", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    place = told["verdict"]["first_difference"]
    assert (place["what"], place["step"], told["level"]) == ("forward", 9, "operation")
