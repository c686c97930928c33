"""Whether there is room for an image is decided before it is built: a full disk fails every test after it."""

import shutil
from pathlib import Path

import pytest

from . import conftest
from .conftest import (
    CACHE,
    CLONE,
    LAYER,
    Done,
    engine_folder,
    lacking_space,
    skip_without_space,
    space_needed,
)

GB = 1_000_000_000


def test_an_image_of_the_same_lock_shares_its_wheels() -> None:
    assert space_needed("sha256:a", []) == space_needed("sha256:a", ["sha256:b"]) == LAYER + CACHE + CLONE
    assert space_needed("sha256:a", ["sha256:b", "sha256:a"]) == CLONE


def test_what_is_lacking_is_one_line() -> None:
    assert lacking_space(20 * GB, 20 * GB, "/var/lib/docker") == ""
    assert lacking_space(20 * GB - 1, 20 * GB, "/var/lib/docker") != ""
    assert lacking_space(4 * GB, 21 * GB, "/var/lib/docker") == (
        "an image needs 21.0 GB in /var/lib/docker, and 4.0 GB are free: `docker builder prune` frees what "
        "former builds left"
    )


class Engine:
    """A client whose engine has one image of the tests, made with this lock."""

    def __init__(self, folder: Path, lock: str) -> None:
        self.folder, self.lock = folder, lock

    def __call__(self, docker: str, *words: str) -> Done:
        told = {"info": str(self.folder), "images": "0123", "image": self.lock}[words[0]]
        return Done(words, 1 if "{{.Store.GraphRoot}}" in words else 0, told + "\n", "")


def test_the_build_is_skipped_where_it_would_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(conftest.shutil, "disk_usage", lambda _: usage._replace(free=5 * GB))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    lock = tmp_path / "requirements.lock"
    lock.write_text("")
    same = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # of nothing
    monkeypatch.setattr(conftest, "run", Engine(tmp_path, same))
    skip_without_space("docker", lock)
    monkeypatch.setattr(conftest, "run", Engine(tmp_path, "sha256:other"))
    with pytest.raises(pytest.skip.Exception, match=r"needs 21\.2 GB in /.*, and 5\.0 GB are free"):
        skip_without_space("docker", lock)
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")  # this disk says nothing about that one
    assert engine_folder("docker") is None
    skip_without_space("docker", lock)
