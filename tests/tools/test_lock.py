"""The locks answer what is asked for, are complete, and come out the same again."""

import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import rattler
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from samebits.bootstrap.only import is_marked, select

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools/lock.py"
CONDA, COMPILER, PIP, DEV, OWN = (
    "conda-lock.yml",
    "locks/compiler-lock.yml",
    "requirements.lock",
    "locks/requirements-dev.lock",
    "locks/requirements-conda-lock.lock",
)
PIP_TEXT = (ROOT / PIP).read_text()
# The kinds of project that the locks answer for: a project made from this template is of one kind.
PROJECTS = ["both", "torch", "keras"] if is_marked(PIP_TEXT) else ["both"]
ROW = re.compile(r"([a-z0-9-]+)==([^\s;]+) --hash=sha256:([0-9a-f]{64})")


def rows(name: str, project: str = "both") -> dict[str, str]:
    """Package to version of a PyPI lock; a line that is neither a comment nor a whole row fails the test."""
    text = select((ROOT / name).read_text(), project)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    matches = [ROW.fullmatch(line) for line in lines]
    assert None not in matches, (
        f"{name}: {lines[matches.index(None)]!r} is not `NAME==VERSION --hash=sha256:…`"
    )
    return {match[1]: match[2] for match in matches if match}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with copies of the requests and the locks."""
    shutil.copytree(ROOT / "locks", tmp_path / "locks")
    for name in ("environment.yml", "pyproject.toml", CONDA, PIP):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def lock(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    words, environment = [sys.executable, str(TOOL), *arguments], {**os.environ, **variables}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file.name}"
    file.write_text(text.replace(old, new))


def test_locks_are_up_to_date() -> None:
    """What `make lock-check` runs."""
    result = lock(ROOT, "--check")
    assert result.returncode == 0, result.stderr


def test_comments_and_layout_make_no_lock_stale(project: Path) -> None:
    text = (project / "environment.yml").read_text()
    wheels = re.findall(r"^      - .*\n", text, re.MULTILINE)
    others = re.sub(r"^      (- |#).*\n", "", text, flags=re.MULTILINE)
    moved = "".join(row.replace("==", "  ==  ") for row in reversed(wheels))
    (project / "environment.yml").write_text(f"# another comment\n{others}{moved}")
    replace(project / "pyproject.toml", "[dependency-groups]", "[dependency-groups] # another comment")
    result = lock(project, "--check")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("environment.yml", "- scikit-learn==1.9.1", "- scikit-learn==1.9.0", [PIP]),
        ("environment.yml", "      - rich==15.0.0\n", "", [PIP]),
        ("environment.yml", "- python=3.11.15", "- python=3.11.14", [CONDA]),
        ("environment.yml", "- conda-forge", "- other\n  - conda-forge", [CONDA]),
        ("environment.yml", "- python=3.11.15", "- python=3.12.1", [CONDA, PIP, DEV, OWN]),
        ("environment.yml", "- uv=0.12.5", "- uv=0.12.3", [CONDA, DEV]),
        ("locks/compiler.yml", "- gxx=13.3.0", "- gxx=14.3.0", [COMPILER]),
        ("pyproject.toml", '"pytest-xdist==3.8.0"', '"pytest-xdist==3.7.0"', [DEV]),
        ("pyproject.toml", '"conda-lock==4.0.3"', '"conda-lock==4.0.2"', [OWN]),
        (PIP, "\ntzdata==2026.6 ", "\ntzdata==2026.5 ", [DEV]),  # installed over the other
        (CONDA, "# request:", "# requested:", [CONDA]),
    ],
)
def test_a_changed_request_makes_its_lock_stale(
    project: Path, file: str, old: str, new: str, stale: list[str]
) -> None:
    replace(project / file, old, new)
    result = lock(project, "--check")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"samebits: {', '.join(stale)} do")
    assert result.stderr.endswith("run `make lock`\n")


def test_a_missing_lock_is_stale(project: Path) -> None:
    (project / PIP).unlink()
    result = lock(project, "--check")
    assert result.returncode == 1
    assert PIP in result.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("environment.yml", "- scikit-learn==1.9.1", "- scikit-learn", "scikit-learn==VERSION"),
        ("environment.yml", "- scikit-learn==1.9.1", "- scikit-learn==1.9.*", "scikit-learn==VERSION"),
        ("environment.yml", "- python=3.11.15", "- python=3.11", "`python` needs an exact version"),
        ("environment.yml", "- linux-64", "- osx-arm64", "osx-arm64"),
        ("environment.yml", "- pip:", "- other:", "`pip:` list"),
        ("environment.yml", "channels:", "channels: [", "cannot be read"),
        ("pyproject.toml", "[dependency-groups]", "[other]", "dependency-groups"),
    ],
)
def test_a_wrong_request_is_one_clear_line(project: Path, file: str, old: str, new: str, says: str) -> None:
    replace(project / file, old, new)
    result = lock(project, "--check")
    assert result.returncode == 2
    assert result.stderr.startswith("samebits: ")
    assert result.stderr.count("\n") == 1
    assert says in result.stderr


def test_wrong_use_is_one_clear_line(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for result in (
        lock(project, "--nonsense"),
        lock(project, "--conda", "/no/such"),
        lock(elsewhere, "--check"),
    ):
        assert result.returncode == 2
        assert result.stderr.startswith("samebits: ")
        assert result.stderr.count("\n") == 1


def made(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the tool for real; skip the test where no package index answers."""
    result = lock(folder, **variables)
    if result.returncode and re.search("Failed to fetch|error sending request|dns error", result.stderr):
        pytest.skip(f"needs a package index: {result.stderr.strip()}")
    assert result.returncode == 0, result.stderr
    return result


