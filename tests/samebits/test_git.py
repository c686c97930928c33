"""What git says of the code, and what stands for it where there is none."""

import subprocess

from samebits.git import git, git_state


def test_an_image_says_whether_its_commit_was_clean(monkeypatch):
    for given, dirty in (("c" * 40, False), ("c" * 40 + "-dirty", True)):
        monkeypatch.setenv("SAMEBITS_COMMIT", given)
        assert git_state() == {"commit": "c" * 40, "dirty": dirty, "diff": None}


def test_no_checkout_is_no_error(tmp_path, monkeypatch):
    assert git(tmp_path, "rev-parse", "HEAD") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git(tmp_path, "version") is None
    monkeypatch.delenv("SAMEBITS_COMMIT", raising=False)
    assert git_state() is None


def test_the_diff_tells_one_change_from_another(tmp_path, monkeypatch):
    def run(*words):
        subprocess.run(["git", "-C", tmp_path, *words], check=True, capture_output=True)

    package = tmp_path / "package"
    package.mkdir()
    (package / "code.py").write_text("1\n")
    run("init", "-q")
    run("add", ".")
    run("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "first")
    monkeypatch.setattr("samebits.git.__file__", str(package / "git.py"))
    monkeypatch.delenv("SAMEBITS_COMMIT", raising=False)
    assert git_state()["diff"] is None
    seen = set()
    for name, text in {"code.py": "2\n", "new.py": "a\n", "other.py": "a\n", "new file\n": "ü"}.items():
        (package / name).write_text(text)
        state = git_state()
        assert state["dirty"]
        seen.add(state["diff"])
    (package / "new.py").write_text("b\n")
    assert len(seen | {git_state()["diff"]}) == 5
    assert git_state() == git_state()
