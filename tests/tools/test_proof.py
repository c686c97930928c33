"""`make proof` resumes where it was interrupted, and never takes a failed or an outdated part for shown."""

import importlib.util
import sys

import pytest
from tests.conftest import ROOT


@pytest.fixture
def proof(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("proof", ROOT / "tools" / "proof.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "proof", module)
    spec.loader.exec_module(module)
    module.FOLDER = tmp_path
    return module


def counted(proof, tmp_path, status=0):
    """A part that leaves one line in a file each time it runs."""
    return proof.Part(
        "part", "that it ran", f"echo ran >> {tmp_path}/runs; echo the last line; exit {status}"
    )


def times(tmp_path):
    return (tmp_path / "runs").read_text().count("ran")


def test_a_part_that_passed_on_this_tree_is_not_run_again(proof, tmp_path):
    part = counted(proof, tmp_path)
    first, second = (proof.run(part, "tree", again=False) for _ in range(2))
    assert first == second
    assert first["last_line"] == "the last line"
    assert times(tmp_path) == 1


def test_another_tree_a_failure_or_again_runs_it(proof, tmp_path):
    part = counted(proof, tmp_path)
    for tree, again in (("tree", False), ("other", False), ("other", True)):
        proof.run(part, tree, again)
    assert times(tmp_path) == 3
    for _ in range(2):
        assert proof.run(counted(proof, tmp_path, status=3), "failing", again=False)["status"] == 3
    assert times(tmp_path) == 5


def test_a_part_gets_nothing_from_the_make_that_started_the_proof(proof, monkeypatch):
    for name, value in {"MAKEFLAGS": " -- ARGS=part", "ARGS": "part", "RUNS": "3"}.items():
        monkeypatch.setenv(name, value)
    part = proof.Part("part", "its own words", "echo ${MAKEFLAGS-}${ARGS-}${RUNS-}nothing")
    assert proof.run(part, "tree", again=False)["last_line"] == "nothing"


def test_the_trees_hash_sees_every_file_that_git_would_see(proof, tmp_path, monkeypatch):
    tree = tmp_path / "tree"
    tree.mkdir()
    proof.subprocess.run(["git", "init", "--quiet"], cwd=tree, check=True)
    monkeypatch.setattr(proof, "ROOT", tree)
    hashes = [proof.tree_hash()]
    for name, text in (("a", "1"), ("a", "2"), ("b", "2"), (".gitignore", "c\n")):
        (tree / name).write_text(text)
        hashes.append(proof.tree_hash())
    assert len(set(hashes)) == len(hashes)
    (tree / "c").write_text("ignored")
    assert proof.tree_hash() == hashes[-1]