def test_the_same_request_gives_the_same_bytes(project: Path) -> None:
    """Also where the machine's settings would have uv choose otherwise; and without any conda."""
    before = {name: (project / name).read_bytes() for name in (CONDA, COMPILER, PIP, DEV, OWN)}
    made(
        project, UV_RESOLUTION="lowest", UV_EXCLUDE_NEWER="2020-01-01", UV_PRERELEASE="allow", TZ="Asia/Tokyo"
    )
    assert {name: (project / name).read_bytes() for name in before} == before


def test_a_change_under_pip_moves_only_what_it_must(project: Path) -> None:
    """And what it leaves, it leaves at an older version too; a wrong hash is fixed."""
    older = re.sub(r"(?m)^pillow==\S+ \S+", "pillow==12.1.0 --hash=sha256:0", PIP_TEXT)
    (project / PIP).write_text(older)
    replace(project / "environment.yml", "- threadpoolctl==3.8.0\n", "- threadpoolctl==3.6.0\n")
    before = (project / CONDA).read_bytes()
    shown = lock(project, "--dry-run", "--json")
    if shown.returncode == 0:  # else there is no package index, which `made` tells
        changed = [{"name": "threadpoolctl", "old": "3.8.0", "new": "3.6.0"}]
        assert json.loads(shown.stdout)["locks"][PIP] == changed
        assert "pillow==12.1.0 --hash=sha256:0\n" in (project / PIP).read_text(), "--dry-run wrote"
    assert f"{PIP}: 1 package to change\n  threadpoolctl  3.8.0 -> 3.6.0\n" in made(project).stdout
    assert lock(project, "--check").returncode == 0
    assert (project / CONDA).read_bytes() == before
    assert not (project / ".venv-conda-lock").exists(), "conda-lock was set up, though nothing asked for it"
    after = {line for line in (project / PIP).read_text().splitlines() if not line.startswith("#")}
    moved = sorted(after - set(PIP_TEXT.splitlines()))
    assert [line.split(" ")[0] for line in moved] == ["pillow==12.1.0", "threadpoolctl==3.6.0"]
    assert all(ROW.fullmatch(line) for line in moved)
    assert len(after) == len(rows(PIP))


# Where an index or a channel does not answer

CONDA_LOCK = """#!/bin/sh
echo 'Traceback (most recent call last):' >&2
echo "requests.exceptions.ConnectionError: Pool(host='fetch.example', port=443): Max retries" >&2
exit 1
"""


