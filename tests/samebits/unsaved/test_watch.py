"""What changes and is in no checkpoint is named: in the manifest, before a resume, and under --strict."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import Started

import samebits.torch
from samebits.errors import CheckFailed, UsageError
from samebits.torch.run import Run
from samebits.unsaved.watch import FOR_STEPS, SECONDS

KINDS = Path(__file__).with_name("kinds.py")
NAMED = {
    "average_with_a_count": [],
    "schedule_of_ones_own": ["warmup.calls: int"],
    "forgetful_state": [],
    "local_count": ["step: int"],
    "module_global": ["STEP: int"],
    "list_in_the_module": ["seen_in_module: list"],
    "closure": ["calls: int"],
    "default_argument": ["history: list"],
    "cache_as_state": ["noise: lru_cache"],
    "bound_method_in_a_hook": ["Gain.calls: int"],
    "generator_object": ["factor: iterator"],
    "cycled_list": ["factor: iterator"],
    "numpys_generator": ["rng: generator"],
    "torchs_generator": ["generator: generator"],
    "dataset_attribute": [],
    "hidden_state": ["hidden: tensor"],
    "best_weights": ["best: float", "kept: OrderedDict"],
    "dropout_schedule": [],
    "autocast_between_steps": ["torch.autocast: cache"],
    "enumerated": ["number of enumerate: int"],
    "model_not_held": ["teacher: Sequential"],
    "optimizer_not_held": ["second: Adam"],
    "attribute_of_a_loss": ["criterion.gamma: float"],
    "object_with_slots": ["meter.total: float"],
    "class_attribute": ["Clock.ticks: int"],
    "dictionary": ["state['step']: int"],
    "first_time": [],
    "patience": ["best: float", "bad: int"],
    "plateau_not_held": ["plateau: ReduceLROnPlateau"],
    "scaler_not_held": ["scaler: GradScaler"],
    "attribute_of_the_class": ["Noisy.calls: int"],
    "generator_of_a_library": ["augmentations.rng: generator"],
    "function_attribute": ["factor.calls: int"],
    "queue_of_tensors": ["queue: deque"],
    "private_names": ["rate._Rate__calls: int", "rate._sums: array"],
    "attribute_of_a_parameter": ["model[0].weight.steps: int"],
    "schedule_with_a_closure": ["calls: int"],
    "control": [],
    "tutorial": [],
    "functions_and_a_meter": [],
    "epoch_that_decides": ["running_loss: float", "seen: int"],
    "averaged_and_scheduled": [],
    "kept_in_the_run": [],
}
METER = {"meter.value", "meter.sum", "meter.count", "meter.avg"}
SHOWN = {
    "tutorial": {"i of enumerate", "running_loss", "total", "correct", "history", "t0"},
    "functions_and_a_meter": {*METER, "running_loss", "seen"},
    "epoch_that_decides": METER,
}


@pytest.fixture(scope="module")
def rows(start: Callable[..., Started], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each training's manifest has; one process for all of them."""
    done = start("python", KINDS, tmp_path_factory.mktemp("kinds"), *NAMED)
    assert done.returncode == 0, done.stderr
    lines = [line[6:] for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    return {name: rows for line in lines for name, rows in json.loads(line).items()}


@pytest.mark.parametrize("kind", NAMED)
def test_what_changes_is_named(rows: dict[str, Any], kind: str) -> None:
    named = [f"{row['name']}: {row['kind']}" for row in rows[kind] if not row["shown"]]
    assert named == NAMED[kind]
    assert {row["name"] for row in rows[kind] if row["shown"]} == SHOWN.get(kind, set())


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("schedule_of_ones_own", "        self.calls += 1"),
        ("local_count", "            step += 1"),
        ("module_global", "            STEP += 1"),
        ("closure", "            calls += 1"),
        ("private_names", "            self.__calls += 1"),
        ("list_in_the_module", "            seen_in_module.append(float(x.mean()))"),
        ("default_argument", "        history.append(loss)"),
        ("dictionary", '            state["step"] += 1'),
        ("enumerated", "        for number, (x, y) in enumerate(run.batches(training.loader)):"),
        ("numpys_generator", "    rng = np.random.default_rng(3)"),
        ("hidden_state", "            hidden = 0.9 * hidden + x.mean(0)"),
    ],
)
def test_the_place_is_where_the_name_is_set(rows: dict[str, Any], kind: str, line: str) -> None:
    path, number = rows[kind][0]["where"].rsplit(":", 1)
    assert path == "tests/samebits/unsaved/kinds.py"
    assert KINDS.read_text().splitlines()[int(number) - 1] == line


# ---------------------------------------------------------------- who is told, and when


BATCHES = [torch.full((3, 2), number * 0.1) for number in range(1, 6)]


@pytest.fixture(autouse=True)
def _unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samebits.process.check.this_process", lambda strict: None)
    monkeypatch.setattr("samebits.run.plots.draw", lambda metrics: b"")


