"""A run switches TensorFlow's deterministic operations on by itself, and finds the switch that is undone."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Started

from samebits.keras import kernels
from samebits.process import variables
from samebits.proof.controls.table import controls

# Trainings that never call make_deterministic; what is executed within a step stands in the argument.
TRAIN = """
import json, sys
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import config
import samebits
results = []
for number, code in enumerate(json.loads(sys.argv[1])):
    try:
        with samebits.open_run({"seed": 0}, framework="keras", folder=f"run-{number}") as run:
            if number == 0:  # TensorFlow sets itself up with the first tensor
                on = config.is_op_determinism_enabled()
            for x in run.batches([np.ones((2, 3), "f4")] * 3):
                tf.constant(x)
                if run.step == 1:
                    exec(code)
            results.append("nothing was found")
    except samebits.UsageError as error:
        results.append(f"after step {run.step}: {error}")
print("\\n" + json.dumps([on, results]))
"""
UNDONE = {
    "config.disable_op_determinism()": "tf.config.experimental.enable_op_determinism is False since open_run",
    "tf.config.experimental.enable_tensor_float_32_execution(True)": (
        "tf.config.experimental.enable_tensor_float_32_execution is True since open_run, must be False: "
        "remove the call that changed it, or "
        "SAMEBITS_ALLOW=tf.config.experimental.enable_tensor_float_32_execution says that you mean it"
    ),
}


def train(start: Callable[..., Started], folder: Path, *codes: str, **variables: str | None) -> list[object]:
    (folder / "train.py").write_text(TRAIN)
    done = start("python", "train.py", json.dumps(codes), cwd=folder, **variables)
    assert done.returncode == 0, done.stderr
    printed: list[object] = json.loads(
        next(line for line in done.stdout.splitlines() if line.startswith("["))
    )
    return printed


def test_a_switch_that_is_undone_stops_the_next_step_by_name(
    start: Callable[..., Started], tmp_path: Path
) -> None:
    on, results = train(start, tmp_path, *UNDONE, "pass", SAMEBITS_ALLOW=None)
    assert on is True
    assert isinstance(results, list)
    for line, expected in zip(results, UNDONE.values(), strict=False):
        assert line.startswith("after step 2: ")
        assert expected in line
    assert "without `run.finish(model)`" in results[-1]  # no switch


def test_the_control_can_take_the_protection_away(start: Callable[..., Started], tmp_path: Path) -> None:
    """The control `atomics`, which can bite on a GPU only, by what it sets."""
    (atomics,) = (control for control in controls("keras", 1, tmp_path) if control.name == "atomics")
    on, results = train(start, tmp_path, *UNDONE, **dict(atomics.unprotected.environment))
    assert on is False
    assert isinstance(results, list)
    assert not any("since open_run" in line for line in results)


def test_every_switch_has_a_name_that_can_be_allowed() -> None:
    named = {row.name for row in variables.read_switches() if row.name.startswith("tf.")}
    assert named == set(kernels.switches())
