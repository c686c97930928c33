"""`samebits doctor --deep`, against the environment that runs it and against spoilt ones."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import ROOT

from samebits.doctor import deep
from samebits.fingerprint import shared_libraries
from samebits.framework import FRAMEWORKS

LIBM = next(path for path in shared_libraries.mapped() if Path(path).name.startswith("libm.so"))


@pytest.mark.slow  # README.md's test runs it in a fresh copy
def test_all_is_right_here(start: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    started = start("doctor", "--deep", "--json")
    findings = {finding["subject"]: finding for finding in json.loads(started.stdout)}
    # Tests rewrite bytecode only, which no RECORD has.
    assert re.match(r"[\d,]+ of \d+ packages are as recorded", findings["installed files"]["found"])
    assert findings["loaded libraries"]["outcome"] == "ok", findings["loaded libraries"]
    for name in FRAMEWORKS:
        assert findings[name]["outcome"] == "ok"
    assert started.returncode == 0, started.stderr


# The kind of thing that LD_LIBRARY_PATH does where entrypoint is passed by.
TELL = """
import ctypes, dataclasses, json, sys
from samebits.doctor import deep
deep._imported, deep._files = list, lambda: None
keep = [ctypes.CDLL(path) for path in sys.argv[1:]]
print(json.dumps([dataclasses.asdict(finding) for finding in deep.report()[1:]]))
"""


def told(*libraries: Path) -> list[dict[str, str]]:
    started = subprocess.run(
        [sys.executable, "-c", TELL, *map(str, libraries)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    findings: list[dict[str, str]] = json.loads(started.stdout)
    return findings


def test_a_library_from_elsewhere_is_wrong(tmp_path: Path) -> None:
    library = Path(shutil.copy(LIBM, tmp_path / "libcudnn.so.9"))
    (finding,) = told(library)
    assert (finding["subject"], finding["outcome"]) == ("libcudnn", "fail")
    assert finding["found"] == f"{library} is not the locked wheels'"
    (right,) = told(Path(shutil.copy(LIBM, tmp_path / "libunrelated.so.1")))
    assert right["subject"] == "loaded libraries"


def test_two_copies_within_the_environment_are_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [f"{sys.prefix}/{name}/libcublas.so.12" for name in ("a", "b")]
    monkeypatch.setattr(shared_libraries, "mapped", lambda: paths)
    (finding,) = deep._libraries()
    assert (finding.outcome, finding.found) == ("fail", f"loaded 2 times: {', '.join(paths)}")
    monkeypatch.setattr(shared_libraries, "mapped", lambda: [f"{LIBM} (deleted)"])
    (finding,) = deep._libraries()
    assert "replaced since this process loaded it" in finding.found


def test_a_file_that_is_not_as_recorded_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "one-1.0.dist-info"
    package.mkdir()
    (tmp_path / "one.py").write_text("x = 2\n")
    (package / "METADATA").write_text("Name: one\nVersion: 1.0\n")
    (package / "RECORD").write_text("one.py,sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0,6\n")
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    finding = deep._files()
    assert finding.outcome == "fail"
    assert "one.py has sha256" in finding.found
