"""`samebits smoke`: equal runs, unequal runs, and trainings that fail, all as real processes."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import ROOT, Started, one_line

from samebits._formats import FORMAT

Start = Callable[..., Started]

# A training as `samebits smoke` sees one: a process that leaves a run folder. It needs no framework.
TRAINING = """
import json, os, struct, sys, time
from pathlib import Path
from samebits._formats import FORMAT
from samebits.hashing.weights import Tensor, save_tensors

NOTHING_SAVED = ("good", "random", "urandom", "metrics", "together")
what = sys.argv[1] if len(sys.argv) > 1 else "good"
folder = Path(os.environ["SAMEBITS_RUN_FOLDER"])
Path(f"started-{folder.name}").touch()
numbers = [0.5, 1.0, 2.0, 4.0]
loss, batches = 0.25, "aa"
if what == "random":  # one number, by three neighbours at most: what no printed loss shows
    bits = struct.unpack("<I", struct.pack("<f", numbers[2]))[0] + 1 + (folder.name == "run-2") * 3
    numbers[2] = struct.unpack("<f", struct.pack("<I", bits))[0]
if what in ("urandom", "random-and-saved"):
    numbers[0] = int.from_bytes(os.urandom(4), "little")
if what == "metrics":
    loss, batches = (0.25, "aa") if folder.name == "run-1" else (0.5, "bb")
if what == "refuse":
    print("epoch 1", flush=True)
    sys.exit("samebits: --rate is 7, must be at most 1")
if what == "raise":
    raise ZeroDivisionError("in the third layer")
if what == "killed":
    os.kill(os.getpid(), 9)
if what == "nothing":
    sys.exit()
if what == "together":  # ends only when another one runs beside it
    other = Path("started-run-2" if folder.name == "run-1" else "started-run-1")
    until = time.monotonic() + 20
    while not other.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert other.exists()
stopped = folder.with_name(f"{folder.name}.stopped")
if "SAMEBITS_STOP_AT" in os.environ and what != "deaf":
    with open(stopped, "a") as file:
        print(os.environ["SAMEBITS_STOP_AT"], file=file)
    sys.exit(75)
stops = [int(step) for step in stopped.read_text().split()] if stopped.exists() else []
if stopped.exists() and what == "forgets":
    numbers[1] += 1
if what == "third" and any(step % 8 % 3 for step in stops):  # counts in each epoch to three
    numbers[1] += 1
if stopped.exists() and what == "forgets-a-sum":
    loss += 1
if stopped.exists() and what == "breaks":
    sys.exit("samebits: the memory of the average is not what was saved")
if what == "nan":
    numbers[3] = float("nan")
chain = [{"from_step": step} for step in (0, *stops)]
CHANCE = [{"source": "default_rng()", "where": "train.py:7", "fix": "default_rng(seed)"}]
unsaved = [{"name": "average.updates", "kind": "int", "where": "ema.py:31", "fix": "register_buffer"}]
manifest = {
    "format": FORMAT, "steps": 32, "metrics": {"epoch": 4}, "settings": {"checkpoint_every": 5},
    "chain": [] if what in NOTHING_SAVED else chain, "unsaved": unsaved,
    "resumes_within_epochs": what != "end",
    "chance": CHANCE if what in ("random-and-saved", "forgets") else [],
}
folder.mkdir(parents=True)
if what != "foreign":
    (folder / "manifest.json").write_text(json.dumps(manifest))
