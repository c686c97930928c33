"""./entrypoint as a user starts it: real processes with exactly the environment that a test names."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.conftest import FRAMEWORKS, ROOT, Started, copy_entrypoint, one_line

from samebits.cli import COMMANDS
from samebits.process.check import must_be
from samebits.process.variables import Row, read

ENTRYPOINT = str(ROOT / "entrypoint")
TABLE = read(ROOT / "determinism.env")
SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "ash"]]
NEEDS = {row.name: row for row in TABLE}


def rows(policy: str) -> list[Row]:
    return [row for row in TABLE if row.policy == policy]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def enter(home: Path):  # type: ignore[no-untyped-def]
    """Start `command` through entrypoint under `env -i PATH=… HOME=…` plus `variables`."""

    def enter(*command: str, entrypoint: str | list[str] = ENTRYPOINT, **variables: str) -> Started:
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), **variables}
        program = [entrypoint] if isinstance(entrypoint, str) else entrypoint
        return subprocess.run(
            [*program, *command], env=environment, capture_output=True, text=True, timeout=300, cwd=home
        )

    return enter


def parse(output: str) -> dict[str, str]:
    """The output of `env -0` as a dict; `_` is the shell's own."""
    pairs = (entry.split("=", 1) for entry in output.split("\0") if entry)
    return {name: value for name, value in pairs if name != "_"}


def seen(started: Started) -> dict[str, str]:
    assert started.returncode == 0, started.stderr
    return parse(started.stdout)


# ---------------------------------------------------------------- what it sets


def test_exports_every_row_and_says_nothing(enter, home):
    started = enter("env", "-0")
    environment = seen(started)
    assert started.stderr == ""
    for row in TABLE:
        if row.policy in ("pin", "ambient", "merge"):
            assert environment[row.name] == row.filled(environment)
        else:
            assert row.name not in environment
    assert environment["SAMEBITS_ROOT"] == str(ROOT)
    assert environment["SAMEBITS_CACHE"] == f"{home}/.cache/samebits"
    assert environment["SAMEBITS_THREADS"] == "1"
    assert environment["PATH"].split(":")[0] == f"{ROOT}/.venv/bin"
    assert "SAMEBITS_REPLACED" not in environment


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_every_shell_gives_the_same_environment(enter, shell):
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")
    dirty = {
        "OMP_NUM_THREADS": "64",
        "PYTHONPATH": "/a:/b",
        "XLA_FLAGS": "--xla_dump_to=/x",
        "LD_PRELOAD": "/none.so",
    }
    # A library that does not exist: the loader complains for each program that starts before we remove it.
    quiet = [line for line in enter("env", "-0", **dirty).stderr.splitlines() if line.startswith("samebits")]
    started = enter("env", "-0", entrypoint=[*shell, ENTRYPOINT], **dirty)
    ours = [line for line in started.stderr.splitlines() if line.startswith("samebits")]
    assert ours == quiet
    names = {"SHLVL", "OLDPWD", "PWD"}  # bash and busybox export these themselves
    expected = {name: value for name, value in seen(enter("env", "-0", **dirty)).items() if name not in names}
    assert {name: value for name, value in seen(started).items() if name not in names} == expected


def test_nested_changes_nothing_and_says_nothing_more(enter):
    dirty = {
        "OMP_NUM_THREADS": "64",
        "LC_ALL": "de_DE.UTF-8",
        "PYTHONPATH": "/x",
        "XLA_FLAGS": "--xla_dump_to=/x",
    }
    once = enter("env", "-0", **dirty)
    twice = enter(ENTRYPOINT, "env", "-0", **dirty)
    assert one_line(once.stderr) == one_line(twice.stderr)
    assert seen(once) == seen(twice)
    assert seen(twice)["SAMEBITS_REPLACED"] == "PYTHONPATH,LC_ALL,OMP_NUM_THREADS"


def test_shellcheck_finds_nothing():
    subprocess.run([ROOT / ".venv/bin/shellcheck", ENTRYPOINT], check=True)


# ---------------------------------------------------------------- the policies


@pytest.mark.parametrize("row", rows("pin"), ids=lambda row: row.name)
def test_pin_refuses_another_value(enter, row):
    started = enter("true", **{row.name: "7x"})
    assert started.returncode == 2
    line = one_line(started.stderr)
    assert f"{row.name} is '7x', must be '{row.value}'" in line
    assert f"SAMEBITS_ALLOW={row.name}" in line


@pytest.mark.parametrize(
    ("name", "value"), [("MKL_DYNAMIC", "0"), ("OMP_DYNAMIC", "false"), ("TF_DETERMINISTIC_OPS", "true")]
)
def test_pin_accepts_another_spelling(enter, name, value):
    started = enter("env", "-0", **{name: value})
    assert started.stderr == ""
    assert seen(started)[name] == NEEDS[name].value


@pytest.mark.parametrize(
    ("name", "value"), [("TF_DETERMINISTIC_OPS", "0"), ("NVIDIA_TF32_OVERRIDE", "1"), ("MKL_DYNAMIC", "TRUE")]
)
def test_pin_refuses_the_opposite(enter, name, value):
    assert enter("true", **{name: value}).returncode == 2


