"""What a Python process is told about itself, in processes of their own."""

import json
import os
import re
import subprocess
import sys

import pytest
from tests.conftest import ROOT, Started, one_line

from samebits.process.check import must_be
from samebits.process.variables import read

ROWS = {row.name: row for row in read()}
ENTRYPOINT = str(ROOT / "entrypoint")
CHECK = "from samebits.process import check; check.this_process(strict=False)"


@pytest.fixture
def python(tmp_path):  # type: ignore[no-untyped-def]
    """Run a script with exactly PATH, HOME and `variables`, through entrypoint or bare."""

    def python(code: str, *arguments: str, through: bool = True, **variables: str) -> Started:
        (tmp_path / "a script.py").write_text(code)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **variables,
        }
        program = [ENTRYPOINT, "python"] if through else [sys.executable]
        command = [*program, *arguments, "a script.py", "--epochs", "5"]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300
        )

    return python


def test_a_process_through_entrypoint_is_told_nothing(python):
    started = python(
        "from samebits.process import check\n"
        "check.this_process(strict=True); check.this_process(strict=False)"
    )
    assert (started.returncode, started.stderr) == (0, "")


def test_a_bare_process_is_told_once_with_the_right_command(python):
    started = python(f"{CHECK}\n{CHECK}", through=False)
    assert started.returncode == 0
    line = one_line(started.stderr)
    more = (
        r"PYTHONHASHSEED is not set, must be '0' \(and \d\d more, such as PYTHONNOUSERSITE\): start it with `"
    )
    assert re.search(more, line), "and not: see doctor, which looks at its own process"
    assert "`samebits exec -- python 'a script.py' --epochs 5`" in line


def test_strict_raises(python):
    started = python("from samebits.process import check; check.this_process(strict=True)", through=False)
    assert started.returncode == 1
    assert "UsageError: PYTHONHASHSEED is not set" in started.stderr.splitlines()[-1]


def test_setting_the_hash_seed_inside_python_comes_too_late(python):
    environment = {row.name: row.value for row in ROWS.values() if row.policy in ("pin", "ambient", "merge")}
    del environment["PYTHONHASHSEED"]
    line = one_line(
        python(f"import os; os.environ['PYTHONHASHSEED'] = '0'\n{CHECK}", through=False, **environment).stderr
    )
    assert "PYTHONHASHSEED is not set, must be '0'" in line


@pytest.mark.parametrize("flag", ["-E", "-I"])
def test_a_python_that_ignores_its_environment_is_told(python, flag):
    assert "Python ignores it" in one_line(python(CHECK, flag).stderr)


def test_a_change_inside_python_is_told(python):
    line = one_line(python(f"import os; os.environ['NVIDIA_TF32_OVERRIDE'] = '1'\n{CHECK}").stderr)
    assert "NVIDIA_TF32_OVERRIDE is '1' since Python started, must be '0'" in line


def test_what_is_allowed_passes(python):
    code = f"{CHECK}; from samebits.process import started"
    code += "; print(started.allowed(), started.variables()['NVIDIA_TF32_OVERRIDE'])"
    started = python(
        code,
        NVIDIA_TF32_OVERRIDE="1",
        PYTHONHASHSEED="5",
        SAMEBITS_ALLOW="NVIDIA_TF32_OVERRIDE,PYTHONHASHSEED",
    )
    assert (started.stderr, started.stdout) == ("", "['NVIDIA_TF32_OVERRIDE', 'PYTHONHASHSEED'] 1\n")


def test_what_was_replaced_is_known(python):
    started = python(
        "from samebits.process import started; print(started.replaced())", OMP_NUM_THREADS="64", LD_PRELOAD=""
    )
    assert started.stdout == "['OMP_NUM_THREADS']\n"


