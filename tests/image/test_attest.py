"""`samebits attest` in the image."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from samebits.installed.attest import project

from .conftest import ROOT, Done, refusal

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]

LOCKED_DOWN = ("--read-only", "--network=none", "--cap-drop=ALL", "--tmpfs=/tmp")
SITE = "/opt/samebits/.venv/lib/python3.11/site-packages"


def attest(contain: Callable[..., Done], *options: str) -> tuple[Done, dict[str, dict[str, object]]]:
    """Run it read-only and without a network; its checks, by name."""
    done = contain("samebits", "attest", "--json", options=(*LOCKED_DOWN, *options), timeout=1500)
    return done, {check["check"]: check for check in json.loads(done.stdout)}


@pytest.mark.slow  # the next one looks at the same files
def test_all_is_as_locked(contain: Callable[..., Done]) -> None:
    done, checks = attest(contain)
    assert (done.returncode, done.stderr) == (0, "")
    assert [check["faults"] for check in checks.values()] == [[]] * len(checks)
    number = checks["bytecode"]["looked_at"]
    assert isinstance(number, int)
    assert number > 5_000
    assert str(checks["bytecode"]["what"]).endswith(f": {number:,} checked-hash")
    locked = (ROOT / "requirements.lock").read_text().count("==")
    assert checks["packages"]["looked_at"] == locked
    # What an image cannot know by itself, it says: with the same digest as the tree that it was built from.
    told = str(checks["project"]["what"])
    assert checks["project"]["outcome"] == checks["interpreter"]["outcome"] == "warn"
    here = project(ROOT).what
    assert here[here.index("sha256:") :][:71] in told


# README.md's test runs `make attest` in a fresh environment, tests/samebits/installed on spoilt ones.
@pytest.mark.slow
def test_what_is_not_is_named(contain: Callable[..., Done], tmp_path: Path) -> None:
    """One file over another, one that is missing, and one that is more."""
    version = re.findall(r"^joblib==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)[0]
    (tmp_path / "logger.py").write_text("# changed\n")
    (tmp_path / "more.py").touch()
    tmp_path.chmod(0o755)
    for path in tmp_path.iterdir():
        path.chmod(0o644)
    # A mount needs a place that is there: the file that is one more hides behind one that is recorded.
    over = (
        f"--volume={tmp_path}/logger.py:{SITE}/joblib/logger.py:ro",
        f"--volume={tmp_path}:{SITE}/joblib-{version}.dist-info/licenses:ro",
    )
    done, checks = attest(contain, *over)
    said = refusal(done, 1)
    assert f"joblib-{version}.dist-info/licenses/LICENSE.txt of joblib is missing; and " in said
    problems = [str(fault) for check in checks.values() for fault in check["faults"]]  # type: ignore[attr-defined]
    assert [fault for fault in problems if "joblib" not in fault] == []
    faults = "\n".join(problems)
    for fault in (
        "joblib/logger.py has 10 bytes, recorded are",
        "logger.cpython-311.pyc has another hash than its source",
        "licenses/more.py is in no RECORD",
    ):
        assert fault in faults
