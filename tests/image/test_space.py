"""Whether there is room for an image is decided before it is built: a full disk fails every test after it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from . import conftest
from .conftest import (
    CACHE,
    CLONE,
    LAYER,
    NAME,
    OURS,
    Done,
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
    """A client whose engine has images of the tests, or none, made with this lock."""

    def __init__(self, folder: Path, lock: str | None, field: str = "{{.DockerRootDir}}") -> None:
        self.folder, self.lock, self.field = folder, lock, field
        self.pruned = False

    def __call__(self, docker: str, *words: str) -> Done:
        told = ""
        match words:
            case ("info", "--format", field):
                told = str(self.folder) if field == self.field else ""
                return Done(words, 0 if told else 1, told, "")
            case ("image", "prune", "--force", "--filter", label):
                self.pruned = label == f"label={OURS}"
            case ("images", "--quiet", name):
                told = "0123\n" if name == NAME and self.lock else ""
            case ("image", "inspect", "--format", _, "0123"):
                told = f"{self.lock}\n"
            case _:
                pytest.fail(f"nobody asks an engine for {words}")
        return Done(words, 0, told, "")


SAME = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # of nothing


@pytest.fixture
def decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Engine], str]:
    """Why the build of an image with an empty lock is skipped, on a disk with 5 GB; empty: it is not."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(conftest.shutil, "disk_usage", lambda _: usage._replace(free=5 * GB))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    lock = tmp_path / "requirements.lock"
    lock.write_text("")

    def decided(engine: Engine) -> str:
        monkeypatch.setattr(conftest, "run", engine)
        try:
            skip_without_space("docker", lock)
        except pytest.skip.Exception as skipped:  # else this test would be skipped, and prove nothing
            return str(skipped)
        return ""

    return decided


@pytest.mark.parametrize("field", ["{{.DockerRootDir}}", "{{.Store.GraphRoot}}"])
def test_the_build_is_skipped_where_it_would_fill_the_disk(
    tmp_path: Path, decided: Callable[[Engine], str], field: str
) -> None:
    assert decided(Engine(tmp_path, SAME, field)) == ""
    for lock in ("sha256:other", None):
        said = decided(Engine(tmp_path, lock, field))
        assert said.startswith(f"an image needs 21.2 GB in {tmp_path}, and 5.0 GB are free: ")


def test_what_former_tests_left_is_removed_first(tmp_path: Path, decided: Callable[[Engine], str]) -> None:
    engine = Engine(tmp_path, SAME)
    decided(engine)
    assert engine.pruned


def test_this_disk_says_nothing_about_an_engine_elsewhere(
    tmp_path: Path, decided: Callable[[Engine], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    assert decided(Engine(tmp_path, None)) == ""
    monkeypatch.delenv("DOCKER_HOST")
    assert decided(Engine(tmp_path / "of another machine", None)) == "", "unknown"
