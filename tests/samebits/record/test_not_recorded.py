"""What no record holds is named where nothing else is recorded."""

import re

import pytest

from samebits.record.not_recorded import not_recorded

KERAS = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(np.ones((8, 6)), np.ones((8, 1)), batch_size=4, verbose=0)
"""


def test_each_thing_is_named_once(tmp_path):
    lines = [f'{{"event":"unseen","what":"{what}"}}\n' for what in "abacd"]
    (tmp_path / "1.jsonl").write_text("".join(lines[:2]))
    (tmp_path / "2.jsonl").write_text("".join(lines[2:]) + '{"event":"unseen","wh')  # was killed
    assert not_recorded(tmp_path) == "a; b; and 2 more"


@pytest.mark.parametrize(("package", "said"), [("tf_keras", "Keras 2 (tf_keras)"), ("optax", "JAX")])
def test_what_trains_with_something_else_is_named(start, tmp_path, package, said):
    (tmp_path / f"{package}.py").write_text("")
    (tmp_path / "train.py").write_text(f"import {package}")
    done = start("samebits", "record", "-o", "made", "--", "python", "train.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(
        rf"no step of an optimiser, [^;]+; not recorded: {re.escape(said)}: steps of ", done.stdout
    )


@pytest.mark.slow
def test_keras_on_torch_is_named_in_one_line(start, tmp_path):
    for package in ("keras", "torch"):
        pytest.importorskip(package)
    (tmp_path / "train.py").write_text(KERAS)
    done = start("samebits", "smoke", "--", "python", "train.py", cwd=tmp_path)
    assert done.returncode == 2
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("samebits: ")]
    assert "took no step that samebits records (not recorded: Keras on torch: steps of its " in said
    assert said.endswith("name what it writes: --files 'out/*'")
