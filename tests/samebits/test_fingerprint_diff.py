"""Two fingerprints: in what they differ, and whether that changes bits."""

import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT, one_line

from samebits import WrongUse, variables
from samebits.fingerprint_diff import RULES, differences, read

Start = Callable[..., subprocess.CompletedProcess[str]]


def ranks(first: dict[str, str], second: dict[str, str]) -> dict[str, str]:
    return {one.fact: one.rank for one in differences(first, second)}


def test_what_changes_bits_comes_first() -> None:
    interop = "effective.torch.interop_threads"
    first = {"libc": "glibc 2.36", "cpu.instructions": "avx2", interop: "1", "a": "1"}
    second = {"libc": "glibc 2.41", "cpu.instructions": "avx", interop: "4", "a": "1"}
    found = differences(first, second)
    ranked = [("cpu.instructions", "changes"), ("libc", "may"), (interop, "none")]
    assert [(one.fact, one.rank) for one in found] == ranked
    assert all(one.why for one in found)
    assert differences(first, first) == []


def test_in_the_portable_profile_the_cpu_does_not_count() -> None:
    other = {"cpu.instructions": "avx2", "cpu.libm": "b", "profile": "portable"}
    own = {"cpu.instructions": "avx512f", "cpu.libm": "a", "profile": "portable"}
    assert ranks(own, other) == {"cpu.libm": "changes", "cpu.instructions": "none"}
    assert ranks(own | {"profile": "run"}, other)["cpu.instructions"] == "changes"


def test_the_same_library_at_another_place_does_not_count() -> None:
    own, other = {"loaded.libm.so.6": "/lib/libm sha256:ab"}, {"loaded.libm.so.6": "/usr/lib/libm sha256:ab"}
    assert ranks(own, other) == {"loaded.libm.so.6": "none"}
    assert ranks(own, {"loaded.libm.so.6": "/lib/libm sha256:cd"}) == {"loaded.libm.so.6": "may"}


def test_data_count_where_both_have_read_some() -> None:
    assert ranks({"data.a": "1"}, {"data.a": "2"}) == {"data.a": "changes"}
    assert ranks({"data.a": "1"}, {"python": "3"})["data.a"] == "none"


def test_variables_have_the_reason_of_determinism_env() -> None:
    every = {f"variables.{row.name}": "x" for row in variables.read()}
    found = {one.fact: one for one in differences({}, every)}
    assert found["variables.OMP_NUM_THREADS"].rank == "changes"
    assert "reduction" in found["variables.OMP_NUM_THREADS"].why
    assert found["variables.CUBLASLT_WORKSPACE_SIZE"].rank == "may"
    assert found["variables.CUDA_VISIBLE_DEVICES"].rank == "none"


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
    assert {"cpu.libm", "code.commit", "locks.requirements.lock", "profile"} <= facts.keys()
    assert any(name.startswith("loaded.libscipy_openblas") for name in facts)
    unknown = [one.fact for one in differences(facts, {}) if one.why == "nothing is known of it"]
    assert unknown == []
    assert len({pattern for pattern, _, _ in RULES}) == len(RULES)


def test_the_command(start: Start, told: Path, tmp_path: Path) -> None:
    same = start("samebits", "fingerprint", "diff", told, told)
    assert (same.returncode, same.stdout) == (0, "no differences\n")
    content: dict[str, Any] = json.loads(told.read_text())
    content["cpu"]["libm"] = "other"
    content["effective"]["time_zone"] = "CET"
    (tmp_path / "there.json").write_text(json.dumps(content))
    differ = start("samebits", "fingerprint", "diff", told, tmp_path / "there.json")
    assert differ.returncode == 1
    assert one_line(differ.stderr) == "samebits: differences that change bits: 1; that may: 1"
    assert differ.stdout.index("cpu.libm") < differ.stdout.index("effective.time_zone")
    listed = start("samebits", "fingerprint", "diff", told, tmp_path / "there.json", "--json")
    assert [one["fact"] for one in json.loads(listed.stdout)] == ["cpu.libm", "effective.time_zone"]


def test_now_is_as_it_was(start: Start, told: Path) -> None:
    started = start("samebits", "fingerprint", "diff", told, "now")
    assert started.returncode == 0, started.stdout + started.stderr


def test_what_has_no_fingerprint_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[1]")
    with pytest.raises(WrongUse, match="has no fingerprint: give a run folder"):
        read(str(tmp_path / "x.json"))
    with pytest.raises(WrongUse, match=r"nowhere is no run folder, no file and no entry of golden\.toml"):
        read("nowhere")
    name, entry = next(iter(tomllib.loads((ROOT / "golden.toml").read_text()).items()))
    assert read(name)["framework"] == entry["framework"]


def test_a_missing_or_broken_golden_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "find_root", lambda: tmp_path)
    with pytest.raises(WrongUse, match=r"no entry of golden\.toml \(which has none\)"):
        read("nowhere")
    (tmp_path / "golden.toml").write_text("[")
    with pytest.raises(WrongUse, match=r"golden\.toml is not valid TOML"):
        read("nowhere")
