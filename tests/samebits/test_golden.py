"""A run is compared with the committed hash, and a difference is explained by the fingerprints."""

import json

import pytest
from click.testing import CliRunner
from tests.conftest import ROOT

from samebits import WrongUse, golden


def manifest(weights="a" * 64, epochs=20, cpu="Model A", framework="torch", **more):
    return {
        "format": 1,
        "framework": framework,
        "device": "cpu",
        "weights_sha256": weights,
        "deciding_settings": {"seed": 0, "epochs": epochs, "rate": 0.5, "fast": True},
        "git": {"commit": "c" * 40, "dirty": False},
        "fingerprint": {
            "code": {"commit": "c" * 40},
            "cpu": {"model": cpu},
            "variables": {"XLA_FLAGS": '--a="b"', "UNSET": None},
        },
    } | more


@pytest.fixture
def committed(tmp_path, monkeypatch):
    """A golden file made by the command, from two finished runs."""
    (tmp_path / "determinism.env").symlink_to(ROOT / "determinism.env")
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
    assert "perhaps since that was made elsewhere: cpu.model: Model A → Model B (" in verdict
    assert "`samebits fingerprint diff torch-cpu RUN`" in verdict
    certain = manifest("b" * 64)
    certain["fingerprint"]["variables"]["XLA_FLAGS"] = "--other"
    verdict = golden.compare(certain, committed)
    assert 'which was made elsewhere: variables.XLA_FLAGS: --a="b" → --other' in verdict


def test_another_hash_under_the_same_fingerprint_is_not_explained_away(committed):
    other = manifest("b" * 64)
    other["fingerprint"] |= {"code": {"commit": "d" * 40, "dirty": True}, "image": "sha256:1"}
    for one in (manifest("b" * 64), other):
        said = golden.compare(one, committed)
        assert "under the same fingerprint: the code changed since commit cccccccccccc, or something" in said


def test_the_portable_profile_is_not_excused_by_the_cpu(committed):
    facts = manifest()["fingerprint"] | {"profile": "portable"}
    make(committed.parent / "one", manifest(profile="portable", fingerprint=facts))
    other = facts | {"cpu": {"model": "Model B"}}
    verdict = golden.compare(manifest("b" * 64, profile="portable", fingerprint=other), committed)
    assert "on another CPU (Model A → Model B), which PROFILE=portable promises not to happen" in verdict


def make(folder, run):
    """`samebits golden` of one run."""
    (folder / "manifest.json").write_text(json.dumps(run))
    return CliRunner().invoke(golden.command, [str(folder)])


def test_only_a_commits_hash_is_golden(committed):
    before = committed.read_text()
    dirty = {"commit": "e" * 40, "dirty": True}
    for state, words in ((dirty, "differs from commit eeeeeeeeeeee"), (None, "outside of a git checkout")):
        refused = make(committed.parent / "one", manifest("e" * 64, git=state))
        assert isinstance(refused.exception, WrongUse)
        assert words in str(refused.exception)
        assert committed.read_text() == before


def test_it_shows_what_changed(committed):
    facts = manifest()["fingerprint"] | {"libraries": {"torch": "3"}, "image": "x"}
    said = make(committed.parent / "one", manifest("e" * 64, fingerprint=facts)).output
    assert said.splitlines() == [
        "torch-cpu: aaaaaaaaaaaaaaaa… → eeeeeeeeeeeeeeee…",
        "  may change bits: libraries.torch: absent → 3",
    ]
    same = make(committed.parent / "one", manifest("e" * 64)).output
    assert same == "torch-cpu: the same hash, eeeeeeeeeeeeeeee…\n"


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