@pytest.mark.parametrize("conda", [None, "/opt/conda"])
def test_without_a_channel_it_is_said_what_was_asked_and_what_to_do(
    tool: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    conda: str | None,
) -> None:
    bin = tmp_path / ".venv-conda-lock/bin"
    bin.mkdir(parents=True)
    (bin / "python").touch()
    (bin / "conda-lock").write_text(CONDA_LOCK)
    (bin / "conda-lock").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    asked = {"channels": ["my-forge"], "platforms": ["linux-64"], "dependencies": ["python=3.11.14"]}
    with pytest.raises(tool.CheckFailed) as failed:
        tool.lock_conda(lambda *words, failing: "", asked, Path("environment.yml"), "", conda)
    line = str(failed.value)
    assert "fetch.example does not answer" in line
    assert "under `channels:` in environment.yml" in line
    assert ("CONDA=" in line) == (conda is None)
    assert "`pip:`" in line
    said = capsys.readouterr().err
    assert said.startswith("samebits: conda-lock asks my-forge for what environment.yml wants")
    assert said.count("\n") == 1


def test_other_failures_of_conda_lock_keep_their_words(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin = tmp_path / ".venv-conda-lock/bin"
    bin.mkdir(parents=True)
    (bin / "python").touch()
    (bin / "conda-lock").write_text("#!/bin/sh\necho 'Could not solve: python 9 is nowhere' >&2; exit 1\n")
    (bin / "conda-lock").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    asked = {"channels": ["my-forge"], "platforms": ["linux-64"], "dependencies": ["python=9.0.0"]}
    with pytest.raises(tool.CheckFailed, match="was not made: Could not solve: python 9 is nowhere"):
        tool.lock_conda(lambda *words, failing: "", asked, Path("environment.yml"), "", None)


def test_an_index_that_does_not_answer_is_named_without_its_password(project: Path) -> None:
    replace(project / "environment.yml", "- threadpoolctl==3.8.0\n", "- threadpoolctl==3.6.0\n")
    address = "http://me:secret@127.0.0.1:9/simple"
    result = lock(project, UV_DEFAULT_INDEX=address, UV_CACHE_DIR=str(project / "cache"), UV_HTTP_RETRIES="0")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "asked was http://127.0.0.1:9/simple: `pip config set global.index-url" in result.stderr
    assert "secret" not in result.stderr


# What is shown before anything is written


def test_what_can_move_bits_is_called_out(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    old = {"torch": "2.10.0", "torchinfo": "1.8", "nvidia-cudnn-cu12": "9.10.2.21", "rich": "15.0.0"}
    new = {"torch": "2.11.0", "torchinfo": "1.9", "nvidia-cudnn-cu12": "9.12.0.1", "click": "8.5.1"}
    tool.show({PIP: tool.changes(old, new), CONDA: []}, json_=False)
    table, _, *called_out = capsys.readouterr().out.partition(f"{CONDA}: no packages to change\n")
    assert table.splitlines() == [
        f"{PIP}: 5 packages to change",
        "  click              added, 8.5.1",
        "  nvidia-cudnn-cu12  9.10.2.21 -> 9.12.0.1",
        "  rich               removed, was 15.0.0",
        "  torch              2.10.0 -> 2.11.0",
        "  torchinfo          1.8 -> 1.9",
    ]
    assert "nvidia-cudnn-cu12  9.10.2.21 -> 9.12.0.1; torch  2.10.0 -> 2.11.0; the hashes" in called_out[0]
    assert "`make golden`" in called_out[0]
    tool.show({PIP: tool.changes({"rich": "1"}, {"rich": "2"})}, json_=False)
    assert "golden" not in capsys.readouterr().out


def test_both_kinds_of_lock_tell_their_versions(tool: ModuleType) -> None:
    assert tool.versions(ROOT / CONDA)["python"] == "3.11.15"
    assert tool.versions(ROOT / PIP)["numpy"] == "2.4.6"
    assert tool.versions(Path("none.yml")) == tool.versions(Path("none.lock")) == {}


# The wheel that is chosen


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    specification = importlib.util.spec_from_file_location("samebits_tools_lock", TOOL)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up
    sys.path.append(str(TOOL.parent))  # as Python does for a script
    specification.loader.exec_module(module)
    return module


def package(*tags: str) -> dict[str, Any]:
    """A row of pylock.toml whose wheels' hashes are their places in `tags`."""
    wheels = [
        {"url": f"https://example.org/%2B/p-1.0-{tag}.whl#x", "hashes": {"sha256": str(place)}}
        for place, tag in enumerate(tags)
    ]
    return {"name": "p", "version": "1.0", "wheels": wheels}


@pytest.mark.parametrize(
    "tags",
    [
        ("cp311-cp311-manylinux_2_28_x86_64", "cp39-abi3-manylinux_2_28_x86_64", "py3-none-any"),
        (
            "cp39-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64",
            "py3-none-any",
            "cp312-cp312-manylinux_2_28_x86_64",
        ),
        ("cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux2014_x86_64", "cp311-cp311-linux_x86_64"),
        ("py3-none-any", "cp311-cp311-manylinux_2_34_x86_64", "cp311-cp311-musllinux_1_2_x86_64"),
        ("2-cp311-cp311-manylinux_2_28_x86_64", "1-cp311-cp311-manylinux_2_28_x86_64", "1-py3-none-any"),
        ("10-py3-none-any", "9-py3-none-any", "py3-none-any"),
        ("py3-none-manylinux1_x86_64", "cp311-cp311-macosx_11_0_arm64", "cp311-cp311-manylinux_2_17_aarch64"),
    ],
)
def test_the_wheel_is_the_one_that_an_installer_would_choose(tool: ModuleType, tags: tuple[str, ...]) -> None:
    ranks = tool.wheel_tags("3.11")
    assert tool.best_wheel(package(*tags), ranks) == "0"
    assert tool.best_wheel(package(*reversed(tags)), ranks) == str(len(tags) - 1)


def test_a_package_without_a_fitting_wheel_is_refused(tool: ModuleType) -> None:
    ranks = tool.wheel_tags("3.11")
    with pytest.raises(tool.CheckFailed, match=r"p 1\.0 has no wheel"):
        tool.best_wheel(package("cp311-cp311-win_amd64"), ranks)
    nameless = package("py3-none-any")
    nameless["wheels"][0]["hashes"] = {"md5": "0"}
    with pytest.raises(tool.CheckFailed, match="no sha256"):
        tool.best_wheel(nameless, ranks)


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


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize("name", [PIP, DEV, OWN])
def test_pypi_rows_are_in_order_with_one_hash_and_no_address(name: str, project: str) -> None:
    text = select((ROOT / name).read_text(), project)
    assert rows(name, project)
    # As `make lock` in such a project writes them, or its first one would move what is locked.
    order = [line.split("==")[0] for line in text.splitlines() if not line.startswith("#")]
    assert order == sorted(order)
    assert (
        len(rows(name, project)) == text.count("==") == text.count("sha256:") - 1
    )  # the header has the request's
    assert "://" not in text
    assert "index" not in text


def test_conda_lock_has_no_other_address() -> None:
    hosts = set(re.findall(r"https?://([^/\s]+)", (ROOT / CONDA).read_text()))
    assert hosts == {"conda.anaconda.org"}


@pytest.mark.parametrize("project", PROJECTS)
def test_the_locks_of_one_environment_share_no_package(project: str) -> None:
    assert not rows(PIP, project).keys() & rows(DEV, project).keys()


@pytest.mark.parametrize("project", PROJECTS)
def test_what_is_asked_for_is_locked(project: str) -> None:
    environment = yaml.safe_load(select((ROOT / "environment.yml").read_text(), project))
    [pip] = [entry["pip"] for entry in environment["dependencies"] if "pip" in entry]
    assert dict(text.split("==") for text in pip).items() <= rows(PIP, project).items()


@pytest.mark.parametrize("project", PROJECTS)
def test_the_environment_is_what_the_locks_say_and_is_closed(project: str) -> None:
    """Every locked version is installed; what each package needs is locked, in a version that it accepts."""
    base = rows(PIP, project)
    all_rows = {**base, **rows(DEV, project)}
    installed = {canonicalize_name(d.name): d for d in importlib.metadata.distributions()}
    assert {name: installed[name].version for name in all_rows if name in installed} == all_rows
    reached: set[tuple[str, str, bool]] = set()
    ahead = [(name, "", name not in base) for name in all_rows]
    while ahead:
        name, extra, for_tools = one = ahead.pop()
        if one in reached:
            continue
        reached.add(one)
        allowed = all_rows if for_tools else base  # what goes into the image needs no development tool
        for text in installed[name].requires or []:
            need = Requirement(text)
            if need.marker and not need.marker.evaluate({"extra": extra}):
                continue
            target = canonicalize_name(need.name)
            assert target in allowed, f"{name} needs {text}, which is not locked"
            assert need.specifier.contains(allowed[target], prereleases=True), f"{name} needs {text}"
            ahead += [(target, e, for_tools) for e in need.extras]
