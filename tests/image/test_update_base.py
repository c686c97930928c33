"""`make update-base`, with a registry of our own and two bases in it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ROOT, Done, refusal, run

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]

NEWER = r"""FROM {base}
USER 0
RUN sed -i '/^Package: bash$/,/^$/s/^Version: .*/Version: 9.9-1/' /var/lib/dpkg/status
ENV CUDA_VERSION=12.9.0 PAGER=less
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the tool and the Dockerfile, to be written to."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "src").symlink_to(ROOT / "src")
    shutil.copy(ROOT / "Dockerfile", tmp_path)
    return tmp_path


def point_to(project: Path, base: str) -> str:
    """Give the Dockerfile another base; its text."""
    lines = (project / "Dockerfile").read_text().splitlines(keepends=True)
    lines = [f"ARG BASE={base}\n" if line.startswith("ARG BASE=") else line for line in lines]
    (project / "Dockerfile").write_text("".join(lines))
    return "".join(lines)


def update(project: Path, docker: str, **variables: str) -> Done:
    return run(project / "tools" / "image.py", "update-base", DOCKER=docker, **variables)


def test_shows_what_a_newer_base_changes_and_writes_only_when_told(
    docker: str, base: str, registry: str, project: Path, build: Callable[..., Done]
) -> None:
    tag, pushed_digests = f"{registry}/base:1", list[str]()

    def push(image: str) -> str:
        """Make the image the registry's newest; its digest there."""
        run(docker, "tag", image, tag)
        pushed = run(docker, "push", tag)
        assert pushed.returncode == 0, pushed.stderr
        digest = pushed.stdout.rpartition("digest: ")[2].split()[0]
        run(docker, "rmi", tag)
        pushed_digests.append(digest)
        return digest

    newer = "samebits-test-newer-base"
    (project / "newer").mkdir()
    (project / "newer" / "Dockerfile").write_text(NEWER.format(base=base))
    made = run(docker, "build", "--tag", newer, project / "newer", DOCKER_BUILDKIT="1")
    assert made.returncode == 0, made.stderr
    try:
        old = push(base)
        before = point_to(project, f"{tag}@{old}")
        done = update(project, docker)
        assert done.returncode == 0, done.stderr
        assert "differ" not in done.stdout
        new = push(newer)
        done = update(project, docker)
        assert done.returncode == 0, done.stderr
        assert f"now     {old}\n  newest  {new}\npackages that differ: 1\n  bash:amd64  5.2" in done.stdout
        assert "-> 9.9-1\nvariables that differ: 1\n  CUDA_VERSION  added, 12.9.0\n" in done.stdout
        assert "nothing was written" in done.stdout
        assert (project / "Dockerfile").read_text() == before
        written = update(project, docker, WRITE="1", JSON="1")
        assert written.returncode == 0, written.stderr
        report = json.loads(written.stdout)
        assert (report["old"], report["new"], report["written"]) == (old, new, True)
        assert [package["name"] for package in report["packages"]] == ["bash:amd64"]
        assert (project / "Dockerfile").read_text() == before.replace(old, new)
    finally:
        for reference in (*(f"{tag}@{digest}" for digest in pushed_digests), tag, newer):
            run(docker, "rmi", reference)


def test_no_registry_is_one_line(docker: str, project: Path) -> None:
    before = point_to(project, f"127.0.0.1:9/base:1@sha256:{'0' * 64}")
    assert "cannot ask the registry for 127.0.0.1:9/base:1" in refusal(update(project, docker, WRITE="1"), 1)
    assert (project / "Dockerfile").read_text() == before


def test_a_base_without_a_digest_is_one_line(docker: str, project: Path) -> None:
    point_to(project, "ubuntu:24.04")
    assert "has no `ARG BASE=NAME:TAG@sha256:DIGEST`" in refusal(update(project, docker), 1)