def test_portable_is_told_what_is_missing_and_what_changed(python):
    code = "from samebits.process import check, started\n"
    code += "print([f.line for f in check.faults()], started.profile())"
    environment = {row.name: row.value for row in ROWS.values() if row.policy in ("pin", "ambient", "merge")}
    bare = python(code, through=False, **environment, SAMEBITS_PROFILE="portable").stdout
    assert "MKL_CBWR is not set, must be 'COMPATIBLE'" in bare
    changed = "import os; os.environ['MKL_CBWR'] = 'AVX2'; os.environ['GLIBC_TUNABLES'] = 'x'; "
    lines = python(changed + code, PROFILE="portable").stdout
    assert "MKL_CBWR is 'AVX2' since Python started, must be 'COMPATIBLE'" in lines
    assert "GLIBC_TUNABLES is 'x' since Python started, must not be set" in lines
    assert python(code, PROFILE="portable").stdout == "[] portable\n"
    assert python(changed + code).stdout == "[] run\n"


def test_a_profile_that_is_none_is_told(python):
    environment = {row.name: row.value for row in ROWS.values() if row.policy in ("pin", "ambient", "merge")}
    code = "from samebits.process import check; print(*check.faults())"
    told = python(code, through=False, **environment, SAMEBITS_PROFILE="fast").stdout
    assert "SAMEBITS_PROFILE is 'fast', must be run or portable" in told


def test_variables_are_those_of_the_table_and_the_same_on_every_machine(python):
    code = "import json; from samebits.process import started; print(json.dumps(started.variables()))"
    started = python(code, MY_SECRET="hunter2", CUDA_VISIBLE_DEVICES="0", SAMEBITS_CACHE="/a/b")
    variables = json.loads(started.stdout)
    assert set(variables) == {name for name, row in ROWS.items() if row.policy != "placebo"}
    assert variables["CUDA_VISIBLE_DEVICES"] == "0"
    assert variables["KERAS_HOME"] == "${SAMEBITS_CACHE}/keras"
    assert variables["OMP_NUM_THREADS"] == "1"
    assert variables["TF_USE_LEGACY_KERAS"] is None


def test_threads_changed_inside_are_told(python):
    line = one_line(python(f"import torch; torch.set_num_threads(3)\n{CHECK}").stderr)
    assert "torch.get_num_threads() is 3, must be 1 (OMP_NUM_THREADS)" in line
    assert "SAMEBITS_THREADS=3" in line


def test_numpys_threads_are_read_back(python):
    code = f"import numpy, threadpoolctl; threadpoolctl.threadpool_limits(2)\n{CHECK}"
    assert "OpenBLAS's number of threads is 2, must be 1" in one_line(python(code).stderr)


def test_a_dirty_keras_json_of_our_own_is_told(python, tmp_path):
    (tmp_path / "cache/keras").mkdir(parents=True)
    settings = tmp_path / "cache/keras/keras.json"
    settings.write_text('{"floatx": "float64"}')
    line = one_line(python(CHECK, SAMEBITS_CACHE=f"{tmp_path}/cache").stderr)
    assert f"floatx in {settings} is float64, must be float32" in line
    assert f"delete {settings}" in line


def test_effective_imports_nothing(python):
    code = "import sys; from samebits.process import check, effective; effective.values(); check.faults()\n"
    code += "print([name for name in ('numpy', 'torch', 'tensorflow', 'keras') if name in sys.modules])"
    assert python(code).stdout == "[]\n"


def test_effective_values_are_read_back(python):
    code = "import json, torch, keras; from samebits.process import check, effective"
    code += "; print(json.dumps(effective.values())); check.this_process(True)"
    started = python(code, SAMEBITS_THREADS="4")
    assert started.returncode == 0, started.stderr
    effective = json.loads(started.stdout)
    assert (
        effective["torch"]["threads"] == effective["torch"]["mkl_threads"] == 4
    )  # MKL_DYNAMIC would make it 2
    assert effective["python"]["hash_randomization"] is False
    assert (effective["locale"], effective["time_zone"]) == ("C.UTF-8", "UTC")
    assert effective["tensorflow"] == {"intra_op_threads": 4, "inter_op_threads": 1, "op_determinism": True}
    assert effective["keras"]["floatx"] == "float32"
    assert "SSE2" in effective["numpy"]["cpu_features"]
    pools = {pool["internal_api"]: pool["num_threads"] for pool in effective["thread_pools"]}
    assert (pools["openmp"], pools["openblas"]) == (4, 1)


