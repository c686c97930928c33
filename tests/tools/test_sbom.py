"""The bill of materials is valid, says what the locks say, and comes out the same again."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from tests.conftest import ROOT, one_line

SBOM = "sbom.cdx.json"
SOURCES = ("requirements.lock", "conda-lock.yml", "Dockerfile", "pyproject.toml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what the bill is made of."""
    for name in SOURCES:
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.fixture
def text(folder: Path) -> str:
    """The bill of this project."""
    done = sbom(folder)
    assert (done.returncode, done.stdout) == (0, f"{SBOM}: written\n"), done.stderr
    return (folder / SBOM).read_text()


def sbom(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(ROOT / "tools/sbom.py")]
    return subprocess.run(words, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True)


def parts(text: str, kind: str) -> dict[str, dict[str, Any]]:
    """The components whose package URL is of a kind, by name."""
    components = json.loads(text)["components"]
    return {
        component["name"]: component
        for component in components
        if PackageURL.from_string(component["purl"]).type == kind
    }


def test_it_is_valid(text: str) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"scope": "required"', '"scope": "perhaps"')) is not None


def test_it_has_the_rows_of_the_locks(text: str) -> None:
    row = r"^([\w.-]+)==(\S+) --hash=sha256:(\w{64})"
    wheels = re.findall(row, (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    told = [
        (component["name"], component["version"], component["hashes"][0]["content"])
        for component in parts(text, "pypi").values()
    ]
    assert sorted(told) == sorted(wheels)
    conda = yaml.safe_load((ROOT / "conda-lock.yml").read_text())["package"]
    there = parts(text, "conda")
    assert sorted(there) == sorted(package["name"] for package in conda)
    for package in conda:
        component = there[package["name"]]
        assert component["hashes"][0]["content"] == package["hash"]["sha256"]
        more = PackageURL.from_string(component["purl"]).qualifiers
        name = f"{package['name']}-{component['version']}-{more['build']}.{more['type']}"
        assert package["url"].endswith(f"/{more['channel']}/{more['subdir']}/{name}")
        assert component["scope"] == ("excluded" if package["name"] == "uv" else "optional")
    (base,) = parts(text, "oci").values()
    assert f"@{base['version']}\n" in (ROOT / "Dockerfile").read_text()
    assert len(json.loads(text)["components"]) == len(wheels) + len(conda) + 1


def test_it_has_no_address_and_no_time(text: str) -> None:
    content = json.loads(text)
    del content["$schema"]
    assert "://" not in json.dumps(content)
    assert "timestamp" not in content["metadata"]


def test_it_comes_out_the_same_again(folder: Path, text: str) -> None:
    assert sbom(folder, PYTHONHASHSEED="2").returncode == 0
    assert (folder / SBOM).read_text() == text


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("requirements.lock", "\nclick==8.5.1 ", "\nclick==8.5.0 "),
        ("conda-lock.yml", "  version: 1.0.8\n", "  version: 1.0.9\n"),
        ("Dockerfile", "cuda:12.8.1-base", "cuda:12.8.2-base"),
    ],
)
def test_another_source_makes_another_bill(folder: Path, text: str, name: str, old: str, new: str) -> None:
    source = (folder / name).read_text()
    assert old in source
    (folder / name).write_text(source.replace(old, new))
    assert sbom(folder).returncode == 0
    after = (folder / SBOM).read_text()
    assert json.loads(after)["serialNumber"] != json.loads(text)["serialNumber"]


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda folder: (folder / "conda-lock.yml").unlink(), "conda-lock.yml: No such file"),
        (lambda folder: (folder / "conda-lock.yml").write_text("a: ["), "cannot be read"),
        (lambda folder: (folder / "conda-lock.yml").write_text("a"), "cannot be read"),
        (lambda folder: (folder / "pyproject.toml").write_text("[project]\n"), "cannot be read"),
        (lambda folder: (folder / "Dockerfile").write_text("ARG BASE=debian\n"), "names no NAME:TAG@sha256"),
    ],
)
def test_a_malformed_source_is_one_line(folder: Path, break_it: Callable[[Path], object], said: str) -> None:
    break_it(folder)
    done = sbom(folder)
    assert done.returncode == 2
    assert said in one_line(done.stderr)
    assert not (folder / SBOM).exists()
