"""What git says of the code, and what stands for it where there is none."""

from samebits.git import git, git_state, hash_of_changes


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


def test_the_hash_of_what_differs_from_the_commit(tmp_path):
    user = ("-c", "user.name=a", "-c", "user.email=a@b")
    assert git(tmp_path, "init", "-q") is not None
    (tmp_path / "code.py").write_text("1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, *user, "commit", "-q", "-m", "first")
    clean = hash_of_changes(tmp_path)
    seen = {clean}
    (tmp_path / "code.py").write_text("2\n")
    seen.add(hash_of_changes(tmp_path))
    (tmp_path / "new.py").write_text("3\n")
    seen.add(hash_of_changes(tmp_path))
    (tmp_path / "new.py").write_text("4\n")
    seen.add(hash_of_changes(tmp_path))
    (tmp_path / "code.py").unlink()
    seen.add(hash_of_changes(tmp_path))
    assert len(seen) == 5
    (tmp_path / "code.py").write_text("1\n")
    (tmp_path / "new.py").unlink()
    assert hash_of_changes(tmp_path) == clean