def test_tensorflows_threads_changed_inside_are_told(python):
    code = f"import tensorflow as tf; tf.config.threading.set_intra_op_parallelism_threads(2)\n{CHECK}"
    assert "get_intra_op_parallelism_threads() is 2, must be 1" in python(code).stderr.splitlines()[-1]


def test_data_workers_are_not_told(python):
    code = f"""
import torch
class Data(torch.utils.data.Dataset):
    def __len__(self): return 2
    def __getitem__(self, index):
        {CHECK}
        return index
if __name__ == "__main__":
    print(sum(map(int, torch.utils.data.DataLoader(Data(), num_workers=2))))
"""
    started = python(code, SAMEBITS_THREADS="2")
    assert (started.stdout, started.stderr) == ("1\n", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NVIDIA_TF32_OVERRIDE", "0"),
        ("NVIDIA_TF32_OVERRIDE", "off"),
        ("NVIDIA_TF32_OVERRIDE", "1"),
        ("CUBLAS_WORKSPACE_CONFIG", ":16:8"),
        ("TF_DETERMINISTIC_OPS", "True"),
        ("OMP_NUM_THREADS", "2"),
        ("XLA_FLAGS", "--xla_gpu_deterministic_ops --xla_gpu_autotune_level=0 --xla_dump_to=/x"),
        (
            "XLA_FLAGS",
            "--xla_gpu_deterministic_ops=true --xla_gpu_autotune_level=0 --xla_gpu_autotune_level=1",
        ),
        ("TF_USE_LEGACY_KERAS", "1"),
        ("PYTHONPATH", f"{ROOT}/src/"),
        ("PYTHONPATH", f"{ROOT}/src:/strange"),
        ("LD_LIBRARY_PATH", "/usr/local/nvidia/lib64:/nowhere"),
        ("LD_LIBRARY_PATH", "/usr/local/nvidia/lib64;$LIB"),
        ("LD_LIBRARY_PATH", "/lib/x86_64-linux-gnu"),
        ("TF_XLA_FLAGS", "--tf_xla_auto_jit=2"),
    ],
)
def test_python_and_entrypoint_judge_alike(name, value):
    environment = {"PATH": os.environ["PATH"], "HOME": "/tmp", "SAMEBITS_ROOT": str(ROOT), name: value}
    started = subprocess.run([ENTRYPOINT, "true"], env=environment, capture_output=True, text=True)
    passed = (started.returncode, started.stderr) == (0, "")
    assert passed == (must_be(ROWS[name], environment) == "")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["exec"], 2, "Missing argument"),
        (["exec", "--", "no-such"], 127, "no-such: there is no such command"),
    ],
)
def test_exec_used_wrongly(arguments, status, said):
    started = subprocess.run([sys.executable, "-m", "samebits", *arguments], capture_output=True, text=True)
    assert started.returncode == status
    assert said in started.stderr.splitlines()[-1]


def test_exec_needs_no_dashes():
    command = [sys.executable, "-m", "samebits", "exec", "printf", "<%s>", "--help", "-h"]
    started = subprocess.run(command, capture_output=True, text=True)
    assert started.stdout == "<--help><-h>"


def test_exec_sets_the_variables_and_passes_everything_on(tmp_path):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    code = "import os, sys; print(os.environ['PYTHONHASHSEED'], sys.argv[1:]); sys.exit(7)"
    command = [sys.executable, "-m", "samebits", "exec", "--", "python", "-c", code, "--help", "--", "x y"]
    started = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (started.returncode, started.stderr) == (7, "")
    assert started.stdout == "0 ['--help', '--', 'x y']\n"
