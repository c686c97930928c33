"""The table of operations with another C library: a sample of it in a Debian trixie, and what is refused."""

import json
import platform
import subprocess

import pytest
from tests.conftest import ROOT, one_line

from samebits import container_engine
from samebits.proof.portable import differing
from samebits.proof.portable.libraries import FOLLOW_THE_C_LIBRARY
from samebits.proof.portable.machines import Container, Machine

TOOL = ROOT / "tools" / "image.py"


@pytest.fixture(scope="module")
def docker():
    """The client of an engine that answers and runs."""
    engine, asked = container_engine.find()
    if engine is None or engine.kind == "buildah":
        pytest.skip(f"no container engine answers: {[client.complaint for client in asked]}")
    return engine.command


@pytest.fixture(scope="module")
def trixie(docker):
    """Debian's packages make it; it stays, since it takes a minute."""
    if tuple(map(int, platform.libc_ver()[1].split("."))) >= (2, 41):
        pytest.skip("this machine's C library has trixie's functions itself: nothing would differ")
    made = subprocess.run([TOOL, "test-base", "trixie"], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no Debian trixie: {made.stderr.strip()}")
    return made.stdout.strip()


@pytest.mark.parametrize(
    ("profile", "status"), [("portable", 0), pytest.param("run", 1, marks=pytest.mark.slow)]
)
def test_a_sample_in_trixie(start, trixie, profile, status):
    """The profile run shows that the C library matters."""
    options = ("--json", "--image", trixie, "--profile", profile, "--part", "sinh f32")
    done = start("samebits", "portable-proof", *options, "--table", "numpy", "--table", "torch")
    assert done.returncode == status, done.stderr
    assert f"{trixie}: glibc 2.41; here: glibc " in done.stderr
    result = json.loads(done.stdout)
    here, there = (result["machines"][name]["digests"] for name in ("native", trixie))
    assert list(here) == ["numpy.sinh f32", "numpy.arcsinh f32", "torch.sinh f32", "torch.asinh f32"]
    if profile == "portable":  # in the other, NumPy's AVX-512 functions, where a CPU has them, call nothing
        assert here["numpy.arcsinh f32"] != there["numpy.arcsinh f32"]
    assert "numpy.arcsinh f32" in result["left_out"]
    assert result["different"] == (["torch.sinh f32", "torch.asinh f32"] if status else [])


def test_they_count_on_another_cpu_with_the_same_c_library():
    here, other = {"numpy.tan f32": "1", "numpy.tan f64": "1"}, {"numpy.tan f32": "2", "numpy.tan f64": "2"}
    assert differing([Machine("native", here), Machine("EPYC", other)]) == ["numpy.tan f32", "numpy.tan f64"]
    there = Container("trixie", other, left_out=FOLLOW_THE_C_LIBRARY)
    assert differing([Machine("native", here), there]) == ["numpy.tan f64"]


def test_without_an_engine_is_one_line(start):
    done = start("samebits", "portable-proof", "--image", "debian", DOCKER="/nowhere/docker")
    assert done.returncode == 2
    assert "--image needs a container engine (/nowhere/docker: " in one_line(done.stderr)


def test_a_missing_image_is_one_line(start, docker):
    done = start("samebits", "portable-proof", "--image", "samebits-nobody-has-this:1")
    assert done.returncode == 2
    assert "there is no image samebits-nobody-has-this:1 here: `" in one_line(done.stderr)


def test_an_image_without_what_python_needs_is_one_line(start, docker, tmp_path):
    (tmp_path / "nothing").mkdir()
    subprocess.run(["tar", "-cf", tmp_path / "x.tar", "-C", tmp_path, "nothing"], check=True)
    name = f"samebits-empty:{tmp_path.name.lower()}"
    subprocess.run([docker, "import", tmp_path / "x.tar", name], check=True, capture_output=True)
    try:
        done = start("samebits", "portable-proof", "--image", name)
    finally:
        subprocess.run([docker, "rmi", name], check=True, capture_output=True)
    assert done.returncode == 2
    assert f"this Python does not run in {name} (" in one_line(done.stderr)
    left = subprocess.run(
        [docker, "ps", "--all", "--quiet", "--filter", f"ancestor={name}"], text=True, capture_output=True
    )
    assert left.stdout == ""
