"""The image is built twice, by two people, and is the same image; and what varies is named."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from .conftest import ROOT, Done, refusal, run

TOOL = Path("tools", "image_reproduce.py")
pytestmark = [pytest.mark.image, pytest.mark.timeout(900)]


@pytest.fixture
def reproduce(base: str, docker: str, tmp_path: Path):
    """tools/image_reproduce.py of a copy, on the Debian base; its temporary folder must be empty after it."""
    if shutil.which("buildah") is None:
        pytest.skip("building twice needs buildah: apt-get install buildah")

    def reproduce(copy: Path, *options: str, **variables: str) -> Done:
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        given = {"BASE": base, "INTERPRETER": "base", "DOCKER": docker, "TMPDIR": str(temporary), **variables}
        done = run(copy / TOOL, *options, timeout=800, **given)
        assert list(temporary.iterdir()) == []
        assert str(temporary) not in Path("/proc/self/mountinfo").read_text()
        return done

    return reproduce


def test_the_same_image_twice(reproduce, small: Path) -> None:
    done = reproduce(small, "--json", SOURCE_DATE_EPOCH="1700000000")
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["same"] is True
    assert told["epoch"] == 1_700_000_000
    assert told["first_difference"] is None
    assert len(told["digest"]) == len(told["image"]) == 2
    assert len({*told["digest"], *told["image"]}) == 2


@pytest.mark.slow
def test_what_varies_is_named(reproduce, small: Path) -> None:
    """A file with the time of the build in it, in a layer of its own after the wheels."""
    dockerfile = small / "Dockerfile"
    text = dockerfile.read_text()
    before = "# The project's code comes last"
    assert before in text
    dockerfile.write_text(text.replace(before, f"RUN date +%s%N > /etc/built-at\n{before}"))
    done = reproduce(small)
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("samebits: two builds, two images (sha256:")
    layer = re.search(r"the first difference: layer (\d+) of", last)
    assert layer is not None
    assert int(layer[1]) > 1  # the base's is the first
    assert "/etc/built-at: content " in last
    assert "more in this layer" not in last


def test_without_buildah(tmp_path: Path) -> None:
    for name in ("python3", "git", "env"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    done = run(ROOT / TOOL, PATH=str(tmp_path))
    assert "apt-get install buildah" in refusal(done, 1)


def test_wrong_use() -> None:
    assert "--jsno" in refusal(run(ROOT / TOOL, "--jsno"), 2)
    if shutil.which("buildah"):
        assert "SOURCE_DATE_EPOCH is 'now'" in refusal(run(ROOT / TOOL, SOURCE_DATE_EPOCH="now"), 2)
    assert os.access(ROOT / TOOL, os.X_OK)