def test_ambient_is_replaced_said_and_recorded(enter):
    given = {
        "OMP_NUM_THREADS": "64",
        "TZ": "Europe/Berlin",
        "LC_ALL": "de_DE.UTF-8",
        "PYTHONHASHSEED": "random",
    }
    started = enter("env", "-0", **given)
    line = one_line(started.stderr)
    for name, value in given.items():
        assert f"{name} ({value} -> " in line
    assert set(seen(started)["SAMEBITS_REPLACED"].split(",")) == set(given)
    assert seen(started)["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize("value", ["4,2", "16"])
def test_ambient_takes_what_openmp_takes(enter, value):
    assert enter("true", OMP_NUM_THREADS=value).returncode == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OMP_NUM_THREADS", "many"),
        ("OMP_NUM_THREADS", "0"),
        ("OMP_NUM_THREADS", "-1"),
        ("OMP_NUM_THREADS", "4,"),
        ("MKL_NUM_THREADS", "1.5"),
        ("TF_NUM_INTRAOP_THREADS", "two"),
        ("PYTHONHASHSEED", "seed"),
        ("TZ", "somewhere else"),
        ("LC_ALL", "$(id)"),
        ("KERAS_HOME", "relative/folder"),
        ("TRITON_CACHE_DIR", "~/cache"),
        ("TZ", "two\nlines"),
    ],
)
def test_ambient_refuses_nonsense(enter, name, value):
    started = enter("true", **{name: value})
    assert started.returncode == 2
    assert one_line(started.stderr).startswith(f"samebits: {name} is '{value}'".replace("\n", " "))


def test_merge_keeps_the_users_flags(enter):
    started = enter("env", "-0", XLA_FLAGS="--xla_dump_to=/tmp/x  --xla_gpu_deterministic_ops")
    assert started.stderr == ""
    flags = seen(started)["XLA_FLAGS"].split()
    assert flags == ["--xla_dump_to=/tmp/x", "--xla_gpu_deterministic_ops", "--xla_gpu_autotune_level=0"]


@pytest.mark.parametrize(
    "flags",
    [
        "--xla_gpu_autotune_level=4",
        "--xla_gpu_autotune_level=0 --xla_gpu_autotune_level=4",
        "/a/file/of/flags",
    ],
)
def test_merge_refuses_a_contradiction(enter, flags):
    started = enter("true", XLA_FLAGS=flags)
    assert started.returncode == 2
    assert flags.split()[-1] in one_line(started.stderr)


def test_merge_takes_flags_apart_in_any_row(enter, copy):
    (copy / "determinism.env").write_text("# Why.\nmerge FLAGS=--a=1 --b=2\n")
    environment = seen(enter("env", "-0", entrypoint=str(copy / "entrypoint"), FLAGS="--c --b=2"))
    assert environment["FLAGS"] == "--c --b=2 --a=1"


@pytest.mark.parametrize("given", [{"PROFILE": "portable"}, {"SAMEBITS_PROFILE": "portable"}])
def test_portable_pins_the_instructions(enter, given):
    environment = seen(enter("env", "-0", **given))
    assert environment["SAMEBITS_PROFILE"] == "portable"
    for row in rows("portable"):
        assert environment.get(row.name, "") == row.value
    assert seen(enter("env", "-0"))["SAMEBITS_PROFILE"] == "run"


@pytest.mark.parametrize("row", rows("portable"), ids=lambda row: row.name)
def test_portable_refuses_another_choice_and_run_leaves_it(enter, row):
    left = enter("env", "-0", **{row.name: "7x"})
    assert (left.stderr, seen(left)[row.name]) == ("", "7x")
    refused = enter("true", PROFILE="portable", **{row.name: "7x"})
    assert refused.returncode == 2
    must = f"must be '{row.value}'" if row.value else "must not be set"
    assert f"{row.name} is '7x', {must}" in one_line(refused.stderr)
    assert enter("true", PROFILE="portable", SAMEBITS_ALLOW=row.name, **{row.name: "7x"}).returncode == 0


def test_the_profile_that_is_asked_for_comes_before_the_one_outside(enter):
    assert seen(enter("env", "-0", PROFILE="run", SAMEBITS_PROFILE="portable"))["SAMEBITS_PROFILE"] == "run"


def test_a_profile_that_is_none_is_refused(enter):
    started = enter("true", PROFILE="fast")
    assert started.returncode == 2
    assert "PROFILE is 'fast', must be run or portable" in one_line(started.stderr)