@pytest.fixture(autouse=True)
def time_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has imported much looks for long: how many steps are looked at must not depend on it."""
    monkeypatch.setattr("samebits.unsaved.watch.FOR_STEPS", 600.0)
    monkeypatch.setattr("samebits.unsaved.watch.SECONDS", 900.0)


def numbered(run: Run) -> Any:
    for number, batch in enumerate(run.batches(BATCHES)):
        yield batch * number


class Counter:
    def __init__(self) -> None:
        self.calls = 0


def train(
    folder: Path,
    ignored: tuple[str, ...] = (),
    also: dict[str, Any] | None = None,
    shown: bool = False,
    counted: bool = False,
    **options: Any,
) -> Run:
    """A training whose step counts in an attribute that nothing holds."""
    with samebits.torch.open_run({"seed": 0}, device="cpu", folder=folder, **options) as run:
        torch.manual_seed(0)
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        counter, total = Counter(), 0.0
        run.checkpoint(*ignored, affects_weights=False, **(also or {}))
        run.checkpoint(model=model, optimizer=optimizer)
        for _ in run.epochs(2):
            for batch in run.batches(BATCHES) if not counted else numbered(run):
                optimizer.zero_grad()
                loss = model(batch).square().mean()
                loss.backward()
                optimizer.step()
                total += loss.item()
                if not shown:
                    counter.calls += 1
                    optimizer.param_groups[0]["lr"] *= 0.9**counter.calls
        print(total)
        run.finish(model)
    return run


def stopped(folder: Path, step: int, **options: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMEBITS_STOP_AT", str(step))
        with pytest.raises(SystemExit):
            train(folder, **options)


def unsaved(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((folder / "manifest.json").read_text())["unsaved"]
    return rows


LINE = "unsaved and changing: counter.calls (int, tests/samebits/unsaved/test_watch.py:"


def test_a_resume_names_what_its_checkpoint_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stopped(tmp_path / "run", 4)
    assert "counter.calls" not in capsys.readouterr().err.partition("SAMEBITS_STOP_AT")[0]
    train(tmp_path / "run")
    said = capsys.readouterr().err
    assert said.startswith(f"samebits: {LINE}")
    assert "total" not in said
    assert [row["name"] for row in unsaved(tmp_path / "run")] == ["counter.calls", "total"]


def test_a_resume_names_nothing_that_is_ignored_by_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped(tmp_path / "run", 4)
    capsys.readouterr()
    train(tmp_path / "run", ignored=("counter",))
    assert capsys.readouterr().err == ""


def test_a_resume_at_an_epochs_end_names_what_crosses_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A count that begins anew in each epoch is lost within an epoch only."""
    for step, named in ((4, True), (5, False)):
        folder = tmp_path / str(step)
        stopped(folder, step, counted=True)
        capsys.readouterr()
        train(folder, counted=True)
        said = capsys.readouterr().err
        assert ("unsaved and changing: number of enumerate (int, " in said) == named
        assert "unsaved and changing: counter.calls (int, " in said


def test_a_run_says_it_once_and_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path / "run")
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "samebits: these change and are in no checkpoint: counter.calls; docs/resume.md says what to do"
    )


def test_what_is_only_shown_is_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stopped(tmp_path / "run", 4, shown=True)
    train(tmp_path / "run", shown=True, strict=True)
    assert "total" not in capsys.readouterr().err
    assert [row["name"] for row in unsaved(tmp_path / "run")] == ["total"]


def test_strict_refuses_at_the_first_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckFailed) as refused:
        train(tmp_path / "run", strict=True)
    assert str(refused.value).startswith(LINE)
    assert "\n" not in str(refused.value)
    monkeypatch.setenv("SAMEBITS_STRICT", "1")
    with pytest.raises(CheckFailed):
        train(tmp_path / "other")


@pytest.mark.parametrize("name", ["counter.calls", "counter"])
def test_what_is_ignored_is_named_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    train(tmp_path / "run", ignored=(name,), strict=True)
    assert capsys.readouterr().err == ""
    assert [row["name"] for row in unsaved(tmp_path / "run")] == ["total"]


def test_what_an_argument_names_is_named_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path / "run", ignored=("total",), also={"counter": Counter()}, strict=True)
    assert capsys.readouterr().err == ""
    assert unsaved(tmp_path / "run") == []


def test_a_name_without_affects_weights_is_refused(tmp_path: Path) -> None:
    with samebits.torch.open_run({"seed": 0}, device="cpu", folder=tmp_path / "run") as run:
        with pytest.raises(UsageError, match=r"run\.checkpoint\('counter'\): name each object, such as"):
            run.checkpoint("counter")
        with pytest.raises(UsageError, match="a Counter has no name here"):
            run.checkpoint(Counter(), affects_weights=False)  # type: ignore[arg-type]
        run.finish(torch.nn.Linear(1, 1))


def test_looking_changes_no_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tmp_path / "looked")
    monkeypatch.setattr("samebits.unsaved.watch.Watch._look", lambda self, epoch, limit: None)
    train(tmp_path / "not")
    files = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("looked", "not")]
    assert files[0] == files[1]


def test_looking_ends_when_its_time_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks: list[float] = []

    def look(self: Any, epoch: int, limit: float) -> None:
        looks.append(limit)
        self._spent += 0.6

    monkeypatch.setattr("samebits.unsaved.watch.FOR_STEPS", FOR_STEPS)
    monkeypatch.setattr("samebits.unsaved.watch.SECONDS", SECONDS)
    monkeypatch.setattr("samebits.unsaved.watch.Watch._look", look)
    train(tmp_path / "run")
    assert looks == [1.4, 1.4, 1.4, 2.0]  # before the first step, after two, and at the first epoch's end


def test_an_object_that_cannot_be_looked_at_ends_the_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: Any) -> None:
        raise ZeroDivisionError("of an object")

    monkeypatch.setattr("samebits.unsaved.reachable.Walk.run", broken)
    train(tmp_path / "run")
    line = "could not look for unsaved state: ZeroDivisionError: of an object"
    assert capsys.readouterr().err == f"samebits: {line}\n"
    with pytest.raises(CheckFailed, match=line):
        train(tmp_path / "strict", strict=True)
