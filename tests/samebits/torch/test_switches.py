"""A run switches deterministic kernels on by itself, and finds the switch that is undone."""

import json

import pytest
from tests.conftest import one_line

from samebits.process import variables
from samebits.torch import kernels

# A training that never calls make_deterministic; its argument is executed within a step.
TRAIN = """
import argparse, sys
import torch
import samebits

with samebits.open_run(argparse.Namespace(seed=0), framework="torch", folder="run") as run:
    with run.stream("initialisation"):
        model = torch.nn.Linear(3, 1)
    for (x,) in run.batches([(torch.ones(2, 3),)] * 3):
        if run.step == 1:
            exec(sys.argv[1])
    run.finish(model)
"""
UNDONE = {
    "torch.use_deterministic_algorithms(False)": (
        "torch.use_deterministic_algorithms is False since open_run, must be True: remove the call that "
        "changed it, or SAMEBITS_ALLOW=torch.use_deterministic_algorithms says that you mean it"
    ),
    "torch.use_deterministic_algorithms(True, warn_only=True)": "torch.use_deterministic_algorithms is False",
    "torch.backends.cudnn.benchmark = True": "torch.backends.cudnn.benchmark is True",
    "torch.backends.cudnn.deterministic = False": "torch.backends.cudnn.deterministic is False",
    "torch.backends.mkldnn.deterministic = False": "torch.backends.mkldnn.deterministic is False",
    "torch.backends.cuda.matmul.allow_tf32 = True": (
        "torch.backends.fp32_precision is 'tf32 for cuda.matmul' since open_run, must be 'ieee'"
    ),
    "torch.backends.cudnn.allow_tf32 = True": "torch.backends.fp32_precision is 'tf32 for cudnn.conv'",
    "torch.backends.mkldnn.matmul.fp32_precision = 'bf16'": "is 'bf16 for mkldnn.matmul'",
    "torch.set_float32_matmul_precision('medium')": "torch.backends.fp32_precision is 'tf32 for cuda.matmul'",
    "import torch._inductor.config as c; c.deterministic = False": (
        "torch._inductor.config.deterministic (TORCHINDUCTOR_DETERMINISTIC) is False"
    ),
    "torch.set_num_threads(3)": "torch.get_num_threads() (OMP_NUM_THREADS) is 3 since open_run, must be 1",
}


def train(start, folder, code, **variables):
    (folder / "train.py").write_text(TRAIN)
    return start("python", "train.py", code, cwd=folder, TORCHINDUCTOR_CACHE_DIR=None, **variables)


def determinism(folder):
    return json.loads((folder / "run/manifest.json").read_text())["fingerprint"]["determinism"]


def test_a_script_that_forgets_make_deterministic_has_it(start, tmp_path):
    done = train(start, tmp_path, "assert torch.are_deterministic_algorithms_enabled()")
    assert done.returncode == 0, done.stderr
    assert determinism(tmp_path)["deterministic_algorithms"] == "on"
    assert determinism(tmp_path)["tf32"] is False
    assert determinism(tmp_path)["fill_uninitialized_memory"] is False


def test_memory_stays_filled_for_who_is_checking(start, tmp_path):
    code = TRAIN.replace(
        "import samebits\n", "import samebits.torch\nsamebits.torch.make_deterministic(check=True)\n"
    )
    (tmp_path / "train.py").write_text(code)
    done = start("python", "train.py", "", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert determinism(tmp_path)["fill_uninitialized_memory"] is True


# Each in turn in one process: open_run switches on again what the one before has undone.
IN_TURN = """
import argparse, json, sys, torch, samebits
lines = []
for number, code in enumerate(json.loads(sys.argv[1])):
    try:
        with samebits.open_run({"seed": 0}, framework="torch", folder=f"run-{number}") as run:
            for (x,) in run.batches([(torch.ones(2, 3),)] * 3):
                if run.step == 1:
                    exec(code)
            lines.append("nothing was found")
            run.finish({"x": x})
    except samebits.UsageError as error:
        lines.append(f"after step {run.step}: {error}")
    torch.set_num_threads(1)
print("\\n" + json.dumps(lines))
"""


def test_a_switch_that_is_undone_stops_the_next_step_by_name(start, tmp_path):
    (tmp_path / "train.py").write_text(IN_TURN)
    done = start("python", "train.py", json.dumps([*UNDONE, "pass"]), cwd=tmp_path, SAMEBITS_ALLOW=None)
    assert done.returncode == 0, done.stderr
    *lines, untouched = json.loads(next(text for text in done.stdout.splitlines() if text.startswith("[")))
    assert untouched == "nothing was found"
    for line, expected in zip(lines, UNDONE.values(), strict=True):
        assert line.startswith("after step 2: ")
        assert expected in line
    assert [path.name for path in tmp_path.iterdir() if "run" in path.name] == [f"run-{len(UNDONE)}"]


def test_it_is_one_line_and_nothing_is_left(start, tmp_path):
    done = train(start, tmp_path, "torch.backends.cudnn.benchmark = True", SAMEBITS_ALLOW=None)
    assert done.returncode == 1
    assert "torch.backends.cudnn.benchmark is True" in one_line(done.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["train.py"]


def test_what_is_allowed_stays_as_the_script_has_it_and_is_recorded(start, tmp_path):
    allowed = "torch.use_deterministic_algorithms,torch.backends.fp32_precision"
    code = "torch.backends.cuda.matmul.allow_tf32 = True; assert torch.get_deterministic_debug_mode() == 0"
    done = train(start, tmp_path, code, SAMEBITS_ALLOW=allowed)
    assert done.returncode == 0, done.stderr
    assert determinism(tmp_path)["deterministic_algorithms"] == "off"
    assert determinism(tmp_path)["tf32"] is True
    assert determinism(tmp_path)["cudnn_deterministic"] is True
    assert json.loads((tmp_path / "run/manifest.json").read_text())["allowed"] == allowed.split(",")


def test_every_switch_has_a_name_that_can_be_allowed():
    here = set(kernels.switches())
    named = {row.name for row in (*variables.read(), *variables.read_switches())}
    assert here <= named
    assert {row.name for row in variables.read_switches() if row.name.startswith("torch.")} <= here


@pytest.mark.parametrize("name", ["torch.use_deterministic_algorithm", "torch.*"])
def test_a_switch_that_there_is_not_is_refused(start, tmp_path, name):
    done = train(start, tmp_path, "pass", SAMEBITS_ALLOW=name)
    assert done.returncode == 2
    assert f"SAMEBITS_ALLOW names '{name}', which is not in determinism.env" in one_line(done.stderr)