@pytest.mark.parametrize(
    ("flags", "lacking"), [("fpu avx f16c", "avx2"), ("fpu avx2 fma4", "fma"), ("fpu fma avx2", "")]
)
def test_portable_needs_the_instructions_that_it_pins(enter, copy, flags, lacking):
    """A machine without them: a copy of entrypoint that reads another file in place of /proc/cpuinfo."""
    (copy / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: Old\nflags\t\t: {flags}\nbugs\t\t:\n")
    own = copy / "src/samebits/entrypoint"
    own.write_text(own.read_text().replace("/proc/cpuinfo", f'"{copy}/cpuinfo"'))
    started = enter("true", entrypoint=str(copy / "entrypoint"), PROFILE="portable")
    assert started.returncode == (2 if lacking else 0)
    if lacking:
        assert f"this one has no {lacking}:" in one_line(started.stderr)
    assert enter("true", entrypoint=str(copy / "entrypoint")).returncode == 0


@pytest.mark.parametrize("row", rows("forbid"), ids=lambda row: row.name)
def test_forbid_refuses(enter, row):
    started = enter("true", **{row.name: "1"})
    assert started.returncode == 2
    assert f"{row.name} is '1', must not be set" in one_line(started.stderr)


def test_remove(enter, tmp_path):
    shadow, innocent = tmp_path / "cuda", tmp_path / "innocent"
    for folder in (shadow, innocent):
        folder.mkdir()
    (shadow / "libcudnn.so.9").touch()
    (innocent / "libcuda.so.1").touch()  # the driver's: no wheel has it
    (innocent / "libcublas.so.11").touch()  # another generation: nothing that is locked asks for it
    started = enter(
        "env",
        "-0",
        LD_LIBRARY_PATH=f"{innocent}:{shadow}:/usr/local/nvidia/lib64:$ORIGIN",
        PYTHONPATH=f"/strange:{ROOT}/src::{ROOT}/tests/:{ROOT}/../x:{ROOT}-other:{ROOT}/.venv/lib/site-packages:src",
        TF_XLA_FLAGS="--tf_xla_auto_jit=2",
    )
    environment, line = seen(started), one_line(started.stderr)
    assert environment["LD_LIBRARY_PATH"] == f"{innocent}:/usr/local/nvidia/lib64"
    assert environment["PYTHONPATH"] == f"{ROOT}/src:{ROOT}/tests/"
    assert "TF_XLA_FLAGS" not in environment
    assert f"LD_LIBRARY_PATH ({shadow}:$ORIGIN)" in line
    assert environment["SAMEBITS_REPLACED"].split(",") == ["PYTHONPATH", "LD_LIBRARY_PATH", "TF_XLA_FLAGS"]


def test_pythonpath_within_the_project_stays_and_python_agrees(enter, tmp_path):
    """Relative entries too, as `PYTHONPATH=src python train.py` has it, and in the manifest's words."""
    project = tmp_path / "a project"
    (project / ".git").mkdir(parents=True)
    ask = "from samebits.process import check, started"
    ask += "; print(started.variables()['PYTHONPATH'], [f.name for f in check.faults()], started.replaced())"
    for given, kept in {"src": "src", ".": ".", f"{project}/src:lib": "${SAMEBITS_ROOT}/src:lib"}.items():
        command = f"cd '{project}' && {ROOT}/src/samebits/entrypoint {ROOT}/.venv/bin/python -c \"{ask}\""
        started = enter("-c", command, entrypoint="sh", PYTHONPATH=given)
        assert (started.stdout, started.stderr) == (f"{kept} [] []\n", "")


@pytest.mark.parametrize("entry", ["/strange", "/x/../strange", "", "..", "/usr/lib/python3/dist-packages"])
def test_pythonpath_from_elsewhere_is_a_fault_in_python(entry):
    (row,) = (row for row in TABLE if row.name == "PYTHONPATH")
    assert bool(must_be(row, {"PYTHONPATH": f"{ROOT}/src:{entry}"}))
    assert not must_be(row, {"PYTHONPATH": f"{ROOT}/src"})


def test_a_preloaded_library_reaches_no_command(enter, tmp_path):
    # libSegFault-like: any library will do that is not loaded by itself.
    library = next(Path("/lib/x86_64-linux-gnu").glob("libpthread.so.0"))
    started = enter("cat", "/proc/self/maps", LD_PRELOAD=str(library))
    assert f"removed LD_PRELOAD ({library})" in one_line(started.stderr)
    assert library.name not in started.stdout


def test_an_empty_value_counts_as_none(enter):
    started = enter("env", "-0", **{row.name: "" for row in TABLE})
    assert started.stderr == ""
    left_alone = rows("record") + rows("portable") + rows("placebo")
    expected = {**seen(enter("env", "-0")), **{row.name: "" for row in left_alone}}
    assert seen(started) == expected


# ---------------------------------------------------------------- SAMEBITS_ALLOW, SAMEBITS_THREADS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NVIDIA_TF32_OVERRIDE", "1"),
        ("PYTHONHASHSEED", "random"),
        ("OMP_NUM_THREADS", "nonsense"),
        ("XLA_FLAGS", "--xla_gpu_autotune_level=4"),
        ("TF_USE_LEGACY_KERAS", "1"),
        ("PYTHONPATH", "/strange"),
    ],
)
def test_allow_leaves_a_variable_as_it_is(enter, name, value):
    started = enter("env", "-0", SAMEBITS_ALLOW=f"TZ,{name}", **{name: value})
    assert started.stderr == ""
    assert seen(started)[name] == value
    assert "TZ" not in seen(started)  # unset, and left so


