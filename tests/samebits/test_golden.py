"""A run is compared with the committed hash, and a difference is explained by the fingerprints."""

import json

import pytest
from click.testing import CliRunner

from samebits import WrongUse, golden


def manifest(weights="a" * 64, epochs=20, cpu="Model A", framework="torch"):
    return {
        "format": 1,
        "framework": framework,
        "device": "cpu",
        "weights_sha256": weights,
        "deciding_settings": {"seed": 0, "epochs": epochs, "rate": 0.5, "fast": True},
        "fingerprint": {"cpu": {"model": cpu}, "variables": {"XLA_FLAGS": '--a="b"', "UNSET": None}},
    }


@pytest.fixture
def committed(tmp_path, monkeypatch):
    """A golden file made by the command, from two finished runs."""
    monkeypatch.setattr("samebits.variables.find_root", lambda: tmp_path)
    for name, run in {"one": manifest(), "two": manifest(framework="keras")}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(json.dumps(run))
    done = CliRunner().invoke(golden.command, [str(tmp_path / "one"), str(tmp_path / "two")])
    assert done.exit_code == 0, done.output
    return tmp_path / "golden.toml"


def test_the_same_hash_matches(committed):
    assert golden.compare(manifest(), committed) == "matches the golden hash"


def test_another_hash_is_explained_by_what_differs(committed):
    verdict = golden.compare(manifest("b" * 64, cpu="Model B"), committed)
    assert verdict.endswith("made elsewhere: cpu.model: Model A → Model B")


def test_another_hash_under_the_same_fingerprint_is_not_explained_away(committed):
    assert "under the same fingerprint" in golden.compare(manifest("b" * 64), committed)


def test_other_settings_have_no_golden_hash(committed):
    assert golden.compare(manifest(epochs=3), committed).startswith("no golden hash")


def test_writing_again_replaces_only_its_own_entry(committed):
    run = manifest("c" * 64)
    (committed.parent / "one" / "manifest.json").write_text(json.dumps(run))
    before = golden.read(committed)
    CliRunner().invoke(golden.command, [str(committed.parent / "one")])
    after = golden.read(committed)
    assert after["torch-cpu"]["weights_sha256"] == "c" * 64
    assert after["keras-cpu"] == before["keras-cpu"]


def test_the_profiles_have_entries_of_their_own(committed):
    portable = manifest("d" * 64) | {"profile": "portable"}
    assert golden.compare(portable, committed).startswith("no golden hash")
    (committed.parent / "one" / "manifest.json").write_text(json.dumps(portable))
    CliRunner().invoke(golden.command, [str(committed.parent / "one")])
    assert set(golden.read(committed)) == {"torch-cpu", "keras-cpu", "torch-cpu-portable"}
    assert golden.compare(portable, committed) == "matches the golden hash"
    assert golden.compare(manifest() | {"profile": "run"}, committed) == "matches the golden hash"


def test_an_entry_that_names_no_profile_is_of_the_profile_run(committed):
    committed.write_text(committed.read_text().replace('profile = "run"\n', ""))
    assert golden.compare(manifest(), committed) == "matches the golden hash"


def test_a_damaged_file_is_one_line(tmp_path):
    (tmp_path / "golden.toml").write_text("[")
    with pytest.raises(WrongUse, match="is not valid TOML"):
        golden.compare(manifest(), tmp_path / "golden.toml")
