"""The image as one file, and in your own registry, with a real engine and a real registry."""

import hashlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import NAME, ROOT, Done, refusal, run

TOOL = ROOT / "tools" / "image_keep.py"
pytestmark = pytest.mark.image


@pytest.fixture
def tiny(docker: str, tmp_path: Path) -> Iterator[str]:
    """An image of a few kilobytes in two layers."""
    name = f"{NAME}/tiny:one"
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /first\nCOPY Dockerfile /second\n")
    made = run(docker, "build", "--tag", name, tmp_path, DOCKER_BUILDKIT="1")
    assert made.returncode == 0, made.stderr
    yield name
    run(docker, "rmi", name)


@pytest.fixture
def keep(docker: str, tiny: str) -> Callable[..., Done]:
    """tools/image_keep.py with the tiny image."""

    def keep(*arguments: object, **variables: str) -> Done:
        return run(TOOL, *arguments, **{"DOCKER": docker, "IMAGE": tiny, **variables})

    return keep


@pytest.fixture
def saved(keep: Callable[..., Done], tmp_path: Path) -> Path:
    """The tiny image in its one file."""
    folder = tmp_path / "kept"
    folder.mkdir()
    done = keep("save", folder)
    assert (done.returncode, done.stderr) == (0, "")
    (file,) = folder.iterdir()
    assert re.fullmatch(r"samebits-test_tiny_one-sha256-[0-9a-f]{64}\.tar", file.name)
    image = file.name.removesuffix(".tar").rpartition("-")[2]
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert done.stdout == f"{file}: image sha256:{image}, sha256sum {sha256}\n"
    return file


def test_it_comes_back(docker: str, keep: Callable[..., Done], tiny: str, saved: Path) -> None:
    image = f"sha256:{saved.name.removesuffix('.tar').rpartition('-')[2]}"
    run(docker, "rmi", tiny)
    assert run(docker, "image", "inspect", tiny).returncode != 0
    done = keep("load", saved)
    assert (done.returncode, done.stdout) == (0, f"loaded: image {image}\n")
    assert run(docker, "image", "inspect", "--format", "{{.Id}}", tiny).stdout.strip() == image


@pytest.mark.parametrize("where", ["layer", "configuration", "end"])
def test_a_damaged_file_is_not_loaded(
    docker: str, keep: Callable[..., Done], tiny: str, saved: Path, where: str
) -> None:
    """One byte of a layer, one of the configuration, or the file's second half."""
    run(docker, "rmi", tiny)
    data = saved.read_bytes()
    if where == "end":
        data = data[: len(data) // 2]
    else:
        old, new = {"layer": (b"FROM scratch", b"FROM scritch"), "configuration": (b'"os":', b'"so":')}[where]
        assert old in data
        data = data.replace(old, new)
    saved.write_bytes(data)
    assert f"{saved} is damaged: " in refusal(keep("load", saved), 1)
    assert run(docker, "image", "inspect", tiny).returncode != 0


def test_another_image_under_this_name(keep: Callable[..., Done], saved: Path) -> None:
    other = saved.rename(saved.with_name(f"x-sha256-{'0' * 64}.tar"))
    assert "holds another image than its name says" in refusal(keep("load", other), 1)


@pytest.mark.slow
def test_nothing_half_written(keep: Callable[..., Done], tmp_path: Path) -> None:
    """No image, no folder, an engine that dies while it saves, a signal."""
    folder = tmp_path / "kept"
    assert "cannot write" in refusal(keep("save", folder), 2)
    folder.mkdir()
    assert "there is no image" in refusal(keep("save", folder, IMAGE="samebits-test/none"), 1)
    client = tmp_path / "docker"
    answers = {
        "--version": "echo Docker version 20.10.24, build x",
        "info*": """echo '{"ServerVersion": "20"}'""",
    }
    cases = "".join(f"{pattern}) {answer} ;;\n" for pattern, answer in answers.items())
    for last, message in (("echo half; exit 3", "save failed"), ("echo whole", "is damaged")):
        client.write_text(f'#!/bin/sh\ncase "$*" in\n{cases}save*) {last} ;;\nesac\n')
        client.chmod(0o755)
        assert message in refusal(keep("save", folder, DOCKER=str(client)), 1)
        assert list(folder.iterdir()) == []
    client.write_text(f'#!/bin/sh\ncase "$*" in\n{cases}save*) echo half; exec sleep 60 ;;\nesac\n')
    variables = {**os.environ, "DOCKER": str(client), "IMAGE": "it"}
    with subprocess.Popen([TOOL, "save", folder], env=variables) as saving:
        deadline = time.monotonic() + 30
        while not list(folder.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        saving.terminate()
    assert saving.returncode == 143
    assert list(folder.iterdir()) == []


def test_wrong_use(keep: Callable[..., Done]) -> None:
    assert "required: file" in refusal(keep("load"), 2)
    assert "cannot read /nonexistent" in refusal(keep("load", "/nonexistent"), 2)
    assert "REGISTRY is ''" in refusal(keep("mirror", ""), 2)
    assert "REGISTRY is 'https://x/y'" in refusal(keep("mirror", "https://x/y"), 2)


# ---------------------------------------------------------------- your own registry


def test_a_mirror(docker: str, keep: Callable[..., Done], tiny: str, registry: str) -> None:
    """What the printed lines name can be pulled by its digest once nothing is left here, and mirrored on."""
    base = tiny
    for _ in range(2):
        done = keep("mirror", f"{registry}/team", BASE=base, INTERPRETER="base")
        assert done.returncode == 0, done.stderr
        build, start = done.stdout.splitlines()
        made = dict(word.split("=", 1) for word in build.split()[2:])
        assert list(made) == ["BASE", "INTERPRETER"]
        own = start.split()[-2]
        for reference in (made["BASE"], own):
            assert re.fullmatch(rf"{registry}/team/\S*samebits-test/tiny@sha256:[0-9a-f]{{64}}", reference)
            ours = run(docker, "images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
            run(docker, "rmi", *(reference for reference in ours if reference.startswith(registry)))
            assert run(docker, "image", "inspect", reference).returncode != 0
            pulled = run(docker, "pull", reference)
            assert pulled.returncode == 0, pulled.stderr
            run(docker, "rmi", reference)
        base = made["BASE"]
        assert run(docker, "pull", base).returncode == 0
    run(docker, "rmi", base)


def test_no_registry_there(keep: Callable[..., Done], tiny: str, docker: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"localhost:{free.getsockname()[1]}"
        done = keep("mirror", nobody, BASE=tiny, INTERPRETER="base")
    assert done.returncode == 1
    assert f"samebits: cannot push {nobody}/samebits-test/tiny:one" in done.stderr.splitlines()[-1]
    run(docker, "rmi", f"{nobody}/samebits-test/tiny:one")
