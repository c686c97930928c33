"""This machine's rows against those that another recorded: on a real CPU, in place of an emulated one."""

import json

import pytest
from tests.conftest import ROOT, one_line

from samebits.proof.portable.libraries import DIGITS, installed

FILE = ROOT / "src/samebits/proof/portable/recorded.json"


# Keras's hash of the profile portable is compared with the golden one by tests/starter.
TABLES = [pytest.param(table, marks=[pytest.mark.slow] if table == "keras" else []) for table in installed()]


@pytest.mark.parametrize("table", TABLES)
def test_this_cpu_gives_the_recorded_bits(start, table):
    done = start("samebits", "portable-proof", "--against", FILE, "--table", table, "--json", PROFILE="run")
    result = json.loads(done.stdout)
    assert done.returncode == 0, result["different"]
    assert len(result["machines"]) == 2
    assert all(len(machine["digests"]) > 200 for machine in result["machines"].values())


def test_other_bits_are_named(start, tmp_path):
    content = json.loads(FILE.read_text())
    content["machines"]["native"]["digests"]["numpy.sqrt f32"] = "0" * DIGITS
    del content["machines"]["native"]["digests"]["numpy.sqrt f64"]
    (other := tmp_path / "other.json").write_text(json.dumps(content))
    options = ("--table", "numpy", "--part", "numpy.sqrt", "--against", other)
    done = start("samebits", "portable-proof", *options)
    assert done.returncode == 1
    assert "2 of 3 rows differ between 2 machines, profile portable" in done.stderr
    assert "00000000" in done.stdout
    assert "missing" in done.stdout
    content["libc"] = "glibc 2.41"
    other.write_text(json.dumps(content))
    done = start("samebits", "portable-proof", *options[:2], "--part", "numpy.sinh", "--against", other)
    assert "left out, they follow the C library, which was glibc 2.41 there: numpy.sinh f32" in done.stdout


@pytest.mark.parametrize(
    ("content", "profile", "said"),
    [
        ("[1]", "portable", "is not what `samebits portable-proof --here --json` prints"),
        ("", "portable", "is not what `samebits portable-proof --here --json` prints"),
        (FILE.read_text(), "run", "is of the profile portable, not run: give --profile portable"),
    ],
)
def test_another_file_is_one_line(start, tmp_path, content, profile, said):
    (file := tmp_path / "some.json").write_text(content)
    done = start("samebits", "portable-proof", "--against", file, "--profile", profile)
    assert done.returncode == 2
    assert said in one_line(done.stderr)
