"""What git says of the code, and what stands for it where there is none."""

import pytest

from samebits.fingerprint.git import changes, checkout, git, has_all, hash_of


def test_no_checkout_is_no_error(tmp_path, monkeypatch):
    assert git(tmp_path, "rev-parse", "HEAD") is None
    assert checkout(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert checkout(tmp_path) is None, "there is no first commit"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git(tmp_path, "version") is None


def test_what_runs_leave_behind_is_no_change(tmp_path):
    git(tmp_path, "init", "-q")
    left = ("runs/torch/x", "thesis/first/manifest.json", "thesis/first/checkpoints/y", ".x.partial/.lock")
    for name in (*left, "a/__pycache__/b.pyc", "x.interrupted-1/z", "new name.py", "a/\u00fc.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    assert changes(tmp_path) == ["a/\u00fc.py", "new name.py"]
    git(tmp_path, "add", "runs", "new name.py")
    assert changes(tmp_path) == ["a/\u00fc.py", "new name.py", "runs/torch/x"], "staged by hand"
    assert has_all(tmp_path, [tmp_path / "new name.py", tmp_path.parent / "elsewhere"])
    assert not has_all(tmp_path, [tmp_path / "new name.py", tmp_path / "a" / "\u00fc.py"])


def test_thousands_of_data_files_are_not_read(tmp_path, monkeypatch):
    names = [f"{number}.csv" for number in range(3)]
    for name in names:
        (tmp_path / name).write_text(name)
    monkeypatch.setattr("samebits.fingerprint.git.MANY", 2)
    first = hash_of(tmp_path, names)
    monkeypatch.setattr("samebits.fingerprint.git.sha256_file", lambda path: pytest.fail(f"{path} was read"))
    assert hash_of(tmp_path, names) == first
    (tmp_path / names[0]).write_text("another size")
    assert hash_of(tmp_path, names) != first


def test_the_hash_of_files_depends_on_name_content_mode_and_kind(tmp_path):
    file = tmp_path / "a"
    hashes = [hash_of(tmp_path, ["a"])]  # absent
    for change in (
        lambda: file.write_text("1"),
        lambda: file.write_text("2"),
        lambda: file.chmod(0o755),
        lambda: (file.unlink(), file.symlink_to("b")),
        lambda: (file.unlink(), file.symlink_to("c")),
    ):
        change()
        hashes.append(hash_of(tmp_path, ["a"]))
    file.rename(tmp_path / "d")
    hashes.append(hash_of(tmp_path, ["d"]))
    assert len(set(hashes)) == len(hashes)
