"""This repository's locks: hashed, in order, closed, and what is installed."""

import importlib.metadata
import re
from typing import Any

import pytest
import rattler
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.conftest import ROOT
from tests.samebits.lock.conftest import COMPILER, CONDA, DEV, OWN, PIP, ROW


def rows(name: str) -> dict[str, str]:
    """Package to version of a PyPI lock; a line that is neither a comment nor a whole row fails the test."""
    text = (ROOT / name).read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    matches = [ROW.fullmatch(line) for line in lines]
    assert None not in matches, (
        f"{name}: {lines[matches.index(None)]!r} is not `NAME==VERSION --hash=sha256:…`"
    )
    return {match[1]: match[2] for match in matches if match}


# The conda half


def conda_rows(lock: str) -> dict[str, dict[str, Any]]:
    """The rows of one of conda-lock's locks by package."""
    packages = yaml.safe_load((ROOT / lock).read_text())["package"]
    assert len({row["name"] for row in packages}) == len(packages)
    return {row["name"]: row for row in packages}


@pytest.fixture(scope="module")
def conda() -> dict[str, dict[str, Any]]:
    """The rows of conda-lock.yml by package."""
    return conda_rows(CONDA)


@pytest.mark.parametrize("lock", [CONDA, COMPILER])
def test_conda_rows_are_addressed_and_hashed(lock: str) -> None:
    for name, row in conda_rows(lock).items():
        assert re.fullmatch(r"[0-9a-f]{64}", row["hash"]["sha256"]), name
        assert row["manager"] == "conda", name
        assert re.fullmatch(
            rf"https://conda\.anaconda\.org/conda-forge/(linux-64|noarch)/{name}-{row['version']}-\w+\.conda",
            row["url"],
        ), row["url"]


@pytest.mark.parametrize("lock", [CONDA, COMPILER])
def test_conda_half_is_closed(lock: str) -> None:
    conda = conda_rows(lock)
    needed = {need for row in conda.values() for need in row["dependencies"] if not need.startswith("__")}
    assert needed
    assert needed <= conda.keys()


def test_conda_half_gives_what_is_asked_for(conda: dict[str, dict[str, Any]]) -> None:
    asked = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    versions = dict(entry.split("=") for entry in asked if isinstance(entry, str))
    assert versions.keys() == {"python", "uv"}
    assert {name: conda[name]["version"] for name in versions} == versions
    assert rows(DEV)["uv"] == versions["uv"]
    assert yaml.safe_load((ROOT / CONDA).read_text())["metadata"]["sources"] == ["environment.yml"]


def test_an_independent_reader_agrees(conda: dict[str, dict[str, Any]]) -> None:
    """py-rattler reads conda-lock.yml with code of its own; its records satisfy one another's needs."""
    environment = rattler.LockFile.from_path(str(ROOT / CONDA)).default_environment()
    assert environment
    [platform] = environment.platforms()
    assert platform.name == "linux-64"
    records = {r.name.normalized: r for r in environment.conda_repodata_records_for_platform(platform) or []}
    assert records.keys() == conda.keys()
    for name, record in records.items():
        assert record.sha256.hex() == conda[name]["hash"]["sha256"]
        assert record.url == conda[name]["url"]
        for need in record.depends:
            if not need.startswith("__"):
                match = rattler.MatchSpec(need)
                assert match.matches(records[match.name.normalized]), f"{name} needs {need}"


# The PyPI half


@pytest.mark.parametrize("name", [PIP, DEV, OWN])
def test_pypi_rows_are_in_order_with_one_hash_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert rows(name)
    order = [line.split("==")[0] for line in text.splitlines() if not line.startswith("#")]
    assert order == sorted(order)
    assert len(rows(name)) == text.count("==") == text.count("sha256:") - 1  # the header has the request's
    assert "://" not in text
    assert "index" not in text


def test_conda_lock_has_no_other_address() -> None:
    hosts = set(re.findall(r"https?://([^/\s]+)", (ROOT / CONDA).read_text()))
    assert hosts == {"conda.anaconda.org"}


def test_the_locks_of_one_environment_share_no_package() -> None:
    assert not rows(PIP).keys() & rows(DEV).keys()


def test_what_is_asked_for_is_locked() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    [pip] = [entry["pip"] for entry in environment["dependencies"] if "pip" in entry]
    assert dict(text.split("==") for text in pip).items() <= rows(PIP).items()


def test_the_environment_is_what_the_locks_say_and_is_closed() -> None:
    """Every locked version is installed; what each package needs is locked, in a version that it accepts."""
    base = rows(PIP)
    all_rows = {**base, **rows(DEV)}
    installed = {canonicalize_name(d.name): d for d in importlib.metadata.distributions()}
    assert {name: installed[name].version for name in all_rows if name in installed} == all_rows
    reached: set[tuple[str, str, bool]] = set()
    ahead = [(name, "", name not in base) for name in all_rows]
    while ahead:
        name, extra, for_tools = requirement = ahead.pop()
        if requirement in reached:
            continue
        reached.add(requirement)
        allowed = all_rows if for_tools else base  # what goes into the image needs no development tool
        for text in installed[name].requires or []:
            need = Requirement(text)
            if need.marker and not need.marker.evaluate({"extra": extra}):
                continue
            target = canonicalize_name(need.name)
            assert target in allowed, f"{name} needs {text}, which is not locked"
            assert need.specifier.contains(allowed[target], prereleases=True), f"{name} needs {text}"
            ahead += [(target, e, for_tools) for e in need.extras]
