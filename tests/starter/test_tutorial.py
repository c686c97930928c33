"""The starter reads like its framework's tutorial: beside it stands the same training without samebits."""

import difflib
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import FRAMEWORKS, ROOT

# Lines of the starter that the tutorial does not have, layout left out. Fewer are better.
DIFFERENT = {"torch": 15, "keras": 10}
WEIGHTS = {"torch": "weights.pt", "keras": "model.weights.h5"}


def lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


def tutorial(framework: str) -> Path:
    return Path(__file__).with_name(f"tutorial_{framework}.py")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_handful_of_lines_differ(framework: str) -> None:
    starter = lines(ROOT / "src" / "starter" / f"train_{framework}.py")
    rows = difflib.ndiff(lines(tutorial(framework)), starter)
    added = [row for row in rows if row.startswith("+ ")]
    assert len(added) <= DIFFERENT[framework], "\n".join(added)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_tutorial_trains(framework: str, tmp_path: Path) -> None:
    """What is compared is a training, and not a text: it stands in the starter's package and runs."""
    package = tmp_path / "starter"
    package.mkdir()
    for path in (ROOT / "src" / "starter").glob("*.py"):
        (package / path.name).write_text(path.read_text())
    (package / "tutorial.py").write_text(tutorial(framework).read_text())
    code = "from starter.tutorial import Settings, train; train(Settings(epochs=2))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / WEIGHTS[framework]).exists()
