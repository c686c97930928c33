"""`samebits doctor`, as a command."""

import json
import os
import re
import subprocess
import sys

import pytest
from tests.conftest import ROOT, Started, one_line

from samebits.doctor.report import report
from samebits.process import shared_memory
from samebits.process.variables import read


def doctor(*arguments: str, through: bool = True, **variables: str) -> Started:
    environment = {"PATH": os.environ["PATH"], "HOME": "/tmp", **variables}
    program = [str(ROOT / "entrypoint")] if through else [sys.executable, "-m", "samebits"]
    return subprocess.run([*program, "doctor", *arguments], env=environment, capture_output=True, text=True)


def test_all_is_right_through_entrypoint():
    started = doctor("--json")
    assert started.returncode == 0, started.stderr
    findings = json.loads(started.stdout)
    # Where the tests run in a container, there may be little of it.
    assert {finding["outcome"] for finding in findings if finding["subject"] != "shared memory"} == {"ok"}
    assert {row.name for row in read()} < {finding["subject"] for finding in findings}


def test_a_bare_process_is_wrong():
    started = doctor("--json", through=False, OMP_NUM_THREADS="64")
    assert started.returncode == 1
    assert "checks failed: PYTHONHASHSEED" in one_line(started.stderr)
    findings = {finding["subject"]: finding for finding in json.loads(started.stdout)}
    assert findings["OMP_NUM_THREADS"]["outcome"] == "fail"
    assert "is '64', must be '1'" in findings["OMP_NUM_THREADS"]["found"]
    assert "samebits exec -- " in findings["OMP_NUM_THREADS"]["fix"]
    assert findings["TF_USE_LEGACY_KERAS"]["outcome"] == "ok"


def test_the_table_has_whole_lines():
    started = doctor("--all", SAMEBITS_ALLOW="NVIDIA_TF32_OVERRIDE", NVIDIA_TF32_OVERRIDE="1")
    assert started.returncode == 0
    (line,) = (line for line in started.stdout.splitlines() if line.startswith("NVIDIA_TF32_OVERRIDE"))
    assert re.split(r"\s{2,}", line.strip()) == [
        "NVIDIA_TF32_OVERRIDE",
        "warn",
        "1",
        "allowed by SAMEBITS_ALLOW",
    ]


def test_only_what_is_not_right_is_shown():
    """And a last line concludes and counts; `--all` and `--json` have every row."""
    started = doctor(SAMEBITS_ALLOW="NVIDIA_TF32_OVERRIDE", NVIDIA_TF32_OVERRIDE="1")
    everything = json.loads(doctor("--json").stdout)
    outcomes = [row["outcome"] for row in everything]
    heading, *rows, last = started.stdout.splitlines()
    assert heading.startswith("subject")
    assert len(rows) == 1 + outcomes.count("warn")  # shared memory, in a small container
    counts = r"\d warn, \d+ ok \(`.*entrypoint samebits doctor --all` lists all checks\)"
    assert re.fullmatch(f"nothing to fix: {counts}", last)
    *_, last = doctor().stdout.splitlines()
    if set(outcomes) == {"ok"}:
        assert last.startswith(f"nothing to fix: {len(outcomes)} ok (")
        assert len(doctor().stdout.splitlines()) == 1
    wrong = doctor(through=False).stdout.splitlines()
    assert re.match(r"problems to fix: \d+ fail, ", wrong[-1])
    assert not [line for line in wrong if re.search(r"\bok\b", line)][:-1]
    assert len(doctor("--all").stdout.splitlines()) > len(outcomes)


def test_a_package_that_is_not_as_locked_is_wrong(tmp_path):
    for name in ("conda-lock.yml", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    lock = (ROOT / "requirements.lock").read_text()
    lock = re.sub(r"^numpy==\S+", "numpy==1.0", lock, flags=re.MULTILINE)
    (tmp_path / "requirements.lock").write_text(lock + "no-such-package==3.1 --hash=sha256:0\n")
    started = doctor("--json", through=False, SAMEBITS_ROOT=str(tmp_path))
    assert started.returncode == 1
    findings = {finding["subject"]: finding for finding in json.loads(started.stdout)}
    assert findings["numpy"]["found"].endswith("locked is 1.0")
    assert findings["no-such-package"]["found"] == "not installed, locked is 3.1"
    assert "make env" in findings["numpy"]["fix"]
    assert "torch" not in findings


@pytest.mark.parametrize(
    ("size", "state", "says"),
    [
        (64 << 20, "warn", "/dev/shm holds 64 MiB"),
        (2 << 30, "ok", "/dev/shm holds 2048 MiB"),
        (None, "warn", "there is no /dev/shm"),
    ],
)
def test_little_shared_memory_is_doubtful(
    monkeypatch: pytest.MonkeyPatch, size: int | None, state: str, says: str
) -> None:
    monkeypatch.setattr(shared_memory, "size", lambda: size)
    (finding,) = (row for row in report() if row.subject == "shared memory")
    assert (finding.outcome, finding.found) == (state, says)
    assert ("--shm-size" in finding.fix) == (state == "warn")


def test_placebos_and_traps_are_told():
    started = doctor(
        "--json",
        TF_CUDNN_DETERMINISTIC="1",
        PYTHONHASSEED="0",
        ONEDNN_MAX_CPU_ISA="AVX2",
        DNNL_MAX_CPU_ISA="AVX512_CORE",
    )
    assert started.returncode == 1
    assert "1 of" in one_line(started.stderr)
    findings = {finding["subject"]: finding for finding in json.loads(started.stdout)}
    assert findings["TF_CUDNN_DETERMINISTIC"]["found"].startswith("1: has no effect. TensorFlow 1.14 to 2.0")
    assert findings["PYTHONHASSEED"]["fix"] == "did you mean PYTHONHASHSEED?"
    assert findings["DNNL_MAX_CPU_ISA"]["outcome"] == "fail"
    assert "ONEDNN_MAX_CPU_ISA is 'AVX2'" in findings["DNNL_MAX_CPU_ISA"]["found"]
    assert findings["NCCL_DETERMINISTIC"]["found"] == "not set"


def test_switches_that_open_run_leaves_alone_are_told():
    started = doctor("--json", SAMEBITS_ALLOW="TZ,torch.backends.cudnn.benchmark")
    findings = {finding["subject"]: finding for finding in json.loads(started.stdout)}
    assert findings["torch.backends.cudnn.benchmark"]["outcome"] == findings["TZ"]["outcome"] == "warn"
    assert "torch.use_deterministic_algorithms" not in findings


def test_a_package_in_no_lock_is_doubtful(tmp_path):
    (tmp_path / "surplus-1.0.dist-info").mkdir()
    (tmp_path / "surplus-1.0.dist-info" / "METADATA").write_text("Name: surplus\nVersion: 1.0\n")
    code = (
        "import sys, sysconfig; sysconfig.get_path = lambda name: sys.argv[1]\n"
        "from samebits.doctor.report import report; print([f for f in report() if f.subject == 'surplus'])"
    )
    started = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert "'warn'" in started.stdout, started.stderr
    assert "in no lock" in started.stdout


def test_it_takes_less_than_two_seconds():
    """Of this process's own time: other work on the machine does not count."""
    before = os.times()
    assert doctor().returncode == 0
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 2


def test_no_framework_is_imported():
    code = "import sys; from samebits.doctor import report; report.report()"
    code += "; print({'torch', 'numpy', 'keras'} & set(sys.modules))"
    started = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert started.stdout == "set()\n"