@pytest.mark.parametrize("names", ["NO_SUCH_NAME", "TZ,NO_SUCH_NAME", "TZ, LC_ALL", "PATH", "*", ",TZ"])
def test_allow_refuses_what_is_not_in_the_table(enter, names):
    started = enter("true", SAMEBITS_ALLOW=names)
    assert started.returncode == 2
    assert one_line(started.stderr).startswith("samebits: SAMEBITS_ALLOW names")


@pytest.mark.parametrize("threads", ["0", "-1", "two", "1.5", "08", "1000", "1 ", "2;id", "1\n2"])
def test_threads_must_be_a_whole_number(enter, threads):
    started = enter("true", SAMEBITS_THREADS=threads)
    assert started.returncode == 2
    assert "SAMEBITS_THREADS" in one_line(started.stderr)


def test_threads_are_exported(enter):
    environment = seen(enter("env", "-0", SAMEBITS_THREADS="8"))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "SAMEBITS_THREADS"):
        assert environment[name] == "8"
    assert environment["OPENBLAS_NUM_THREADS"] == "1"


TORCH = """
import hashlib, torch
torch.manual_seed(0)
images = torch.randn(64, 8, 14, 14)
weight = torch.randn(16, 8, 3, 3, requires_grad=True)
torch.nn.functional.conv2d(images, weight).square().sum().backward()
numbers = torch.cat([weight.grad.flatten(), torch.randn(300_001).sum().reshape(1)])
print(torch.get_num_threads(), hashlib.sha256(numbers.numpy().tobytes()).hexdigest())
"""

NUMPY = """
import hashlib, numpy
numbers = numpy.random.default_rng(0).standard_normal((900, 900)).astype("f4")
print(hashlib.sha256((numbers[:700] @ numbers[:, :500]).tobytes()).hexdigest())
"""

TENSORFLOW = """
import hashlib, tensorflow as tf
generator = tf.random.Generator.from_seed(1)
images, weight = generator.normal([32, 28, 28, 8]), tf.Variable(generator.normal([3, 3, 8, 16]))
with tf.GradientTape() as tape:
    loss = tf.reduce_sum(tf.nn.conv2d(images, weight, 1, "SAME") ** 2)
print(hashlib.sha256(tape.gradient(loss, weight).numpy().tobytes()).hexdigest())
"""


def on_cores(enter, cores: str, code: str, threads: int) -> str:  # type: ignore[no-untyped-def]
    command = ["taskset", "-c", cores, ENTRYPOINT, "python", "-c", code]
    started = enter(
        *command[1:], entrypoint="taskset", SAMEBITS_THREADS=str(threads), TF_CPP_MIN_LOG_LEVEL="3"
    )
    assert started.returncode == 0, started.stderr
    return str(started.stdout.strip())


def two_cores() -> str:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("needs two cores")
    return f"{cores[0]},{cores[1]}"


def test_torch_threads_never_follow_the_host(enter):
    both = two_cores()
    core = both.split(",")[0]
    hashes = {1: on_cores(enter, both, TORCH, 1)}
    for threads in (2, 8):
        hashes[threads] = on_cores(enter, both, TORCH, threads)
        assert on_cores(enter, core, TORCH, threads) == hashes[threads]
        assert hashes[threads].split()[0] == str(threads)
    assert len({text.split()[1] for text in hashes.values()}) == 3  # another number is another run


def test_numpys_matrix_products_never_follow_the_host(enter):
    both = two_cores()
    assert on_cores(enter, both.split(",")[0], NUMPY, 8) == on_cores(enter, both, NUMPY, 8)


def test_tensorflow_threads_never_follow_the_host(enter):
    both = two_cores()
    hashes = [on_cores(enter, both.split(",")[0], TENSORFLOW, 8), on_cores(enter, both, TENSORFLOW, 8)]
    assert hashes[0] == hashes[1]
    assert on_cores(enter, both, TENSORFLOW, 1) != hashes[0]