weight = Tensor("F32", (2, 2), lambda: struct.pack("<4f", *numbers))
save_tensors({"a.bias": Tensor("F32", (0,), lambda: b""), "a.weight": weight}, folder / "weights.safetensors")
(folder / "metrics.jsonl").write_text(json.dumps({"epoch": 1, "loss": loss, "batches": batches}) + "\\n")
"""


@pytest.fixture
def smoke(start: Start, tmp_path: Path) -> Start:
    (tmp_path / "training.py").write_text(TRAINING)

    def smoke(what: str, *options: str, **variables: str | None) -> Started:
        variables = {"RUNS": None, "JOBS": None, **variables}
        return start("samebits", "smoke", *options, "python", "training.py", what, cwd=tmp_path, **variables)

    return smoke


def kept(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "runs").glob("*"))


def test_equal_runs_print_their_hashes_and_one_line(smoke: Start, tmp_path: Path) -> None:
    done = smoke("good")
    assert done.returncode == 0, done.stderr
    first, second, verdict = done.stdout.splitlines()
    assert first.startswith("run 1 of 2: sha256 ")
    assert first.split()[5] == second.split()[5] == verdict.split()[-1]
    assert verdict.startswith(
        "same bits: 2 runs, not interrupted (the run makes no checkpoints: call run.checkpoint(…)), sha256 "
    )
    assert kept(tmp_path) == [], "nothing is left behind"


def test_the_first_tensor_that_differs_is_named(smoke: Start, tmp_path: Path) -> None:
    done = smoke("random", RUNS="3")
    assert done.returncode == 1
    assert one_line(done.stderr) == "samebits: not the same bits: does not repeat: 3 runs, 2 different hashes"
    *hashes, where, between, verdict = done.stdout.splitlines()[:6]
    assert len(hashes) == 3
    assert between == "between run 1 and run 2:"
    assert verdict == (
        "first difference: the final weights, a.weight: 1 of 4 elements differ, by at most 3 ULPs: "
        "metrics and batches equal"
    )
    (folder,) = kept(tmp_path)
    assert where == f"the runs are kept in runs/{folder}"
    assert {"run-1", "run-2", "run-3", "run-1.log"} <= {
        path.name for path in (tmp_path / "runs" / folder).iterdir()
    }


def test_a_training_that_asks_the_system_for_randomness_is_caught(smoke: Start) -> None:
    done = smoke("urandom")
    assert done.returncode == 1
    assert "the first is a.weight: 1 of 4 elements differ" in done.stdout


def test_equal_weights_do_not_excuse_other_batches(smoke: Start) -> None:
    done = smoke("metrics")
    assert done.returncode == 1
    assert (
        one_line(done.stderr)
        == "samebits: not the same bits: does not repeat: 2 runs, one hash, but other metrics or batches"
    )
    assert "\nfirst difference: line 1 of metrics.jsonl, the batches\n" in done.stdout


def test_the_command_that_says_more_runs_as_it_is_printed(smoke: Start, tmp_path: Path) -> None:
    done = smoke("metrics")
    command = next(line for line in done.stdout.splitlines() if line.endswith("` says more")).split("`")[1]
    said = subprocess.run(shlex.split(command), cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 1, said.stderr
    assert said.stdout.startswith("first difference: line 1 of metrics.jsonl, the batches\n")


def test_json_has_the_verdict_and_the_command(smoke: Start) -> None:
    told = json.loads(smoke("metrics", "--json").stdout)["verdict"]
    assert told["first_difference"]["what"] == "batch"
    (more,) = told["more"]
    assert more.endswith("/run-1 runs/" + more.partition("runs/")[2].split("/")[0] + "/run-2")


def test_json(smoke: Start) -> None:
    good, bad = smoke("good", "--json"), smoke("random", "--json")
    assert json.loads(good.stdout)["same"] is True
    result = json.loads(bad.stdout)
    assert (bad.returncode, result["same"], len(set(result["sha256"]))) == (1, False, 2)
    assert result["difference"]["tensor"]["distance"] == 3
    assert Path(result["kept"]).name.startswith("smoke-")


STOP = 19  # of 32 steps in 4 epochs: in the third one, and a multiple of nothing that counts all steps
STOPS = f"step {STOP}, and again after step 25"  # its third step: the second stop is a multiple of nothing


@pytest.mark.parametrize("options", [(), ("--runs", "3", "--jobs", "2")])
def test_the_second_run_is_stopped_and_resumed(
    smoke: Start, tmp_path: Path, options: tuple[str, ...]
) -> None:
    done = smoke("saves", "--keep", *options)
    assert done.returncode == 0, done.stderr
    runs = 3 if options else 2
    verdict = done.stdout.splitlines()[-1]
    assert verdict.startswith(
        f"same bits: {runs} runs, the second was stopped after {STOPS} and resumed, sha256 "
    )
    (folder,) = (tmp_path / "runs").iterdir()
    assert [path.name for path in folder.glob("*.stopped")] == ["run-2.stopped"]


def test_nothing_is_interrupted_where_that_is_wanted(smoke: Start) -> None:
    done = smoke("forgets", NO_RESUME="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("same bits: 2 runs, sha256 ")


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("deaf", f"SAMEBITS_STOP_AT={STOP} left nothing to resume"),
        ("foreign", "the run makes no checkpoints: call run.checkpoint(…)"),
    ],
)
def test_a_run_that_was_not_interrupted_says_why(smoke: Start, what: str, why: str) -> None:
    done = smoke(what)
    assert done.returncode == 0, done.stderr
    assert f"same bits: 2 runs, not interrupted ({why}), sha256 " in done.stdout


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("forgets", "resumed, and has other weights"),
        ("third", "resumed, and has other weights"),
        ("forgets-a-sum", "resumed, and has the same weights, but other metrics or batches"),
        ("breaks", "could not be resumed: run 2 of 2: the memory of the average is not what was saved"),
    ],
)
def test_a_training_that_repeats_and_does_not_resume(
    smoke: Start, tmp_path: Path, what: str, says: str
) -> None:
    done = smoke(what)
    assert done.returncode == 1
    assert one_line(done.stderr) == (
        "samebits: not the same bits: repeats, but does not resume: "
        f"the second run was stopped after {STOPS} and {says}"
    )
    assert "run 3, not interrupted: sha256 " in done.stdout, "which decides"
    assert done.stdout.splitlines()[-2:] == [
        "unsaved and changing: average.updates (int, ema.py:31): register_buffer",
        f"`{ROOT}/entrypoint samebits resume-proof python training.py {what}` stops it at other steps, too",
    ]
    between = f"between run 1 and run 2, stopped after {STOPS} and resumed:"
    assert (between in done.stdout) is (what != "breaks")
    (folder,) = kept(tmp_path)
    assert (tmp_path / "runs" / folder / "run-2.stopped").exists()


def test_a_training_that_does_not_repeat_is_not_said_to_forget(smoke: Start) -> None:
    done = smoke("random-and-saved", "--json")
    assert done.returncode == 1
    assert one_line(done.stderr) == (
        "samebits: not the same bits: does not repeat: 3 runs, 3 different hashes"
    )
    told = json.loads(done.stdout)
    assert (told["same"], told["repeats"], told["resumes"], told["unsaved"]) == (False, False, None, [])
    assert told["chance"] == ["default_rng() (train.py:7): default_rng(seed)"]


def test_json_tells_repeating_and_resuming_apart(smoke: Start) -> None:
    good, bad = (json.loads(smoke(what, "--json").stdout) for what in ("saves", "forgets"))
    names = ("same", "repeats", "resumes", "stopped_after", "stopped_again_after", "not_interrupted")
    assert [good[name] for name in names] == [True, True, True, STOP, 25, None]
    assert [bad[name] for name in names] == [False, True, False, STOP, 25, None]
    assert (len(good["sha256"]), len(bad["sha256"])) == (2, 3)
    assert bad["unsaved"][0]["name"] == "average.updates"
    assert bad["chance"] == [], "it repeats: no chance decides"


def test_weights_that_are_no_numbers_are_not_called_the_same(smoke: Start) -> None:
    done = smoke("nan", "--json")
    assert done.returncode == 1
    line = one_line(done.stderr)
    assert line.startswith("samebits: not called the same bits: 2 runs, the second was stopped after step ")
    assert "and one hash, but the weights hold NaN in a.weight (1 value)" in line
    told = json.loads(done.stdout)
    assert (told["same"], told["repeats"], told["not_numbers"]) == (False, True, {"a.weight": 1})


def test_keep(smoke: Start, tmp_path: Path) -> None:
    done = smoke("good", "--keep")
    assert done.returncode == 0
    (folder,) = kept(tmp_path)
    assert f"the runs are kept in runs/{folder}" in done.stdout
    assert (tmp_path / "runs" / folder / "run-2" / "weights.safetensors").exists()


def test_runs_go_side_by_side(smoke: Start) -> None:
    assert smoke("together", "--no-resume", JOBS="2").returncode == 0


def test_a_refusal_is_passed_on_with_its_status(smoke: Start, tmp_path: Path) -> None:
    done = smoke("refuse")
    assert done.returncode == 1  # what sys.exit(text) gives
    assert one_line(done.stderr) == "samebits: run 1 of 2: --rate is 7, must be at most 1"
    assert done.stdout == ""
    assert kept(tmp_path) == []


@pytest.mark.parametrize(
    ("what", "ended"),
    [("raise", "ended with status 1"), ("killed", "was killed by SIGKILL")],
)
def test_a_training_that_breaks_shows_its_last_lines(smoke: Start, what: str, ended: str) -> None:
    done = smoke(what)
    assert done.returncode == 2, "nothing was compared, so nothing was found to differ"
    assert one_line(done.stderr) == (
        f"samebits: run 1 of 2 {ended}, so there is nothing to compare; it was `python training.py {what}`"
    )
    assert "the end of what run 1 of 2 wrote:" in done.stdout
    assert ("ZeroDivisionError: in the third layer" in done.stdout) == (what == "raise")


def test_a_training_without_a_run_is_told_how_to_make_one(smoke: Start) -> None:
    done = smoke("nothing")
    assert done.returncode == 2
    line = one_line(done.stderr)
    assert "`with samebits.torch.open_run(settings) as run:`, or samebits.keras.open_run" in line


@pytest.mark.parametrize(
    ("arguments", "variables", "says"),
    [
        ((), {}, "Missing argument 'COMMAND...'"),
        (("--rums", "3", "true"), {}, "No such option '--rums'"),
        (("--runs", "1", "true"), {}, "1 is not in the range x>=2"),
        (("true",), {"RUNS": "many"}, "'many' is not a valid integer range"),
        (("no-such-command",), {}, "run 1 of 2: no-such-command: there is no such command"),
    ],
)
def test_wrong_use_is_one_line(
    start: Start, tmp_path: Path, arguments: tuple[str, ...], variables: dict[str, str], says: str
) -> None:
    done = start("samebits", "smoke", *arguments, cwd=tmp_path, **{"RUNS": None, "JOBS": None, **variables})
    assert done.returncode == 2
    assert says in one_line(done.stderr)


@pytest.mark.parametrize(
    ("command", "number", "status"),
    [
        ("smoke", signal.SIGINT, 130),
        ("smoke", signal.SIGTERM, 143),
        ("resume-proof", signal.SIGTERM, 143),
        ("resume-proof", signal.SIGHUP, 129),
    ],
)
def test_an_interrupt_ends_the_trainings_and_what_they_started(
    tmp_path: Path, command: str, number: signal.Signals, status: int
) -> None:
    script = (
        "import os, subprocess, sys, time\n"
        f"worker = subprocess.Popen([{sys.executable!r}, '-c', 'import time; time.sleep(100)'])\n"
        "open('pids', 'w').write(f'{os.getpid()} {worker.pid} ')\n"
        "time.sleep(100)\n"
    )
    (tmp_path / "sleeper.py").write_text(script)
    # A shell's background job has SIGINT ignored, and so has all that it starts: even tests.
    words = ["env", "--default-signal", ROOT / "entrypoint", "samebits", command, "python", "sleeper.py"]
    process = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    pids = tmp_path / "pids"
    wait(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    process.send_signal(number)
    stderr = process.communicate(timeout=120)[1]
    assert process.returncode == status, stderr
    assert stderr.strip() == ("samebits: interrupted" if number == signal.SIGINT else "")
    for pid in pids.read_text().split():
        wait(lambda pid=pid: ended(int(pid)))
    assert kept(tmp_path) == []


def wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def ended(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return (
                file.read().rpartition(")")[2].split()[0] == "Z"
            )  # dead, and nobody has asked for its status
    except FileNotFoundError:
        return True


@pytest.mark.slow  # README.md's test does the same
def test_the_starter_gives_the_same_bits(start: Start, tmp_path: Path) -> None:
    done = start(
        "smoke", "--epochs", "1", cwd=tmp_path, RUNS="2", JOBS=None, FRAMEWORK=None, NET=None, DEVICE="cpu"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "same bits: 2 runs, the second was stopped after step " in done.stdout


def test_runs_that_cannot_be_written_go_elsewhere(smoke: Start, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file stands in the way")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = smoke("random", TMPDIR=str(elsewhere))
    assert done.returncode == 1
    (folder,) = (path for path in elsewhere.iterdir() if "smoke" in path.name)
    assert f"the runs are kept in {folder}" in done.stdout
    assert os.listdir(folder)


@pytest.mark.parametrize(
    "tool",
    ["smoke", "seeds", "matrix", "resume-proof", "verify manifest.json --command", "smoke-controls bare"],
)
def test_every_tool_starts_trainings_through_entrypoint(tmp_path: Path, tool: str) -> None:
    """From a bare shell, too: `smoke` gave its own variables on, `seeds` started entrypoint."""
    (tmp_path / "bare.py").write_text(
        "import json, os\n"
        "json.dump(dict(os.environ), open('seen', 'w'))\n"
        "raise SystemExit('samebits: enough')\n"
    )
    manifest = {"format": FORMAT, "framework": "torch", "device": "cpu", "fingerprint": {}, "code": None}
    manifest |= {"settings": {}, "deciding_settings": {}, "weights_sha256": "a" * 64}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    shell = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LC_ALL": "de_DE.UTF-8",
        "OMP_NUM_THREADS": "7",
    }
    command = tool.split()
    if command[-1] == "--command":
        command.append("python bare.py")
    elif command[-1] != "bare":
        command += ["python", "bare.py"]
    done = subprocess.run(
        [sys.executable, "-m", "samebits", *command], cwd=tmp_path, env=shell, capture_output=True, text=True
    )
    assert "enough" in one_line(done.stderr), done.stderr
    seen = json.loads((tmp_path / "seen").read_text())
    assert (seen["PYTHONHASHSEED"], seen["LC_ALL"], seen["OMP_NUM_THREADS"]) == ("0", "C.UTF-8", "1")
    assert sorted(seen["SAMEBITS_REPLACED"].split(",")) == ["LC_ALL", "OMP_NUM_THREADS"]
    assert not (tmp_path / "runs").exists(), "as there was none before"
