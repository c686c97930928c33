"""The networks of hazards: same bits twice, other bits for another seed, and refusals by name."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import FRAMEWORKS, Started

Start = Callable[..., Started]

# What has no deterministic kernel even on a CPU, and the beginning of what is said about it.
REFUSED = {
    "torch": ("put", "put_ has no deterministic kernel; use index_put_"),
    "keras": ("fractional_max_pool", "tf.nn.fractional_max_pool draws without a seed; pass it a seed"),
}


@pytest.mark.slow  # the test of docs/commands.md trains the first of them twice
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_same_bits_twice_and_others_for_another_seed(
    start: Start, tmp_path: Path, framework: str
) -> None:
    variables = {"NET": "hazards", "FRAMEWORK": framework, "DEVICE": "cpu", "RUNS": None, "JOBS": "2"}
    smoke = start("smoke", "--steps", 3, cwd=tmp_path, **variables)
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr
    sha256 = smoke.stdout.split()[-1]

    other = start("train", "--steps", 3, "--seed", 1, "--run", "other", cwd=tmp_path, **variables)
    assert other.returncode == 0, other.stdout + other.stderr
    manifest = json.loads((tmp_path / "other" / "manifest.json").read_text())
    assert manifest["weights_sha256"] != sha256

    name, why = REFUSED[framework]
    (line,) = (line for line in other.stdout.splitlines() if " refused: " in line)
    assert line.split(" refused: ")[0].strip() == name
    assert line.split(" refused: ")[1].startswith(why)
    assert manifest["metrics"]["refused"] == [name]
    assert other.stdout.count("the same bits in 3 tries") == manifest["metrics"]["operations"] >= 25