# ---------------------------------------------------------------- the table is parsed, never run


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with entrypoint and a table that a test may change."""
    folder = tmp_path / "a copy"
    folder.mkdir()
    copy_entrypoint(folder)
    (folder / "src/starter").mkdir()
    (folder / "conda-lock.yml").touch()
    return folder


def test_a_value_is_inert(enter, copy, tmp_path):
    values = {
        "EVIL_A": f"$(touch {tmp_path}/ran)",
        "EVIL_B": f"`touch {tmp_path}/ran`",
        "EVIL_C": f"x; touch {tmp_path}/ran",
        "EVIL_D": "\"quoted\" 'twice' \\n * ~ $HOME ${HOME}",
        "EVIL_E": "${SAMEBITS_ROOT}/$(id)",
    }
    text = "".join(f"# Evil.\npin {name}={value}\n" for name, value in values.items())
    (copy / "determinism.env").write_text(text + "# The last line has no end.\npin LAST=1")
    environment = seen(enter("env", "-0", entrypoint=str(copy / "entrypoint")))
    assert not (tmp_path / "ran").exists()
    values["EVIL_E"] = f"{copy}/$(id)"
    assert {name: environment[name] for name in values} == values
    assert environment["LAST"] == "1"


@pytest.mark.parametrize(
    "row", ["pin $(id)=1", "pin lower=1", "pinn NAME=1", "pin", "ambient NAME=1", "NAME=1", "pin 1X=1"]
)
def test_a_bad_row_is_refused_with_its_place(enter, copy, row):
    (copy / "determinism.env").write_text(f"# Why.\n{row}\n")
    started = enter("true", entrypoint=str(copy / "entrypoint"))
    assert started.returncode == 2
    assert f"determinism.env has '{row}': " in one_line(started.stderr)


def test_a_missing_table_is_one_line(enter, copy):
    (copy / "determinism.env").unlink()
    started = enter("true", entrypoint=str(copy / "entrypoint"))
    assert started.returncode == 2
    assert "determinism.env cannot be read" in one_line(started.stderr)


def test_a_poor_path_changes_nothing(enter):
    poor, rich = enter("/usr/bin/env", "-0", PATH="/nowhere"), enter("env", "-0")
    assert {**seen(poor), "PATH": ""} == {**seen(rich), "PATH": ""}


def test_an_interpreter_that_cannot_be_reached_is_named(enter, copy):
    link = copy / ".venv" / "bin" / "python"
    link.parent.mkdir(parents=True)
    link.symlink_to("/root-only/python3.11")
    started = enter("train", entrypoint=str(copy / "entrypoint"), PATH="/usr/bin:/bin")
    assert started.returncode == 2
    assert f"cannot reach the interpreter behind {link}" in one_line(started.stderr)
    link.unlink()
    started = enter("train", entrypoint=str(copy / "entrypoint"), PATH="/usr/bin:/bin")
    assert "there is no Python environment" in one_line(started.stderr)


@pytest.mark.parametrize(
    "path", ["./entrypoint", "../{name}/entrypoint", "{folder}/entrypoint", "{name}/../{name}/entrypoint"]
)
def test_root_is_its_own_folder_however_it_is_called(copy, path):
    where = copy.parent if path.startswith("{name}") else copy
    command = [path.format(name=copy.name, folder=copy), "env", "-0"]
    environment = {"PATH": os.environ["PATH"], "HOME": "/tmp"}
    started = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True)
    assert seen(started)["SAMEBITS_ROOT"] == str(copy)


@pytest.mark.parametrize(
    ("marks", "started_in", "folder"),
    [
        ([".git/"], "", ""),
        ([".git/"], "a/b c", ""),
        ([".git/", "a/pyproject.toml"], "a/b c", "a"),
        (["golden.toml", "a/requirements.lock"], "a", "a"),
        (["a/conda-lock.yml"], "a/b c", "a"),
        (["a/pyproject.toml"], "", None),
    ],
)
def test_the_project_is_found_from_the_working_folder_upwards(enter, tmp_path, marks, started_in, folder):
    """By samebits' own entrypoint and by Python alike; where there is none, it is this checkout."""
    base = tmp_path / "base"
    (base / "a/b c").mkdir(parents=True)
    for mark in marks:
        (base / mark).mkdir() if mark.endswith("/") else (base / mark).touch()
    expected = f"{ROOT if folder is None else base / folder}\n"
    own = f"{ROOT}/src/samebits/entrypoint"
    go, ask = (
        f"cd '{base / started_in}' && ",
        "from samebits.process.variables import find_root; print(find_root())",
    )
    assert enter("-c", f"{go}{own} sh -c 'echo $SAMEBITS_ROOT'", entrypoint="sh").stdout == expected
    assert enter("-c", f'{go}{ROOT}/.venv/bin/python -c "{ask}"', entrypoint="sh").stdout == expected


@pytest.mark.parametrize("root", ["relative", "/no/such/folder"])
def test_a_project_that_is_none_is_refused(enter, root):
    started = enter("true", entrypoint=f"{ROOT}/src/samebits/entrypoint", SAMEBITS_ROOT=root)
    assert started.returncode == 2
    assert f"SAMEBITS_ROOT is '{root}'" in one_line(started.stderr)


def test_a_folder_without_samebits_is_one_line(enter, tmp_path):
    shutil.copy(ROOT / "entrypoint", tmp_path)
    started = enter("true", entrypoint=str(tmp_path / "entrypoint"))
    assert started.returncode == 2
    assert f"no samebits in {tmp_path}/src" in one_line(started.stderr)


# ---------------------------------------------------------------- users without a home, unwritable folders


def as_user(uid: int, *command: str, **variables: str) -> Started:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    start = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", ENTRYPOINT, *command]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", **variables}
    return subprocess.run(start, env=environment, capture_output=True, text=True, timeout=300, cwd="/")


