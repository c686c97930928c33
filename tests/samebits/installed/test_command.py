"""`samebits attest` on a small real environment: right as it is, and each kind of tampering named."""

import hashlib
import importlib.util
import json
import marshal
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import ROOT, Started, one_line

from samebits.installed import bytecode
from samebits.installed.attest import Check, attest, project
from samebits.installed.venv import PLACE, SITE, WRITTEN_BY_UV, find, walk

UV = Path(sys.executable).with_name("uv")
# A lock of its own, so that the versions that the tests name stay when the project's lock moves on.
LOCK = """\
click==8.5.1 \\
    --hash=sha256:8bb5376d2006950386f8c6427613334a2acadc5f559cb80e638d00b4df957e37
markdown-it-py==4.3.0 \\
    --hash=sha256:7aa1511a46c39138de78d9eba92ce47e63124d8003fc98b3a351909e04239efa
mdurl==0.1.2 \\
    --hash=sha256:84008a41e51615a49fc9966191ff91509e3c40b939176e643fd50a5c2196b8f8
packaging==26.3 \\
    --hash=sha256:d7193f7c8e4e93f444fde0262bf90af30e16fa0ad0ad44cb553c87339b23cd1c
six==1.17.0 \\
    --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274
wheel==0.48.0 \\
    --hash=sha256:3217dcc807155e45db462d7ef2431f5ddda0d7273b700d05a67b271ceb1287ab
"""
WHEELS = LOCK.count("==")
CORE = f"{SITE}/click/core.py"
CORE_PYC = f"{SITE}/click/__pycache__/core.cpython-311.pyc"


