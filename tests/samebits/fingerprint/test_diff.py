"""Two fingerprints: in what they differ, and whether that changes bits."""

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT, one_line

from samebits import UsageError
from samebits.fingerprint.diff import RULES, change, differences
from samebits.fingerprint.facts import flatten
from samebits.fingerprint.sources import read
from samebits.process import variables

Start = Callable[..., subprocess.CompletedProcess[str]]


def ranks(first: dict[str, str], second: dict[str, str]) -> dict[str, str]:
    return {difference.fact: difference.rank for difference in differences(first, second)}


def test_what_somebody_changed_comes_before_what_the_machine_is() -> None:
    facts = ("variables.XLA_FLAGS", "data.a", "code.dirty", "locks.a", "cpu.model", "cpu.vendor")
    rows = differences(dict.fromkeys(facts, "1"), dict.fromkeys(facts, "2"))
    assert [difference.fact for difference in rows] == list(facts)
    assert all(difference.why for difference in rows)
    interop = "effective.torch.interop_threads"
    filled = "determinism.fill_uninitialized_memory"  # as `samebits smoke` does
    ranked = {"libc": "may", "cpu.instructions": "changes", filled: "none", interop: "none"}
    first = dict.fromkeys(ranked, "1") | {"a": "1"}
    rows = differences(first, dict.fromkeys(ranked, "2") | {"a": "1"})
    assert [(difference.fact, difference.rank) for difference in rows] == list(ranked.items()), (
        "what changes nothing is the last"
    )
    assert differences(first, first) == []


def test_in_the_portable_profile_the_cpu_does_not_count() -> None:
    facts = [f"cpu.{name}" for name in ("instructions", "vendor", "model", "libm", "mkl")]
    facts.append("effective.numpy.cpu_features")
    own, other = (dict.fromkeys(facts, value) | {"profile": "portable"} for value in "ab")
    assert ranks(own, other) == dict.fromkeys(facts, "none")
    assert ranks(own | {"profile": "run"}, other)["cpu.instructions"] == "changes"
    threads = {"effective.torch.threads": "1"}, {"effective.torch.threads": "2"}
    assert ranks(own | threads[0], other | threads[1])["effective.torch.threads"] == "changes"


def test_what_gave_the_same_weights_changed_nothing() -> None:
    facts = {"cpu.vendor": "a", "data.a": "1", "weights_sha256": "w"}
    assert set(ranks(facts, {"cpu.vendor": "b", "data.a": "2", "weights_sha256": "w"}).values()) == {"none"}
    assert ranks(facts, facts | {"cpu.vendor": "b", "weights_sha256": "v"}) == {"cpu.vendor": "changes"}


def test_code_is_told_by_the_files_that_ran() -> None:
    own = {"code.commit": "1", "code.files.train.py": "a"}
    assert ranks(own, own | {"code.commit": "2"}) == {"code.commit": "none"}
    assert ranks(own, own | {"code.dirty": "True", "code.diff": "d"}) == {
        "code.diff": "none",
        "code.dirty": "none",
    }
    other = {"code.commit": "2", "code.files.train.py": "b"}
    assert ranks(own, other) == {"code.commit": "may", "code.files.train.py": "may"}
    assert ranks({"setting a": "1"}, {"setting a": "2"}) == {"setting a": "changes"}
    assert ranks({"setting a": "1"}, {}) == {"setting a": "none"}
    assert ranks(own, {"code.commit": "2"}) == {"code.commit": "may", "code.files.train.py": "none"}


def test_of_a_list_only_what_was_lost_and_added_is_shown() -> None:
    facts = [
        {
            "effective": {"numpy": {"cpu_features": features}, "thread_pools": [{"api": "blas", "cpu": cpu}]},
            "cpu": {"instructions": f"avx avx2 {cpu}", "model": f"A {cpu}"},
            "locks": {"a": cpu[:1] * 64},
            "variables": {"XLA_FLAGS": f"--a=1 --b={cpu}"},
        }
        for features, cpu in ((["AVX", "AVX512FP16", "AVX512_SPR"], "amx"), (["AVX", "AVX2"], "fma"))
    ]
    shown = {
        difference.fact: change(difference)
        for difference in differences(*(dict(flatten(side)) for side in facts))
    }
    assert shown == {
        "effective.numpy.cpu_features": "−AVX512FP16  −AVX512_SPR  +AVX2",
        "effective.thread_pools": "−amx  +fma",
        "cpu.instructions": "−amx  +fma",
        "cpu.model": "A amx → A fma",
        "locks.a": "aaaaaaaaaaaa… → ffffffffffff…",
        "variables.XLA_FLAGS": "−--b=amx  +--b=fma",
    }