@pytest.mark.parametrize("home", [{}, {"HOME": "/"}], ids=["without", "slash"])
def test_an_arbitrary_user_gets_a_home_and_a_name(home):
    uid = 54321
    started = as_user(uid, "env", "-0", **home)
    try:
        environment = seen(started)
        assert started.stderr == ""
        assert environment["SAMEBITS_CACHE"] == environment["HOME"] == f"/tmp/samebits-{uid}"
        assert environment["USER"] == environment["LOGNAME"] == "samebits"
        assert Path(environment["HOME"]).stat().st_mode & 0o777 == 0o700
        assert Path(environment["HOME"]).stat().st_uid == uid
    finally:
        shutil.rmtree(f"/tmp/samebits-{uid}", ignore_errors=True)


def test_an_arbitrary_user_can_build_an_optimiser():
    uid = 54322
    python = str(ROOT / ".venv" / "bin" / "python")
    # Through a shell: setpriv itself still has root's powers when it starts its command.
    them = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    if subprocess.run([*them, "sh", "-c", 'test -x "$0"', python]).returncode != 0:
        pytest.skip(f"the interpreter behind {python} lies where other users cannot reach it")
    code = "import torch; print(torch.optim.AdamW([torch.zeros(1, requires_grad=True)]).defaults['lr'])"
    try:
        started = as_user(uid, "python", "-c", code)
        assert started.returncode == 0, started.stderr
        assert started.stdout.strip() == "0.001"
    finally:
        shutil.rmtree(f"/tmp/samebits-{uid}", ignore_errors=True)


def test_another_users_folder_is_refused():
    uid = 54323
    folder = Path(f"/tmp/samebits-{uid}")
    folder.mkdir(mode=0o777)
    try:
        started = as_user(uid, "true")
        assert started.returncode == 2
        assert "belongs to another user" in one_line(started.stderr)
    finally:
        folder.rmdir()


def test_a_home_that_cannot_be_written_is_replaced_and_said(tmp_path):
    uid = 54324
    try:
        started = as_user(uid, "env", "-0", HOME="/usr")
        assert seen(started)["HOME"] == f"/tmp/samebits-{uid}"
        assert f"HOME (/usr -> /tmp/samebits-{uid})" in one_line(started.stderr)
    finally:
        shutil.rmtree(f"/tmp/samebits-{uid}", ignore_errors=True)


def test_an_unwritable_tmp_is_said():
    read_only = 'mount --bind /tmp /tmp && mount -o remount,ro,bind /tmp && exec "$@"'
    mount = ["unshare", "-m", "sh", "-c", read_only, "sh"]
    environment = {"PATH": os.environ["PATH"], "HOME": "/var/tmp"}

    def inside(*command: str, **more: str) -> Started:
        return subprocess.run([*mount, *command], env={**environment, **more}, capture_output=True, text=True)

    if inside("true").returncode:
        pytest.skip("this user may not mount")
    assert "/tmp cannot be written" in one_line(inside(ENTRYPOINT, "true").stderr)
    assert one_line(inside(ENTRYPOINT, ENTRYPOINT, "true").stderr)  # once
    assert inside(ENTRYPOINT, "true", TMPDIR="/var/tmp").stderr == ""
    assert inside(ENTRYPOINT, "true", SAMEBITS_CACHE="/var/tmp/cache").returncode == 0


@pytest.mark.parametrize("variables", [{}, {"SAMEBITS_CACHE": "/tmp/mine/cache"}], ids=["nowhere", "chosen"])
def test_no_folder_for_caches_is_one_line(variables):
    """A read-only container without /tmp: torch would end in a traceback while it is imported."""
    read_only = 'mount --bind /tmp /tmp && mount -o remount,ro,bind /tmp && exec "$@"'
    enter = ["unshare", "-m", "sh", "-c", read_only, "sh"]
    environment = {"PATH": os.environ["PATH"]}
    if subprocess.run([*enter, "true"], env=environment, capture_output=True).returncode:
        pytest.skip("this user may not mount")
    command = [*enter, ENTRYPOINT, "python", "-c", "import samebits"]
    started = subprocess.run(command, env={**environment, **variables}, capture_output=True, text=True)
    assert started.returncode == 2
    line = one_line(started.stderr)
    assert variables.get("SAMEBITS_CACHE", "/tmp/samebits-") in line
    assert "--env SAMEBITS_CACHE=" in line
    assert "--tmpfs /tmp" in line


def test_the_cache_folder_can_be_chosen(enter, home):
    assert seen(enter("env", "-0", XDG_CACHE_HOME=str(home / "x")))["SAMEBITS_CACHE"] == f"{home}/x/samebits"
    environment = seen(enter("env", "-0", SAMEBITS_CACHE="/c"))
    assert environment["KERAS_HOME"] == "/c/keras"
    refused = enter("true", SAMEBITS_CACHE="relative")
    assert refused.returncode == 2
    one_line(refused.stderr)


# ---------------------------------------------------------------- Keras's settings file

DIRTY = """{
    "floatx": "float64",
    "epsilon": 1e-05,
    "backend": "torch",
    "image_data_format": "channels_last"
}"""


