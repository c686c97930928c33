"""The training learns, repeats and resumes bit by bit, and uses the data that the code names."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from {{ cookiecutter.package_name }} import data

SAVED = 75  # the exit status of a training that was told to stop: run the same command again to resume
{% if cookiecutter.framework == "both" %}

@pytest.fixture(scope="module", params=["torch", "keras"])
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of the same command; the second one is stopped within an epoch and resumed."""
    module = f"{{ cookiecutter.package_name }}.train_{request.param}"
    folder = tmp_path_factory.mktemp(request.param)
{%- else %}

@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of the same command; the second one is stopped within an epoch and resumed."""
    module = "{{ cookiecutter.package_name }}.train"
    folder = tmp_path_factory.mktemp("runs")
{%- endif %}
    made = [folder / "first", folder / "second"]
    first, second = ([sys.executable, "-m", module, "--epochs", "4", "--run", str(run)] for run in made)
    subprocess.run(first, check=True)
    steps = json.loads((made[0] / "manifest.json").read_text())["steps"]
    stop = {"SAMEBITS_STOP_AT": str(steps * 5 // 8)}  # in the middle of the third epoch
    assert subprocess.run(second, env={**os.environ, **stop}).returncode == SAVED
    subprocess.run(second, check=True)
    return made


def test_it_learns(runs: list[Path]) -> None:
    losses = [json.loads(line)["loss"] for line in (runs[0] / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0]


def test_it_gives_the_same_bits_twice_and_resumes(runs: list[Path]) -> None:
    first, second = ((run / "weights.safetensors").read_bytes() for run in runs)
    assert first == second, "`make smoke` tells whether it does not repeat or does not resume"


def test_its_data_are_those_that_the_code_names(runs: list[Path]) -> None:
    manifest = json.loads((runs[0] / "manifest.json").read_text())
    assert data.SHA256 in manifest["fingerprint"]["data"].values()