def test_the_same_library_at_another_place_does_not_count() -> None:
    own, other = {"loaded.libm.so.6": "/lib/libm sha256:ab"}, {"loaded.libm.so.6": "/usr/lib/libm sha256:ab"}
    assert ranks(own, other) == {"loaded.libm.so.6": "none"}
    assert ranks(own, {"loaded.libm.so.6": "/lib/libm sha256:cd"}) == {"loaded.libm.so.6": "may"}


def test_data_count_where_both_have_read_some() -> None:
    assert ranks({"data.a": "1"}, {"data.a": "2"}) == {"data.a": "changes"}
    assert ranks({"data.a": "1"}, {"python": "3"})["data.a"] == "none"


def test_variables_have_the_reason_of_determinism_env() -> None:
    every = {f"variables.{row.name}": "x" for row in variables.read()}
    by_fact = {difference.fact: difference for difference in differences({}, every)}
    assert by_fact["variables.OMP_NUM_THREADS"].rank == "changes"
    assert "reduction" in by_fact["variables.OMP_NUM_THREADS"].why
    assert by_fact["variables.CUBLASLT_WORKSPACE_SIZE"].rank == "may"
    assert by_fact["variables.CUDA_VISIBLE_DEVICES"].rank == "none"


@pytest.fixture(scope="module")
def told(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `samebits fingerprint --json` prints."""
    started = start("samebits", "fingerprint", "--json")
    assert started.returncode == 0, started.stderr
    path = tmp_path_factory.mktemp("fingerprint") / "here.json"
    path.write_text(started.stdout)
    return path


def test_every_fact_of_this_machine_is_known_to_the_ranking(told: Path) -> None:
    facts = read(str(told))
    assert {"cpu.libm", "code.samebits.sha256", "locks.requirements.lock", "profile"} <= facts.keys()
    assert any(name.startswith("loaded.libscipy_openblas") for name in facts)
    unknown = [
        difference.fact
        for difference in differences(facts, {})
        if difference.why == "samebits does not know this fact"
    ]
    assert unknown == []
    assert len({pattern for pattern, _, _ in RULES}) == len(RULES)


def test_the_command(start: Start, told: Path, tmp_path: Path) -> None:
    same = start("samebits", "fingerprint", "diff", told, told)
    assert (same.returncode, same.stdout) == (0, "no differences\n")
    assert start("samebits", "fingerprint", "diff", told, told, "--json").stdout == "[]\n"
    content: dict[str, Any] = json.loads(told.read_text())
    content["cpu"]["libm"] = "other"
    content["effective"]["time_zone"] = "CET"
    (tmp_path / "there.json").write_text(json.dumps(content))
    differ = start("samebits", "fingerprint", "diff", told, tmp_path / "there.json")
    assert differ.returncode == 1
    assert one_line(differ.stderr) == "samebits: differences that change bits: 1; that may: 1"
    assert differ.stdout.index("effective.time_zone") < differ.stdout.index("cpu.libm")
    listed = start("samebits", "fingerprint", "diff", told, tmp_path / "there.json", "--json")
    assert [difference["fact"] for difference in json.loads(listed.stdout)] == [
        "effective.time_zone",
        "cpu.libm",
    ]


def test_the_table_is_readable_on_a_terminal_and_in_a_pipe(start: Start, told: Path, tmp_path: Path) -> None:
    content: dict[str, Any] = json.loads(told.read_text())
    content["cpu"]["instructions"] += " amx_tile"
    content["effective"]["numpy"]["cpu_features"] += ["AVX512_SPR"]
    content["locks"]["requirements.lock"] = "a" * 64
    (tmp_path / "there.json").write_text(json.dumps(content))
    (tmp_path / "here.json").symlink_to(told)
    words = ("samebits", "fingerprint", "diff", "here.json", "there.json")
    for terminal, width in (({}, 160), ({"TTY_COMPATIBLE": "1", "COLUMNS": "100", "NO_COLOR": "1"}, 100)):
        printed = start(*words, cwd=tmp_path, **terminal).stdout
        lines = re.sub(r"\x1b\[\d+m", "", printed).splitlines()
        assert max(map(len, lines)) <= width
        assert len(lines) <= 10, "three facts"
        assert "+amx_tile" in "".join(lines)
        assert "…" in "".join(lines)


def test_two_runs_with_the_same_weights_are_told_apart_by_nothing(start: Start, tmp_path: Path) -> None:
    name = next(name for name in tomllib.loads((ROOT / "golden.toml").read_text()) if "portable" in name)
    entry = tomllib.loads((ROOT / "golden.toml").read_text())[name]
    facts = {"profile": "portable", "cpu": {"vendor": "Another", "instructions": "avx2 fma"}}
    run = {"format": 2, "framework": entry["framework"], "device": "cpu", "fingerprint": facts}
    for weights, status in ((entry["weights_sha256"], 0), ("b" * 64, 1)):
        (tmp_path / "manifest.json").write_text(json.dumps(run | {"weights_sha256": weights}))
        done = start("samebits", "fingerprint", "diff", name, tmp_path)
        assert done.returncode == status
        assert done.stdout.startswith(f"the same weights: {weights}\n") is (status == 0)
        assert ("differences that change bits" in done.stderr) is (status == 1)


def test_other_weights_for_no_recorded_reason(start: Start, tmp_path: Path) -> None:
    run = {"format": 2, "framework": "torch", "device": "cpu"}
    for name, weights, place in (("a", "a" * 64, "1"), ("b", "b" * 64, "1"), ("c", "c" * 64, "0")):
        (tmp_path / name).mkdir()
        manifest = run | {"weights_sha256": weights}
        manifest["fingerprint"] = {"libc": "glibc 2", "variables": {"CUDA_VISIBLE_DEVICES": place}}
        (tmp_path / name / "manifest.json").write_text(json.dumps(manifest))
    for other, shown in (("b", ""), ("c", "1 cannot change bits: --all shows them\n")):
        done = start("samebits", "fingerprint", "diff", "a", other, cwd=tmp_path)
        line = one_line(done.stderr)
        assert (done.returncode, done.stdout) == (1, shown)
        assert f"the weights do (aaaaaaaaaaaa… and {other * 12}…)" in line
        assert "samebits lint SCRIPT" in line
        assert "samebits smoke python SCRIPT" in line
    assert start("samebits", "fingerprint", "diff", "a", "b", "--json", cwd=tmp_path).returncode == 1
    assert start("samebits", "fingerprint", "diff", "a", "a", cwd=tmp_path).returncode == 0


def test_now_is_as_it_was(start: Start, told: Path) -> None:
    started = start("samebits", "fingerprint", "diff", told, "now")
    assert started.returncode == 0, started.stdout + started.stderr


def test_what_has_no_fingerprint_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[1]")
    with pytest.raises(UsageError, match="has no fingerprint: give a run folder"):
        read(str(tmp_path / "x.json"))
    with pytest.raises(UsageError, match=r"nowhere is no run folder, no file and no entry of golden\.toml"):
        read("nowhere")
    _, (name, entry), *_ = tomllib.loads((ROOT / "golden.toml").read_text()).items()
    assert read(name)["framework"] == entry["framework"]
    assert read(f"{entry['framework']}-cpu")["profile"] == "run", "that of this CPU's kind, or the first"


def test_a_missing_or_broken_golden_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "find_root", lambda: tmp_path)
    with pytest.raises(UsageError, match=r"no entry of golden\.toml \(which has none\)"):
        read("nowhere")
    (tmp_path / "golden.toml").write_text("[")
    with pytest.raises(UsageError, match=r"golden\.toml is not valid TOML"):
        read("nowhere")