def test_a_keras_settings_file_has_no_say(enter, home):
    (home / ".keras").mkdir()
    (home / ".keras/keras.json").write_text(DIRTY)
    code = "import keras; print(keras.config.floatx(), keras.config.epsilon(), keras.config.backend())"
    clean = enter("python", "-c", code, TF_CPP_MIN_LOG_LEVEL="3")
    assert clean.stdout.split() == ["float32", "1e-07", "tensorflow"], clean.stderr
    line = f'removed {home}/.keras/keras.json ("floatx": "float64", "epsilon": 1e-05)'
    assert line in clean.stderr.splitlines()[0]
    dirty = enter("python", "-c", code, TF_CPP_MIN_LOG_LEVEL="3", SAMEBITS_ALLOW="KERAS_HOME")
    assert dirty.stdout.split() == ["float64", "1e-05", "tensorflow"], dirty.stderr
    assert "keras.json" not in dirty.stderr


def test_what_keras_writes_itself_is_no_choice(enter, home):
    (home / ".keras").mkdir()
    text = DIRTY.replace("float64", "float32").replace("1e-05", "1e-07")
    (home / ".keras/keras.json").write_text(text)
    assert enter("true").stderr == ""


# ---------------------------------------------------------------- the command


@pytest.fixture
def project(copy: Path) -> Path:
    """A project whose `python` prints its arguments."""
    bin = copy / ".venv/bin"
    bin.mkdir(parents=True)
    (bin / "python").write_text('#!/bin/sh\necho "$@"\n')
    (bin / "python").chmod(0o755)
    return copy


TRAIN = f"starter.train_{FRAMEWORKS[0]}"  # what a project trains when it is told nothing
HAZARDS = "samebits.proof.hazards_"


@pytest.mark.parametrize(
    ("words", "variables", "arguments"),
    [
        (["train"], {}, f"-m {TRAIN}"),
        (["train", "--epochs", "5"], {"DEVICE": "cuda"}, f"-m {TRAIN} --device cuda --epochs 5"),
        (["train"], {"FRAMEWORK": "torch", "NET": "digits"}, "-m starter.train_torch"),
        (["train"], {"FRAMEWORK": "keras", "NET": "digits"}, "-m starter.train_keras"),
        (["train"], {"FRAMEWORK": "keras", "NET": "hazards"}, f"-m {HAZARDS}keras"),
        (["train"], {"FRAMEWORK": "", "NET": "", "DEVICE": ""}, f"-m {TRAIN}"),
        (["smoke"], {}, f"-m samebits smoke python -m {TRAIN}"),
        (["seeds", "--epochs", "3"], {}, f"-m samebits seeds python -m {TRAIN} --epochs 3"),
        (["matrix"], {"DEVICE": "cpu"}, f"-m samebits matrix python -m {TRAIN} --device cpu"),
        (["smoke", "--seed", "3"], {"DEVICE": "cpu", "NET": "hazards"},
         f"-m samebits smoke python -m {HAZARDS}{FRAMEWORKS[0]} --device cpu --seed 3"),
        (["doctor", "--json"], {}, "-m samebits doctor --json"),
        (["python", "a b", "-c"], {}, "a b -c"),
    ],
)  # fmt: skip
def test_words(enter, project, words, variables, arguments):
    started = enter(*words, entrypoint=str(project / "entrypoint"), **variables)
    assert started.stderr == ""
    assert started.stdout == arguments + "\n"


def test_no_command_shows_the_usage_and_starts_nothing(enter, project):
    """The image's CMD says `train`; a clone's user may not know what starts."""
    nothing, asked, short = (
        enter(*words, entrypoint=str(project / "entrypoint")) for words in ([], ["--help"], ["-h"])
    )
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert (asked.returncode, asked.stderr) == (0, "")
    assert nothing.stderr == asked.stdout == short.stdout
    for word in ("train", "smoke", "seeds", "matrix", "doctor", "shell"):
        assert re.search(rf"^    {word} ", asked.stdout, re.MULTILINE)
    assert "#" not in asked.stdout
    assert '\nCMD ["train"]\n' in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("word", ["--nope", "-x", "--version"])
def test_an_unknown_option_is_one_line(enter, word):
    started = enter(word)
    assert started.returncode == 2
    assert f"there is no option {word}: see `{ENTRYPOINT} --help`" in one_line(started.stderr)


def test_pip_installs_nothing_anywhere(enter):
    """Whichever pip is on PATH, it is another Python's; and no variable of the shell adds a line."""
    for name in ("pip", "pip3"):
        started = enter(name, "install", "tabulate", OMP_NUM_THREADS="64")
        assert started.returncode == 2
        line = one_line(started.stderr)
        assert "`make add PACKAGE=NAME` adds one to environment.yml" in line


@pytest.mark.parametrize("variables", [{"FRAMEWORK": "jax"}, {"NET": "large"}])
def test_words_refuse_what_is_not_there(enter, project, variables):
    started = enter("train", entrypoint=str(project / "entrypoint"), **variables)
    assert started.returncode == 2
    (name,) = variables
    known = {"FRAMEWORK": " or ".join(FRAMEWORKS), "NET": "digits or hazards"}[name]
    assert one_line(started.stderr) == f"samebits: {name} is '{variables[name]}', must be {known}"