def uv(*words: object, **variables: str) -> None:
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", **variables}
    if index := subprocess.run(
        [ROOT / "src/samebits/bootstrap/pip-index"], capture_output=True, text=True
    ).stdout.strip():
        environment["UV_DEFAULT_INDEX"] = index
    done = subprocess.run([UV, *map(str, words)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@dataclass
class Small:
    """A small environment as the Dockerfile makes it, its lock, and the project around it."""

    prefix: Path
    lock: Path
    root: Path

    def faults(self) -> dict[str, list[str]]:
        checks = attest(find(self.prefix, self.root), [self.lock], ROOT / "conda-lock.yml")
        return {check.check: check.faults for check in checks if check.faults}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Made once; `small` copies it back into its place, since an environment knows its path."""
    folder = tmp_path_factory.mktemp("attest")
    small = Small(folder / "project/.venv", folder / "requirements.lock", folder / "project")
    (small.root / "src").mkdir(parents=True)
    small.lock.write_text(LOCK)
    uv("venv", "--python", sys.executable, small.prefix)
    options = ("--require-hashes", "--link-mode", "copy", "--compile-bytecode")
    python = ("--python", small.prefix / "bin/python")
    uv("pip", "sync", *options, *python, small.lock, PYC_INVALIDATION_MODE="CHECKED_HASH")
    for name, text in find(small.prefix, small.root).ours.items():  # as the Dockerfile writes them
        (small.prefix / name).write_text(text)
    (small.prefix / ".lock").unlink(missing_ok=True)
    shutil.copytree(small.prefix, folder / "copy", symlinks=True)
    return small


@pytest.fixture
def small(pristine: Small) -> Small:
    shutil.rmtree(pristine.prefix)
    shutil.copytree(pristine.prefix.parents[1] / "copy", pristine.prefix, symlinks=True)
    return pristine


def test_as_installed_all_is_right(small: Small) -> None:
    checks = attest(find(small.prefix, small.root), [small.lock], ROOT / "conda-lock.yml")
    assert [check.faults for check in checks] == [[]] * len(checks)
    told = {check.check: check for check in checks}
    assert told["packages"].looked_at == WHEELS
    assert told["bytecode"].looked_at > 100
    assert told["bytecode"].what.endswith(f": {told['bytecode'].looked_at} checked-hash")
    assert told["requirements"].looked_at == 2  # markdown-it-py needs mdurl, wheel needs packaging
    assert told["interpreter"].outcome == "warn"
    # Nothing that is there escapes all of the checks.
    looked_at = sum(told[name].looked_at for name in ("recorded files", "other files", "bytecode"))
    records = WHEELS  # the RECORDs themselves
    assert len(walk(small.prefix).files) == looked_at + records


def append(name: str) -> Callable[[Path], None]:
    def tamper(prefix: Path) -> None:
        with open(prefix / name, "a") as file:
            file.write("\n# more\n")

    return tamper


def flip(name: str) -> Callable[[Path], None]:
    """Change the last byte, so that the size stays."""

    def tamper(prefix: Path) -> None:
        content = (prefix / name).read_bytes()
        (prefix / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    return tamper


def write(name: str, text: str = "") -> Callable[[Path], None]:
    return lambda prefix: (prefix / name).write_text(text) and None


def remove(name: str) -> Callable[[Path], None]:
    return lambda prefix: (prefix / name).unlink()


def mode(name: str, bits: int) -> Callable[[Path], None]:
    return lambda prefix: (prefix / name).chmod(bits)


def link(name: str, target: str) -> Callable[[Path], None]:
    def tamper(prefix: Path) -> None:
        (prefix / name).unlink(missing_ok=True)
        (prefix / name).symlink_to(target)

    return tamper


def compiled(source: str, flags: int = 3, version: int = 4) -> Callable[[Path], None]:
    """Put the bytecode of `source` where that of CORE is, with a header that fits CORE."""

    def tamper(prefix: Path) -> None:
        text = (prefix / CORE).read_text()
        code = compile(source.format(text=text), str(prefix / CORE), "exec", dont_inherit=True)
        status = (prefix / CORE).stat()
        when = b"".join(int(n).to_bytes(4, "little") for n in (status.st_mtime, status.st_size))
        valid = importlib.util.source_hash(text.encode()) if flags else when
        header = importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + valid
        (prefix / CORE_PYC).write_bytes(header + marshal.dumps(code, version))

    return tamper


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def tamper(prefix: Path) -> None:
        text = (prefix / name).read_text()
        assert text.count(old) == 1
        (prefix / name).write_text(text.replace(old, new))

    return tamper


def hard_link(prefix: Path) -> None:
    os.remove(prefix / f"{SITE}/mdurl/py.typed")
    os.link(prefix / f"{SITE}/click/py.typed", prefix / f"{SITE}/mdurl/py.typed")


RECORD = f"{SITE}/mdurl-0.1.2.dist-info/RECORD"
METADATA = f"{SITE}/mdurl-0.1.2.dist-info/METADATA"


@pytest.mark.parametrize(
    ("tamper", "check", "said"),
    [
        (flip(f"{SITE}/click/types.py"), "recorded files", "click/types.py has sha256"),
        (append(CORE), "recorded files", "click/core.py has 149,013 bytes, recorded are 149,005"),
        (append(CORE), "bytecode", "core.cpython-311.pyc has another hash than its source"),
        (remove(f"{SITE}/mdurl/_parse.py"), "recorded files", "mdurl/_parse.py of mdurl is missing"),
        (remove(f"{SITE}/mdurl/_parse.py"), "bytecode", "_parse.cpython-311.pyc its source is missing"),
        (append("bin/wheel"), "recorded files", "bin/wheel has"),
        (write(f"{SITE}/click/more.py", "1"), "other files", "click/more.py is in no RECORD"),
        (write(f"{SITE}/more.pth", "import os"), "other files", "more.pth is in no RECORD"),
        (write(".ready", "python"), "other files", ".ready is in no RECORD"),
        (append(f"{SITE}/_virtualenv.py"), "other files", "_virtualenv.py is not what `uv venv` writes"),
        (append("bin/activate"), "other files", "bin/activate is not what `uv venv` writes"),
        (append(f"{SITE}/samebits.pth"), "other files", "samebits.pth is not what the Dockerfile writes"),
        (append("bin/samebits"), "other files", "bin/samebits is not what the Dockerfile writes"),
        (replace("pyvenv.cfg", "= false", "= true"), "other files", "include-system-site-packages must be"),
        (replace("pyvenv.cfg", "home = ", "home = /elsewhere"), "other files", "home is /elsewhere/"),
        (replace("pyvenv.cfg", "uv = ", "uvv = "), "other files", "`uv venv` writes no 'uvv'"),
        (compiled("{text}\nx = -0.0\n"), "bytecode", "is not what its source compiles to"),
        (compiled("{text}", flags=1), "bytecode", "is valid whatever its source says"),
        (compiled("{text}", flags=0), "bytecode", "core.cpython-311.pyc is timestamp, not checked-hash"),
        (flip(CORE_PYC), "bytecode", "core.cpython-311.pyc"),
        (write(CORE_PYC, "x"), "bytecode", "is not bytecode of this Python"),
        (write(f"{SITE}/click/core.pyc"), "bytecode", "click/core.pyc no import would read"),
        (mode(CORE, 0o4644), "links and modes", "click/core.py has mode 4644"),
        (mode(CORE, 0o646), "links and modes", "click/core.py can be written by anybody (mode 0646)"),
        (mode(f"{SITE}/click", 0o777), "links and modes", "click/ has mode 0777"),
        (link(f"{SITE}/a", "/etc"), "links and modes", "a is a link, to /etc"),
        (link("bin/python3", "/bin/sh"), "links and modes", "bin/python3 is a link to /bin/sh, not"),
        (link("bin/python", "/bin/sh"), "other files", "bin/python is /bin/sh"),
        (link("bin/python", "gone"), "links and modes", "bin/python cannot be executed"),
        (hard_link, "links and modes", "is the same file as"),
        (lambda prefix: os.mkfifo(prefix / "pipe"), "links and modes", "pipe is neither a file nor a folder"),
        (append(RECORD), "recorded files", "the RECORD of mdurl has no sha256 and size for it"),
        (remove(RECORD), "recorded files", "mdurl 0.1.2 has no RECORD"),
        (remove(METADATA), "packages", "mdurl-0.1.2.dist-info without METADATA is installed and in no lock"),
        (remove(METADATA), "recorded files", "mdurl-0.1.2.dist-info/METADATA of"),
        (replace(RECORD, "mdurl/py.typed,", "../../../../../x,"), "recorded files", "a file outside of"),
    ],
)  # fmt: skip
def test_tampering_is_named(small: Small, tamper: Callable[[Path], None], check: str, said: str) -> None:
    tamper(small.prefix)
    faults = small.faults()
    assert any(said in fault for fault in faults.get(check, [])), faults


def test_equal_code_with_other_marks_is_equal(small: Small) -> None:
    """Marshal's format 2 has no marks of sharing: other bytes, the same code."""
    before = (small.prefix / CORE_PYC).read_bytes()
    compiled("{text}", version=2)(small.prefix)
    assert (small.prefix / CORE_PYC).read_bytes() != before
    assert small.faults() == {}


def test_a_stale_bytecode_file_that_python_would_replace(small: Small) -> None:
    compiled("x = 1", flags=0)(small.prefix)
    os.utime(small.prefix / CORE, (1, 1))
    assert bytecode.judge(small.prefix / CORE_PYC) == bytecode.Verdict(small.prefix / CORE_PYC, "stale")
    assert "is stale, not checked-hash" in " ".join(small.faults()["bytecode"])  # in an image, nobody edits


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("six==1.17.0", "# six==1.17.0", "six 1.17.0 is installed and in no lock"),
        ("six==1.17.0", "six==1.16.0", "six 1.17.0 is installed, requirements.lock has 1.16.0"),
        ("six==", "seven==1.0\nsix==", "seven 1.0 is in requirements.lock and not installed"),
    ],
)
def test_a_package_that_is_not_as_locked(small: Small, tmp_path: Path, old: str, new: str, said: str) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(small.lock.read_text().replace(old, new))
    assert Small(small.prefix, lock, small.root).faults() == {"packages": [said]}


