"""Several processes that train together: each of them is refused in one line, and no run is left behind."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Started

SCRIPT = Path(__file__).with_name("several.py")
LAUNCHED = (
    "refused: WORLD_SIZE is 2: 2 processes train together, and a run is of one process: start one only. If "
    "each of them trains a run of its own, unset WORLD_SIZE"
)
SHARED = (
    "refused: run.checkpoint: model is in memory that several processes share: which of them is faster "
    "decides its weights. Train it in one process only"
)
CONNECTED = (
    "refused: 2 processes are connected and train together, and a run is of one process: start one only"
)


def lines(done: Started) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith(("refused", "finished"))]


def test_torchrun(start: Callable[..., Started], tmp_path: Path) -> None:
    done = start("torchrun", "--standalone", "--nproc-per-node=2", SCRIPT, "launched", cwd=tmp_path)
    assert lines(done) == [LAUNCHED, LAUNCHED]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_processes_that_a_script_starts_itself(start: Callable[..., Started], tmp_path: Path) -> None:
    """They connect before they open a run, or in an open one; or only the first one opens a run.

    Or they are not connected, and step one model.
    """
    ways = ("connected-first", "connected-later", "only-the-first", "shared-model")
    done = start("python", SCRIPT, "spawned", *ways, cwd=tmp_path)
    assert lines(done) == [CONNECTED] * 5 + [SHARED] * 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_one_process_under_torchrun_trains(start: Callable[..., Started], tmp_path: Path) -> None:
    done = start("torchrun", "--standalone", "--nproc-per-node=1", SCRIPT, "launched", cwd=tmp_path)
    assert lines(done) == ["finished"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