@pytest.mark.parametrize("word", ["train", "smoke", "doctor", "samebits"])
def test_a_missing_environment_is_one_line(enter, copy, word):
    started = enter(word, entrypoint=str(copy / "entrypoint"))
    assert started.returncode == 2
    assert "make env" in one_line(started.stderr)


def test_shell(home):
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "SHELL": "/bin/sh"}
    command = [ENTRYPOINT, "shell", "-c", "echo $OMP_NUM_THREADS"]
    started = subprocess.run(
        command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert started.stdout == "1\n"


@pytest.mark.parametrize("command", ["no-such-command", "cd", "./no/such", "say"])
def test_a_command_that_is_not_there(enter, command):
    started = enter(command)
    assert started.returncode == 127
    assert one_line(started.stderr) == f"samebits: {command}: there is no such command"


def test_a_script_without_python_and_a_command_of_samebits_are_meant(enter, project, home):
    (home / "train.py").write_text("print('trained')\n")
    for script, status in ((f"{home}/train.py", 126), ("train.py", 127)):
        started = enter(script)
        assert started.returncode == status
        said = one_line(started.stderr)
        assert said.endswith(f": did you mean `{ENTRYPOINT} python {script}`?")
        again = subprocess.run(said.split("`")[1], shell=True, cwd=home, capture_output=True, text=True)
        assert again.stdout == "trained\n", "a hint runs as printed"
    assert one_line(enter("other.py").stderr) == "samebits: other.py: there is no such command"
    shutil.rmtree(project / "src/starter")
    command = f"{project}/entrypoint"
    for name in set(COMMANDS) - {"doctor"}:  # which is a word of entrypoint's in every project
        if shutil.which(name) is not None:  # such as procps's watch
            continue
        said = one_line(enter(name, "--x", entrypoint=command).stderr)
        assert said.endswith(f"there is no such command: did you mean `{command} samebits {name} …`?")


def test_a_command_that_cannot_be_executed(enter, tmp_path):
    started = enter(str(tmp_path))
    assert started.returncode == 126
    one_line(started.stderr)


def test_the_status_and_arguments_pass_through(enter):
    assert enter("sh", "-c", "exit 7").returncode == 7
    assert enter("printf", "<%s>", "a  b", "", "*", "$HOME").stdout == "<a  b><><*><$HOME>"


def test_signals_reach_the_command():
    with subprocess.Popen(
        [ENTRYPOINT, "sh", "-c", "echo $$; exec sleep 60"], stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        assert int(started.stdout.readline()) == started.pid  # the same process: there is no shell in between
        started.send_signal(signal.SIGTERM)
        assert started.wait(10) == -signal.SIGTERM


def test_standard_input_is_the_commands(home):
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    started = subprocess.run(
        [ENTRYPOINT, "cat"], env=environment, input="all\nof it\n", capture_output=True, text=True
    )
    assert started.stdout == "all\nof it\n"


def test_it_costs_less_than_20_ms(home):
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}

    def seconds(*command: str) -> float:
        times = []
        for _ in range(20):
            begin = time.perf_counter()
            subprocess.run(command, env=environment, check=True)
            times.append(time.perf_counter() - begin)
        return min(times)  # the machine may be busy; the least is what the work itself takes

    assert seconds(ENTRYPOINT, "true") - seconds("sh", "-c", "exec true") < 0.020


# ---------------------------------------------------------------- the documentation


def test_process_md_names_what_exists():
    text = (ROOT / "docs/process.md").read_text()
    ours = {
        "SAMEBITS_ALLOW",
        "SAMEBITS_PROFILE",
        "SAMEBITS_THREADS",
        "SAMEBITS_CACHE",
        "SAMEBITS_ROOT",
        "SAMEBITS_REPLACED",
        "SAMEBITS_ENTRYPOINT",
        "SAMEBITS_RUN_FOLDER",
        "SAMEBITS_CURVES",
        "SAMEBITS_COMMIT",
        "SAMEBITS_WORD",
    }
    known = (
        ours
        | set(NEEDS)
        | {"FRAMEWORK", "NET", "DEVICE", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CACHE_HOME"}
        | {"TF_CPP_MIN_LOG_LEVEL"}
    )
    named = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", text))
    assert named <= known
    assert ours <= named
    for policy in {row.policy for row in TABLE}:
        assert f"**{policy}**" in text


def test_process_mds_examples_run(enter):
    """Each example that shows what samebits says runs here, and says just that."""
    text = (ROOT / "docs/process.md").read_text()
    examples = re.findall(r"^\$ (.*\./entrypoint .*)\n((?:samebits: .*\n)+)", text, re.MULTILINE)
    assert len(examples) >= 3
    for command, output in examples:
        started = enter("-c", f"cd {ROOT} && {command}", entrypoint="sh")
        assert started.stderr == output
