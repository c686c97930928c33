"""The table of versions that work: the page has what the tool found, and the extras promise no more."""

import fcntl
import importlib.util
import re
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from tests.conftest import ROOT

from samebits.errors import UsageError


@pytest.fixture
def supported(monkeypatch):
    spec = importlib.util.spec_from_file_location("supported", ROOT / "tools/supported.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "supported", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def table(supported) -> list[tuple[dict[str, str], dict[str, str]]]:
    """The page's rows: the versions by package, and the cells by heading."""
    text = (ROOT / "docs/library.md").read_text().split(supported.BEGIN)[1].split(supported.END)[0]
    rows = []
    for line in text.strip().splitlines()[4:]:
        cells = dict(
            zip(supported.HEADINGS, (cell.strip() for cell in line.strip("|").split("|")), strict=True)
        )
        pairs = (pair.split() for pair in cells["versions"].split(", "))
        rows.append(({name.lower(): version for name, version in pairs}, cells))
    return rows


def test_the_locks_versions_are_in_the_page_and_work(table):
    locked = dict(re.findall(r"^([a-z]+)==([\d.]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    for packages in (["torch"], ["tensorflow", "keras"]):
        versions = {package: locked[package] for package in packages}
        outcomes = [
            cells["result"]
            for those, cells in table
            if those == versions and cells["Python"] == "3.11" and cells["PROFILE=portable"] == "shown"
        ]
        assert outcomes == ["works"], versions


def test_the_extras_begin_at_the_oldest_version_that_works(table):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = {
        requirement.name: requirement
        for requirement in map(Requirement, [*extras["torch"], *extras["keras"]])
    }
    assert set(asked) == {"torch", "tensorflow", "keras"}
    for package, requirement in asked.items():
        worked = {versions[package] for versions, cells in table
                  if package in versions and cells["result"] == "works"}  # fmt: skip
        (lowest,) = (
            Version(specifier.version) for specifier in requirement.specifier if specifier.operator == ">="
        )
        oldest = min(map(Version, worked))
        assert oldest.release[: len(lowest.release)] == lowest.release, package
        assert all(requirement.specifier.contains(version) for version in worked), package


def test_the_page_has_no_row_that_fails_and_portable_is_what_the_code_says(table, supported):
    for versions, cells in table:
        assert cells["result"] in ("works", "no wheel", "no interpreter"), cells
        if cells["result"] == "works":
            versions = {**versions, "numpy": cells["NumPy"]}
            shown = all(
                version in supported.shown_versions()[package] for package, version in versions.items()
            )
            assert cells["PROFILE=portable"] == ("shown" if shown else "refused"), cells


def test_a_table_is_written_between_the_marks_only(supported, tmp_path):
    result = supported.Result("a", "3.11", {"torch": "2.8.0", "numpy": "2.0"}, "f" * 64, outcome="works")
    result.date = "2026-01-02"
    table = supported.markdown([result])
    assert f"| torch 2.8.0 | 3.11 | 2.0 | {'f' * 12} |  | works |\n" in table
    page = tmp_path / "page.md"
    page.write_text(f"before\n{supported.BEGIN}old\n{supported.END}after\n")
    for _ in range(2):
        supported.write_page(page, table)
        assert page.read_text() == f"before\n{supported.BEGIN}\n{table}\n{supported.END}after\n"
    page.write_text("no marks\n")
    with pytest.raises(UsageError, match="once each"):
        supported.write_page(page, table)
    assert page.read_text() == "no marks\n"


def test_only_a_missing_wheel_is_no_wheel(supported):
    for said in (
        "hint: You require CPython 3.13 (`cp313`), but we only found wheels for `tensorflow` (v2.19.1)",
        "Because tensorflow==2.19.1 has no wheels with a matching Python ABI tag (e.g., `cp313`) ...",
    ):
        assert supported.lacks_wheel(said)
    assert not supported.lacks_wheel("error: Failed to fetch: dns error")
    assert not supported.lacks_wheel("Because there is no version of torch==2.99.* ...")


# Stands for an environment's samebits, and does what a test says to its training.
FAKE = """#!{python}
import os, pathlib, sys
words = sys.argv[1:]
stopped = "SAMEBITS_STOP_AT" in os.environ
folder = pathlib.Path(os.environ.get("SAMEBITS_RUN_FOLDER", "runs/torch"))
if os.environ.get("PROFILE"):
    sys.exit({portable})
if "train.py" in words and words[0] == "exec":
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_text({weights})
    sys.exit(75 if stopped else 0)
if words[0] == {broken!r}:
    sys.exit("the last line")
import hashlib
print("sha256", hashlib.sha256(b"same").hexdigest())
"""
REFUSED = "print('samebits: PROFILE=portable is verified with numpy 1, and 2', file=sys.stderr) or 2"


@pytest.mark.parametrize(
    ("broken", "weights", "portable", "fault"),
    [
        ("", "'same'", REFUSED, None),
        ("verify", "'same'", REFUSED, "verify: status 1, not 0: the last line"),
        ("doctor", "'other'", REFUSED, "smoke: other weights than the training's"),
        ("", "'same' if folder.name == 'torch' else 'other'", REFUSED,
         "resumed: other weights than the uninterrupted training's"),
        ("", "'same'", "0", "PROFILE=portable: status 0, not 2: it said nothing"),
        ("", "'same'", "2", "PROFILE=portable: not refused by numpy's version: it said nothing"),
    ],
)  # fmt: skip
def test_what_fails_is_named(supported, tmp_path, broken, weights, portable, fault):
    program = tmp_path / "samebits"
    program.write_text(FAKE.format(python=sys.executable, weights=weights, broken=broken, portable=portable))
    program.chmod(0o755)
    versions = {"torch": supported.shown_versions()["torch"][0], "numpy": "1.0"}
    result = supported.Result("a", "3.11", versions)
    supported.check(tmp_path, tmp_path, "torch", result)
    assert result.faults[:1] == ([fault] if fault else [])
    assert result.portable == ("refused" if portable == REFUSED else "")


def test_another_samebits_is_tried_again_and_a_later_build_is_not(supported, tmp_path: Path):
    def wheel(year: int, code: str, requires: str, rules: str = "1") -> str:
        path = tmp_path / "one.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(zipfile.ZipInfo("samebits/a.py", (year, 1, 1, 0, 0, 0)), code)
            archive.writestr("samebits_lint/a.py", rules)
            archive.writestr("samebits-1.dist-info/METADATA", f"Name: a\n{requires}\n\nA page\n")
        return supported.code_hash(path)

    first = wheel(2026, "1", "Requires-Dist: torch")
    assert wheel(2027, "1", "Requires-Dist: torch") == first
    others = {
        wheel(2026, "2", "Requires-Dist: torch"),
        wheel(2026, "1", "Requires-Dist: keras"),
        wheel(2026, "1", "Requires-Dist: torch", rules="2"),
    }
    assert len({first, *others}) == 4


def test_two_at_once_would_delete_each_others_environment(supported, tmp_path, monkeypatch):
    for name in ("FOLDER", "WORK"):
        monkeypatch.setattr(supported, name, tmp_path / name)
    monkeypatch.setattr(supported, "build", lambda folder: pytest.fail("it began"))
    supported.FOLDER.mkdir()
    with open(supported.FOLDER / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match=r"another tools/supported\.py is at work"):
            supported.command.main(["torch-2.8-python3.11"], standalone_mode=False)