def test_a_package_that_is_there_twice(small: Small) -> None:
    old = small.prefix / SITE / "six-1.16.0.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n")
    assert small.faults()["packages"] == ["six is installed 2 times: 1.16.0, 1.17.0"]


def test_unmet_requirements(small: Small) -> None:
    metadata = small.prefix / SITE / "mdurl-0.1.2.dist-info/METADATA"
    text = metadata.read_text()
    metadata.write_text(text.replace("\nVersion: 0.1.2\n", "\nVersion: 2.0\n"))
    (small.prefix / SITE / "six-1.17.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: six\nVersion: 1.17.0\nRequires-Python: >=3.12\n"
        "Requires-Dist: nothing; python_version < '3'\nRequires-Dist: gone>1; python_version > '3'\n"
        "Requires-Dist: click[fast]\n"
    )
    with open(small.prefix / SITE / "click-8.5.1.dist-info/METADATA", "r+") as file:
        text = file.read().replace("\n\n", "\nRequires-Dist: quick; extra == 'fast'\n\n", 1)
        file.seek(0)
        file.write(text)
    told = small.faults()["requirements"]
    assert [re.sub(r", this is \S+", "", line) for line in told] == [
        "six 1.17.0 needs Python >=3.12",
        "markdown-it-py 4.3.0 needs mdurl~=0.1: 2.0 is installed",
        "six 1.17.0 needs gone>1: not installed",
        "click[fast] 8.5.1 needs quick: not installed",
    ]


