"""The table of operations on emulated CPUs: a sample of it, and that the command can fail."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.conftest import ROOT, one_line

from samebits import CheckFailed
from samebits.proof.portable import _at_once, _lines, differing, emulator, inputs
from samebits.proof.portable.machines import QEMU, Machine
from samebits.proof.portable.numpy_operations import operations

emulated = pytest.mark.skipif(
    shutil.which(QEMU) is None, reason=f"{QEMU} is not installed (qemu-user-static)"
)


def test_inputs_are_exact_and_the_same_everywhere():
    """Written down once: they come from whole numbers, so no machine can give others."""
    assert inputs.integers(3).tolist() == [16294208416658607535, 7960286522194355700, 487617019471545679]
    x = inputs.numbers(1000, scale=3)
    assert abs(x).max() <= 8
    assert (x.astype("f4") == x).all()
    assert inputs.positive(1000).min() > 0
    assert inputs.wide(5000).max() > 2.0**118


def test_names_stand_once():
    names = [name for name, _ in operations()]
    assert len(names) == len(set(names)) > 200


def test_a_row_that_differs_or_is_missing_is_found():
    native, other = Machine("native", {"a": "1", "b": "2", "c": "3"}), Machine("EPYC", {"a": "1", "b": "0"})
    assert differing([native, other]) == ["b", "c"]
    assert differing([native, native]) == []


def test_a_cpu_computes_nothing_wrongly():
    assert emulator.wrong() == []


@emulated
def test_the_emulator_computes_wrongly_what_is_left_out(start):
    """As long as its version says so: then the rows are left out, and from then on they are compared."""
    code = "from samebits.proof.portable import emulator; print(emulator.wrong())"
    done = start(QEMU, "-cpu", "Haswell", ROOT / ".venv/bin/python", "-c", code, PROFILE="portable")
    old = emulator.version() < emulator.RIGHT_FROM
    assert done.stdout.strip() == str(
        [row for row in emulator.WRONG if row.startswith("numpy.")] if old else []
    )


@emulated
@pytest.mark.slow  # of the emulator that is installed, and says nothing of samebits
@pytest.mark.parametrize(
    "gathers",
    ["nn.functional.grid_sample(ones(1, 1, 9, 9), ones(1, 9, 9, 2))", "nn.LSTM(8, 8)(ones(2, 2, 8))"],
)
def test_the_emulator_dies_of_what_is_left_out(start, gathers):
    python = [ROOT / ".venv/bin/python", "-c", f"from torch import nn, ones; {gathers}"]
    assert start(*python, PROFILE="portable").returncode == 0
    died = start(QEMU, "-cpu", "EPYC", *python, PROFILE="portable").returncode != 0
    assert died == (emulator.version() < emulator.RIGHT_FROM)


def test_rows_that_a_machine_leaves_out_are_not_compared():
    native, other = Machine("native", {"a": "1", "b": "2"}), Machine("EPYC", {"a": "1"}, left_out=("b",))
    assert differing([native, other]) == []
    assert differing([native, Machine("EPYC", {"a": "2"}, left_out=("b",))]) == ["a"]


@emulated
def test_an_unknown_cpu_is_one_line(start):
    done = start("samebits", "portable-proof", "--cpu", "8086")
    assert done.returncode == 2
    assert "emulates no CPU '8086': `qemu-x86_64-static -cpu help` lists them" in one_line(done.stderr)


def test_a_missing_emulator_is_one_line(start, tmp_path):
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path), "SAMEBITS_ROOT": str(ROOT)}
    command = [str(ROOT / ".venv/bin/python"), "-m", "samebits", "portable-proof"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "apt-get install qemu-user-static" in one_line(done.stderr)


class Sleeper(Machine):
    def command(self, arguments, environment):
        return ["sleep", "60"] if self.name == "sleeps" else ["sh", "-c", "echo broken >&2; exit 3"]


def test_a_machine_that_fails_ends_the_others():
    def compute(machine):
        assert list(_lines(machine, {}, "-c", "pass")) == []
        return machine

    with pytest.raises(CheckFailed, match=r"fails: `python -c pass` ended with status 3: broken"):
        list(_at_once(compute, machines := [Sleeper("sleeps"), Sleeper("fails")], jobs=2))
    assert [machine.running.returncode for machine in machines] == [-signal.SIGTERM, 3]


def test_a_signal_ends_the_machines(tmp_path):
    """Also one for which Python has no exception of its own."""
    (tmp_path / "sleeper.py").write_text(
        "import os, time; open('pid', 'w').write(f'{os.getpid()} ')\ntime.sleep(60)"
    )
    words = [
        ROOT / "entrypoint",
        "samebits",
        "portable-proof",
        "--here",
        "--table",
        "numpy",
        "--part",
        "sleeper",
    ]
    variables = {**os.environ, "PYTHONPATH": str(tmp_path), "SAMEBITS_ALLOW": "PYTHONPATH"}
    with subprocess.Popen([*words, "--train", "sleeper"], cwd=tmp_path, env=variables) as process:
        pid, until = tmp_path / "pid", time.monotonic() + 60
        while not (pid.exists() and pid.read_text().endswith(" ")):
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert not Path("/proc", pid.read_text().strip()).exists()


SAMPLES = [
    ("Nehalem", "numpy", "numpy.matmul f32", "run"),  # no AVX2: the proof must fail, whatever CPU this is
    ("EPYC", "torch", "optim.AdamW", "portable"),
    pytest.param("EPYC", "keras", "keras LayerNormalization wide", "portable", marks=pytest.mark.slow),
]


@emulated
@pytest.mark.parametrize(("cpu", "table", "row", "profile"), SAMPLES)
def test_a_sample_on_another_cpu(start, cpu, table, row, profile):
    done = start(
        *("samebits", "portable-proof", "--json", "--cpu", cpu, "--table", table, "--part", row),
        *("--profile", profile),
        PROFILE=None if os.environ.get("PROFILE") is None else "run",
        JOBS="2",
    )
    assert done.returncode == (1 if profile == "run" else 0), done.stderr
    result = json.loads(done.stdout)
    assert set(result["machines"]) == {"native", cpu}
    assert (row in result["different"]) == (profile == "run")
    assert result["same"] == (profile == "portable")
