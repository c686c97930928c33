"""`python -m samebits.proof.stress`: what it does to a command, and what it leaves alone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Started, one_line

Start = Callable[..., Started]
DISTURB = ("python", "-m", "samebits.proof.stress")

# Runs for two seconds and tells what it has noticed.
WATCHER = """
import json, os, time
gap, cores, niceness, began = 0.0, set(), set(), time.monotonic()
last = began
while last < began + 2:
    time.sleep(0.002)
    now = time.monotonic()
    gap, last = max(gap, now - last), now
    cores.add(len(os.sched_getaffinity(0)))
    niceness.add(os.getpriority(os.PRIO_PROCESS, 0))
print(json.dumps({"gap": gap, "cores": min(cores), "niceness": len(niceness)}))
"""


def test_jitter_is_noticed(start: Start) -> None:
    done = start(*DISTURB, "--jitter", "1", "python", "-c", WATCHER)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["gap"] > 0.02, "it was stopped"
    assert seen["niceness"] > 1
    assert seen["cores"] < len(os.sched_getaffinity(0)) or seen["cores"] == 1


def test_the_status_is_passed_on(start: Start) -> None:
    assert start(*DISTURB, "sh", "-c", "exit 7").returncode == 7
    assert start(*DISTURB, "sh", "-c", "kill -9 $$").returncode == 137
    missing = start(*DISTURB, "no-such-command")
    assert missing.returncode == 2
    assert one_line(missing.stderr) == "samebits: cannot start no-such-command: No such file or directory"


def test_the_load_ends_with_the_command(start: Start) -> None:
    """Each burner is a child of disturb, as the command is."""
    code = "import os; print(open(f'/proc/{os.getppid()}/task/{os.getppid()}/children').read())"
    done = start(*DISTURB, "--load", "1", "python", "-c", code)
    pids = done.stdout.split()
    assert len(pids) == 2
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_a_signal_ends_everything(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    code = f"import os, time; open({str(told)!r}, 'w').write(f'{{os.getpid()}} '); time.sleep(60)"
    command = [
        sys.executable,
        "-m",
        "samebits.proof.stress",
        "--load",
        "1",
        "--jitter",
        "2",
        sys.executable,
        "-c",
        code,
    ]
    process = subprocess.Popen(command)
    until = time.monotonic() + 30
    while not (told.exists() and told.read_text().endswith(" ")):
        assert time.monotonic() < until
        time.sleep(0.05)
    trainings = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 128 + signal.SIGTERM
    assert len(trainings) == 2
    assert not any(os.path.exists(f"/proc/{pid}") for pid in trainings)