def test_uv_writes_what_the_table_says(tmp_path: Path) -> None:
    uv("venv", "--python", sys.executable, tmp_path / "env")
    there = {
        name: hashlib.sha256((tmp_path / "env" / name).read_bytes().replace(bytes(tmp_path / "env"), PLACE))
        for path in (tmp_path / "env").rglob("*")
        if path.is_file() and not path.is_symlink()
        for name in [path.relative_to(tmp_path / "env").as_posix()]
        if name not in ("pyvenv.cfg", ".lock")
    }
    assert {name: digest.hexdigest() for name, digest in there.items()} == WRITTEN_BY_UV


# ---------------------------------------------------------------- the command


def command(start: Callable[..., Started], small: Small, *options: object) -> Started:
    return start("samebits", "attest", "--environment", small.prefix, "--lock", small.lock, *options)


def test_the_command(start: Callable[..., Started], small: Small) -> None:
    """In a clone's manner: no samebits.pth, and bytecode that Python wrote by itself."""
    (small.prefix / SITE / "samebits.pth").unlink()
    (small.prefix / "bin/samebits").unlink()
    for path in (small.prefix / SITE / "click").rglob("*.pyc"):
        path.unlink()
    subprocess.run([small.prefix / "bin/python", "-c", "import click"], env={}, check=True)
    done = command(start, small)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"bytecode +ok .* \d+ checked-hash, (\d+ stale, )?\d+ timestamp", done.stdout)
    assert re.search(rf"^packages +ok +{WHEELS} as in requirements.lock", done.stdout, re.MULTILINE)


def test_the_command_names_the_first_and_counts_the_others(
    start: Callable[..., Started], small: Small
) -> None:
    (small.prefix / SITE / "samebits.pth").unlink()
    (small.prefix / "bin/samebits").unlink()
    append(CORE)(small.prefix)
    remove(f"{SITE}/mdurl/py.typed")(small.prefix)
    done = command(start, small, "--json")
    assert done.returncode == 1
    assert re.fullmatch(
        r"samebits: 2 of 7 checks failed: lib/python3.11/site-packages/click/core.py has 149,013 bytes, .*; "
        r"and 2 more",
        one_line(done.stderr),
    )
    told = {check["check"]: check for check in json.loads(done.stdout)}
    assert [len(told[name]["faults"]) for name in ("recorded files", "bytecode", "packages")] == [2, 1, 0]
    assert told["recorded files"]["outcome"] == "fail"
    table = command(start, small)
    assert re.search(r"recorded files fail .*; and 1 more\b", " ".join(table.stdout.split()))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--environment", "/usr"), "/usr is no virtual environment"),
        (("--lock", "gone.lock"), "gone.lock cannot be read"),
        (("--lock", "README.md"), "README.md has no rows NAME==VERSION"),
    ],
)
def test_wrong_use(start: Callable[..., Started], small: Small, options: tuple[str, str], said: str) -> None:
    done = command(start, small, *options)
    assert done.returncode == 2
    assert said in one_line(done.stderr)


# ---------------------------------------------------------------- the project's own files


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)


def test_the_projects_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone is compared by git; an image can only say the digest, which the clone says too."""
    monkeypatch.setenv("SAMEBITS_COMMIT", "abc")
    clone, image = tmp_path / "clone", tmp_path / "image"
    (clone / "src/a").mkdir(parents=True)
    (clone / "src/a/b.py").write_text("1\n")
    (clone / "entrypoint").write_text("2\n")
    shutil.copytree(clone, image)
    (clone / "README.md").write_text("not in the digest")
    git(clone, "init", "--quiet")
    git(clone, "add", ".")
    git(clone, "-c", "user.name=a", "-c", "user.email=b", "commit", "--quiet", "--message=c")

    def digest(check: Check) -> str:
        return re.findall("sha256:([0-9a-f]{64})", check.what)[0]

    right, told = project(clone), project(image)
    assert (right.outcome, right.looked_at, told.outcome) == ("ok", 2, "warn")
    assert "said to be commit abc" in told.what
    sums = subprocess.run("sha256sum entrypoint src/a/b.py | sha256sum", shell=True, cwd=image,
                          capture_output=True, text=True).stdout  # fmt: skip
    assert digest(right) == digest(told) == sums[:64]
    (clone / "src/a/new.py").touch()
    changed = project(clone)
    assert (changed.outcome, digest(changed) != digest(right)) == ("warn", True)
    assert "1 differ from commit" in changed.what
