"""What git says of the code, and what stands for it where there is none."""

from samebits.git import git, git_state


def test_an_image_says_whether_its_commit_was_clean(monkeypatch):
    for given, dirty in (("c" * 40, False), ("c" * 40 + "-dirty", True)):
        monkeypatch.setenv("SAMEBITS_COMMIT", given)
        assert git_state() == {"commit": "c" * 40, "dirty": dirty}


def test_no_checkout_is_no_error(tmp_path, monkeypatch):
    assert git(tmp_path, "rev-parse", "HEAD") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git(tmp_path, "version") is None
    monkeypatch.delenv("SAMEBITS_COMMIT", raising=False)
    assert git_state() is None
