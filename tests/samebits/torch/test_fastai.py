"""fastai's own loop ends in the same bits when interrupted. No adapter is samebits' own: the test has it.

fastai is in no lock: the test installs it into a folder of its own, beside the environment's torch.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.samebits.torch.elsewhere.scenarios import HERE, same

UV = Path(sys.executable).with_name("uv")
PACKAGES = (
    "beartype==0.21.0",
    "cloudpickle==3.1.1",
    "fastai==2.8.4",
    "fastcore==1.8.14",
    "fastdownload==0.0.7",
    "fastprogress==1.0.3",
    "fasttransform==0.0.2",
    "pandas==2.3.1",
    "plum-dispatch==2.5.8",
    "pytz==2025.2",
    "tzdata==2025.2",
)
STOPS = (8, 12)  # of 18 steps in three epochs: within the second one and at its end


@pytest.mark.slow
def test_interrupted_within_an_epoch_and_at_its_end(start, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    command = [UV, "pip", "install", "--quiet", "--no-deps", "--target", packages, *PACKAGES]
    installed = subprocess.run(command, capture_output=True, text=True)
    if installed.returncode != 0:
        pytest.skip(f"fastai cannot be installed here: {installed.stderr.strip().splitlines()[-1:]}")
    usual = {"script": "train_fastai", "arguments": []}
    scenarios = [{**usual, "name": "whole", "variables": {}}]
    for stop in STOPS:
        scenarios += [
            {**usual, "name": f"after-{stop}", "variables": {"SAMEBITS_STOP_AT": str(stop)}},
            {**usual, "name": f"after-{stop}", "variables": {}},
        ]
    done = start("python", HERE / "forked.py", json.dumps(scenarios), cwd=tmp_path, FASTAI=str(packages))
    assert done.returncode == 0, done.stderr
    statuses = [json.loads(line)[:2] for line in done.stdout.splitlines() if line.startswith('["')]
    expected = [["whole", 0], ["after-8", 75], ["after-8", 0], ["after-12", 75], ["after-12", 0]]
    assert statuses == expected, done
    for stop in STOPS:
        assert same(tmp_path, "whole", f"after-{stop}"), stop
        assert same(tmp_path, "whole", f"after-{stop}", "metrics.jsonl"), stop
