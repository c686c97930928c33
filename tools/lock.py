"""Make the locks out of environment.yml and pyproject.toml, or say which of them is stale.

    lock                                what is in it         asked for in                         solved by
    conda-lock.yml                      the interpreter, uv   environment.yml without `pip:`       conda-lock
    requirements.lock                   torch, TensorFlow, …  environment.yml, `pip:`              uv
    locks/requirements-dev.lock         ruff, pytest, …, uv   pyproject.toml, group `dev`          uv
    locks/requirements-conda-lock.lock  conda-lock itself     pyproject.toml, group `conda-lock`   uv
    locks/compiler-lock.yml             a C++ compiler        locks/compiler.yml, if it is there   conda-lock

conda-lock is not asked for the wheels, since its PyPI solver gets the CUDA pins wrong; as it solves `pip:`
whenever it sees it, it gets a copy of environment.yml without. A lock keeps the versions that it has where
the request allows (`--upgrade` moves them), and says in its header which request it answers. Works on the
current folder; nothing is written unless every solver has answered.

The template also makes projects of one framework. Where environment.yml has marks (only.py), the PyPI
locks answer for each kind of project: a row says which have it, and every kind has its request in the header.
"""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import click
import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from samebits._files import write_whole
from samebits.bootstrap import only
from samebits.bootstrap.locks_whole import END
from samebits.bootstrap.only import MARKS, PROJECTS, is_marked, select
from samebits.errors import CheckFailed, UsageError
from samebits.process.program import run_command
from differences import Change, changes, table

ENVIRONMENT, PROJECT = Path("environment.yml"), Path("pyproject.toml")
CONDA_LOCK = Path("conda-lock.yml")
PIP = Path("requirements.lock")
LOCKS = Path("locks")  # what only developers, and `make image TARGET=compile`, need
DEV, CONDA_LOCK_ITSELF = LOCKS / "requirements-dev.lock", LOCKS / "requirements-conda-lock.lock"
COMPILER, COMPILER_LOCK = LOCKS / "compiler.yml", LOCKS / "compiler-lock.yml"
CONDA_LOCK_ENVIRONMENT = Path(".venv-conda-lock")
CONDA_PLATFORM = "linux-64"
GLIBC = 28  # 2.28: what torch's wheels ask for
UV_PLATFORM = f"x86_64-manylinux_2_{GLIBC}"
FOR = f"Linux on x86-64 with glibc 2.{GLIBC} or newer"

# The wheels that compute; the hashes in golden.toml are theirs.
DECIDES = re.compile(r"(nvidia-|torch$|triton$|tensorflow$|keras$|numpy$|scikit-learn$|scipy$|ml-dtypes$)")

# What uv may take from the environment: where packages come from; not which (UV_RESOLUTION and its like).
UV_VARIABLES = (
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_KEYRING", "UV_INSECURE", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS"),
    *("UV_CACHE", "UV_HTTP", "UV_CONCURRENT", "UV_OFFLINE", "UV_CONFIG_FILE", "UV_NO_CONFIG"),
)


@dataclass(frozen=True)
class Request:
    """What a project asks for, freed of comments and layout.

    Attributes:
        project: "torch", "keras" or "both", as `only.select` has it.
        conda: `channels` in order, `platforms`, and `dependencies` without `pip:`, sorted.
        python: the interpreter's feature version, such as "3.11". Not its patch version: the wheels must also
            suit an older patch release, such as the one that a Debian machine has.
        uv: the exact version of uv.
        pip, dev, conda_lock: requirements of the three PyPI locks, normalised and sorted.
        compiler: like `conda`; None without a locks/compiler.yml.
    """

    project: str
    conda: dict[str, list[str]]
    python: str
    uv: str
    pip: list[str]
    dev: list[str]
    conda_lock: list[str]
    compiler: dict[str, list[str]] | None

    @property
    def locks(self) -> list[Path]:
        """The locks that answer it."""
        return [CONDA_LOCK, *([COMPILER_LOCK] if self.compiler else []), PIP, DEV, CONDA_LOCK_ITSELF]

    def digest(self, lock: Path) -> str:
        """The SHA-256 of everything that decides what `lock` must hold."""
        wheels: dict[str, object] = {"python": self.python, "platform": UV_PLATFORM}
        asked: dict[Path, object] = {
            CONDA_LOCK: self.conda,
            COMPILER_LOCK: self.compiler,
            PIP: {**wheels, "requirements": self.pip},
            # Installed over requirements.lock: another version in there makes this one stale.
            DEV: {
                **wheels,
                "requirements": self.dev,
                "constraints": sorted(pins(PIP, project=self.project).items()),
            },
            CONDA_LOCK_ITSELF: {**wheels, "requirements": self.conda_lock},
        }
        return hashlib.sha256(json.dumps(asked[lock], sort_keys=True).encode()).hexdigest()


def read_requests() -> list[Request]:
    """Read environment.yml and pyproject.toml of the current folder.

    Returns:
        What this project asks for. Where environment.yml has marks, what a project of either framework alone
        asks for comes after it.

    Raises:
        UsageError: a file is missing or malformed, or a version is not exact.
    """
    try:
        projects = ["both", "torch", "keras"] if is_marked(ENVIRONMENT.read_text()) else ["both"]
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}; run this in the project's folder") from None
    return [read_request(project) for project in projects]


def read_request(project: str) -> Request:
    """Read what one kind of project asks for; as `read_requests`."""
    try:
        environment = yaml.safe_load(select(ENVIRONMENT.read_text(), project))
        compiler = yaml.safe_load(COMPILER.read_text()) if COMPILER.exists() else None
        groups = tomllib.loads(select(PROJECT.read_text(), project))["dependency-groups"]
        dev, conda_lock = groups["dev"], groups["conda-lock"]
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}; run this in the project's folder") from None
    except (yaml.YAMLError, tomllib.TOMLDecodeError, ValueError) as error:
        raise UsageError(f"{ENVIRONMENT}, {COMPILER} or {PROJECT} cannot be read: {error}") from None
    except KeyError as error:
        raise UsageError(f"{PROJECT}: [dependency-groups] needs `dev` and `conda-lock`; no {error}") from None
    try:
        dependencies = environment["dependencies"]
        conda = sorted(re.sub(r"\s+", "", entry) for entry in dependencies if isinstance(entry, str))
        [pip] = [list(entry["pip"]) for entry in dependencies if isinstance(entry, dict)]
        channels, platforms = list(environment["channels"]), list(environment["platforms"])
    except (KeyError, TypeError, ValueError):
        raise UsageError(
            f"{ENVIRONMENT}: expected `channels`, `platforms` and `dependencies` with one `pip:` list in it"
        ) from None
    if platforms != [CONDA_PLATFORM]:
        raise UsageError(
            f"{ENVIRONMENT}: platforms is {platforms}; the wheels are for [{CONDA_PLATFORM}] only"
        )
    matches = (re.fullmatch(r"([\w-]+)==?([\d.]+)", entry) for entry in conda)
    versions = {match[1]: match[2] for match in matches if match}
    for name in ("python", "uv"):
        if versions.get(name, "").count(".") != 2:
            raise UsageError(f"{ENVIRONMENT}: `{name}` needs an exact version, as in `- {name}=1.2.3`")
    return Request(
        project=project,
        conda={"channels": channels, "platforms": platforms, "dependencies": conda},
        python=versions["python"].rpartition(".")[0],
        uv=versions["uv"],
        pip=exact(pip, ENVIRONMENT),
        dev=exact([*dev, f"uv=={versions['uv']}"], PROJECT),
        conda_lock=exact(conda_lock, PROJECT),
        compiler=compiler,
    )


def exact(requirements: Iterable[object], where: Path) -> list[str]:
    """Normalise requirements and sort them.

    Raises:
        UsageError: one of them is malformed or leaves its version open.
    """
    normal = []
    for text in requirements:
        try:
            requirement = Requirement(str(text))
        except InvalidRequirement:
            raise UsageError(f"{where}: `{text}` is not a requirement; write it as NAME==VERSION") from None
        if [s.operator for s in requirement.specifier] != ["=="] or str(requirement.specifier).endswith("*"):
            raise UsageError(f"{where}: `{text}` leaves its version open; write {requirement.name}==VERSION")
        requirement.name = canonicalize_name(requirement.name)
        normal.append(str(requirement))
    return sorted(normal)


def pins(lock: Path, text: str | None = None, project: str = "both") -> dict[str, str]:
    """The versions in a PyPI lock (or in `text`, what it is about to hold), by package; empty without one."""
    if text is None:
        text = lock.read_text() if lock.exists() else ""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", select(text, project), re.MULTILINE))


def request_lines(lock: Path, requests: Sequence[Request]) -> list[str]:
    """The lines of a lock's header that say which requests it answers; one if all projects ask the same."""
    digests = {request.project: request.digest(lock) for request in requests}
    if len(set(digests.values())) == 1:
        return [f"# request: sha256:{requests[0].digest(lock)}"]
    mark = {"both": "both", "torch": "torch alone", "keras": "keras alone"}
    return [f"# request: sha256:{digest}  # only: {mark[project]}" for project, digest in digests.items()]


def recorded(lock: Path) -> list[str]:
    """The lines of the lock's header that say which requests it answers."""
    text = lock.read_text() if lock.exists() else ""
    return re.findall(r"^# request: .*$", text, re.MULTILINE)


def header(what: str, requests: Iterable[str]) -> str:
    """The comment that starts a lock."""
    return "\n".join([f"# {what}.", f"# For {FOR}. Made by `make lock`.", *requests, ""])


# The PyPI half


class Uv:
    """uv in the version that environment.yml names."""

    def __init__(self, version: str) -> None:
        here = Path(sys.executable).with_name("uv")
        if not here.exists():
            raise UsageError(f"{here} is missing; run `make env` first")
        self.words = [str(here)]
        found = run([str(here), "--version"], "uv does not start").split()[1]
        if found != version:  # environment.yml was changed since: that uv, in its own cached environment
            self.words += ["tool", "run", "--from", f"uv=={version}", "uv"]
        kept = {k: v for k, v in os.environ.items() if k.startswith(UV_VARIABLES) or not k.startswith("UV_")}
        self.environment = {**kept, "UV_PYTHON_DOWNLOADS": "never"}
        if index := run([str(Path(only.__file__).with_name("pip-index"))], "pip-index failed").strip():
            self.environment["UV_DEFAULT_INDEX"] = index

    def __call__(self, *arguments: str, failing: str) -> str:
        try:
            return run([*self.words, *arguments], failing, self.environment)
        except CheckFailed as error:
            if not UNREACHABLE.search(str(error)):
                raise
            index = re.sub(r"//[^/@]*@", "//", self.environment.get("UV_DEFAULT_INDEX", "the default index"))
            raise CheckFailed(
                f"{error}; asked was {index}: "
                "`pip config set global.index-url ADDRESS` or UV_DEFAULT_INDEX names another"
            ) from None


DRAWING = re.compile(
    "[\u00d7\u2500-\u25ff]+ ?"
)  # the cross, lines and arrows that uv sets around its messages


# What solvers say when an index, a channel or a proxy does not answer.
UNREACHABLE = re.compile(
    "NameResolution|Failed to resolve|dns error|Could not resolve|Temporary failure|ConnectionError|"
    "Connection refused|ConnectTimeout|Max retries|timed out|sending request|Failed to fetch|SSLError|"
    "ProxyError|HTTPError"
)


def run(
    words: Sequence[str], failing: str, environment: dict[str, str] | None = None, doing: str = ""
) -> str:
    """Run a command and return what it prints.

    Args:
        words: the command.
        failing: what did not happen, if it fails.
        environment: all of its variables; this process's own if None.
        doing: what takes long, said on stderr; on a terminal with the seconds that it has taken so far.

    Raises:
        CheckFailed: it failed; the line begins with `failing` and ends with what the command said.
    """
    try:
        done = (waited if doing else finished)(words, environment, doing)
        done.check_returncode()
    except OSError as error:
        raise CheckFailed(f"{failing}: {words[0]}: {error.strerror}") from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip() or error.stdout.strip()).splitlines()
        trace = next((i for i, line in enumerate(said) if line.startswith("Traceback")), None)
        if trace is not None:  # conda-lock tells the solver's reason before its own traceback
            reason = next((i for i in range(trace) if said[i].startswith("Could not")), None)
            said = said[-1:] if reason is None else said[reason:trace][:4]
        raise CheckFailed(f"{failing}: {DRAWING.sub('', ' '.join(said[-12:]))}") from None
    return done.stdout


def finished(
    words: Sequence[str], environment: dict[str, str] | None, _: str
) -> subprocess.CompletedProcess[str]:
    """A command that has ended, with what it printed."""
    return subprocess.run(words, env=environment, capture_output=True, text=True)


def waited(
    words: Sequence[str], environment: dict[str, str] | None, doing: str
) -> subprocess.CompletedProcess[str]:
    """The same, and meanwhile somebody sees that it runs."""
    pipe, terminal, began = subprocess.PIPE, sys.stderr.isatty(), time.monotonic()
    print(f"samebits: {doing}", end="" if terminal else "\n", file=sys.stderr, flush=True)
    with subprocess.Popen(words, env=environment, stdout=pipe, stderr=pipe, text=True) as started:
        try:
            while True:
                try:
                    said, complained = started.communicate(timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    if terminal:
                        seconds = time.monotonic() - began
                        print(f"\rsamebits: {doing} ({seconds:.0f} s)", end="", file=sys.stderr, flush=True)
        except BaseException:
            started.kill()
            raise
        finally:
            if terminal:
                print(file=sys.stderr)
    return subprocess.CompletedProcess(words, started.returncode, said, complained)


def wheel_tags(python: str) -> dict[Tag, int]:
    """Every tag that a wheel for `python` on our platform may have: its rank, the best is 0."""
    old = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    platforms = []
    for minor in range(GLIBC, 4, -1):
        platforms.append(f"manylinux_2_{minor}_x86_64")
        if minor in old:
            platforms.append(f"{old[minor]}_x86_64")
    platforms.append("linux_x86_64")
    version, interpreter = tuple(map(int, python.split("."))), "cp" + python.replace(".", "")
    tags = [
        *cpython_tags(version, abis=[interpreter], platforms=platforms),
        *compatible_tags(version, interpreter, platforms),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


def best_wheel(package: dict[str, Any], ranks: dict[Tag, int]) -> str:
    """The sha256 of the one wheel, of all that a package's version has, which an installer would choose.

    Args:
        package: a row of `packages` in a pylock.toml.
        ranks: of `wheel_tags`.

    Raises:
        CheckFailed: there is none for our platform, or the index tells no sha256.
    """
    candidates = []
    for wheel in package.get("wheels", []):
        address = wheel.get("name") or wheel.get("path") or urlsplit(wheel["url"]).path
        _, _, build, tags = parse_wheel_filename(unquote(PurePosixPath(address).name))
        fitting = [ranks[tag] for tag in tags if tag in ranks]
        if fitting:
            # Best tag first; of two builds with equal tags, the later one.
            candidates.append((-min(fitting), build, wheel["hashes"].get("sha256")))
    name = f"{package['name']} {package.get('version', '')}"
    if not candidates:
        raise CheckFailed(f"{name} has no wheel for {UV_PLATFORM}; ask for a version that has one")
    sha256: str | None = max(candidates, key=lambda candidate: candidate[:2])[2]
    if sha256 is None:
        raise CheckFailed(f"{name}: the package index gives no sha256 for its wheel; use an index that does")
    return sha256


def lock_wheels(
    uv: Uv,
    lock: Path,
    requirements: list[str],
    python: str,
    over: str = "",
    within: str = "",
    upgrade: bool = False,
) -> str:
    """Solve requirements for our platform.

    Args:
        uv: the solver.
        lock: the file that the result is for; its present versions are preferred.
        requirements: what is asked for.
        python: the interpreter's feature version.
        over: rows of a lock underneath: its versions hold, and its packages are left out of the result.
        within: rows of a lock whose versions hold.
        upgrade: prefer the newest versions instead.

    Returns:
        One row a package, `NAME==VERSION --hash=sha256:DIGITS`, sorted by name.
    """
    underneath = pins(lock, over)
    with tempfile.TemporaryDirectory() as folder:
        asked, constraints = Path(folder, "asked.in"), Path(folder, "constraints.txt")
        result = Path(folder, "pylock.toml")
        asked.write_text("".join(f"{requirement}\n" for requirement in requirements))
        held = {**pins(lock, within), **underneath}
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in held.items()))
        # uv prefers the versions that it finds in its output file.
        kept = "".join(f'[[packages]]\nname = "{n}"\nversion = "{v}"\n' for n, v in pins(lock).items())
        if kept and not upgrade:
            result.write_text(f'lock-version = "1.0"\ncreated-by = "samebits"\n{kept}')
        uv(
            "pip", "compile", str(asked), "--constraints", str(constraints), "--format", "pylock.toml",
            "--output-file", str(result), "--python-version", python, "--python-platform", UV_PLATFORM,
            "--only-binary", ":all:", "--resolution", "highest", "--prerelease", "if-necessary-or-explicit",
            "--no-emit-index-url", "--no-header", "--quiet", failing=f"{lock} was not made",
        )  # fmt: skip
        packages = tomllib.loads(result.read_text())["packages"]
    ranks = wheel_tags(python)
    wheels = {
        (p["name"], p.get("version")): best_wheel(p, ranks) for p in packages if p["name"] not in underneath
    }
    rows = (
        f"{name}=={version} --hash=sha256:{digest}\n" for (name, version), digest in sorted(wheels.items())
    )
    return "".join(rows)


# The conda half


def lock_conda(uv: Uv, asked: dict[str, list[str]], where: Path, own_lock: str, conda: str | None) -> str:
    """Solve for conda's packages with conda-lock, in an environment of its own.

    Args:
        uv: makes that environment.
        asked: `channels`, `platforms` and `dependencies`.
        where: the file that asks for them; the lock names it.
        own_lock: the rows of locks/requirements-conda-lock.lock, that environment's content.
        conda: the solver that conda-lock is to use; micromamba if None.

    Returns:
        conda-lock's file without its header, which proposes commands that would solve `pip:` too.
    """
    python = CONDA_LOCK_ENVIRONMENT / "bin/python"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "own.lock").write_text(own_lock)
        failing = f"{CONDA_LOCK_ENVIRONMENT}: conda-lock cannot be installed"
        if not python.exists():
            venv = str(CONDA_LOCK_ENVIRONMENT)
            uv("venv", "--quiet", "--clear", "--python", sys.executable, venv, failing=failing)
        uv(
            "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(folder / "own.lock"),
            failing=failing,
        )  # fmt: skip
        # The same file name, so that `sources:` in the lock says it, and not where the copy was.
        copy, result = folder / where.name, folder / CONDA_LOCK.name
        copy.write_text(yaml.safe_dump(asked, sort_keys=False))
        (folder / "none.json").write_text("{}")  # PyPI names, which conda-lock would look up on the network
        solver = conda or "micromamba"
        channels = ", ".join(asked["channels"])
        try:
            run(
                [str(python.with_name("conda-lock")), "lock", "--file", str(copy), "--lockfile", str(result),
                 "--pypi_to_conda_lookup_file", str(folder / "none.json"),
                 *(["--conda", conda] if conda else ["--micromamba"])],
                f"the lock of {where} was not made",
                doing=f"conda-lock asks {channels} for what {where} wants, with {solver}: a minute or more",
            )  # fmt: skip
        except CheckFailed as error:
            if not UNREACHABLE.search(str(error)):
                raise
            raise CheckFailed(unreachable(str(error), where, conda)) from None
        return re.sub(r"\A(#.*\n)+", "", result.read_text())


def unreachable(said: str, where: Path, conda: str | None) -> str:
    """What to do when conda-lock reached no channel, or no address that has micromamba.

    Args:
        said: what it complained.
        where: the file whose packages it solved.
        conda: the solver; None if conda-lock was to fetch micromamba.
    """
    host = re.search(r"(?:host=|https?://)['\"]?([\w.-]+)", said)
    who = host[1] if host else "an address that it needs"
    fetch = "" if conda else "give a conda, mamba or micromamba that is here (make lock CONDA=PATH), and "
    return (
        f"the lock of {where} was not made: {who} does not answer, or refuses. To solve it, {fetch}name a "
        f"mirror that you can reach under `channels:` in {where}. Only `python=`, `uv=` and what else is not "
        f"under `pip:` needs this: without such a change (git diff {where}), `make lock` asks no channel"
    )


# The command


def versions(lock: Path, text: str | None = None) -> dict[str, str]:
    """The versions in a lock of either kind (or in `text`, what it is about to hold), by package."""
    if lock.suffix != ".yml":
        return pins(lock, text)
    if text is None:
        text = lock.read_text() if lock.exists() else "package: []"
    return {package["name"]: str(package["version"]) for package in yaml.safe_load(text)["package"]}


def show(found: dict[str, list[Change]], json_: bool) -> None:
    """Print what each lock changes, and say it when that can move the golden hashes."""
    deciding = [one.line() for one in found.get(str(PIP), []) if DECIDES.match(one.name)]
    if json_:
        rows = {lock: [dataclasses.asdict(one) for one in changed] for lock, changed in found.items()}
        click.echo(json.dumps({"locks": rows, "decides_bits": deciding}, indent=2))
        return
    for lock, changed in found.items():
        click.echo(f"{lock}: {len(changed) or 'no'} package{'s' * (len(changed) != 1)} to change")
        click.echo(table(changed), nl=False)
    if deciding:
        click.echo(
            f"these can move bits: {'; '.join(deciding)}; the hashes in golden.toml are of the former lock:"
        )
        click.echo("`make train` says whether they still hold, `make golden` makes the new ones")


def check(requests: Sequence[Request]) -> None:
    """Compare what is asked for with what each lock says it answers.

    Raises:
        CheckFailed: a lock is stale or missing.
    """
    locks = requests[0].locks
    stale = [str(lock) for lock in locks if recorded(lock) != request_lines(lock, requests)]
    if stale:
        verb = "does" if len(stale) == 1 else "do"
        raise CheckFailed(
            f"{', '.join(stale)} {verb} not answer what {ENVIRONMENT} and {PROJECT} ask for; run `make lock`"
        )
    click.echo(f"{', '.join(map(str, locks))}: up to date")


def lock_environments(uv: Uv, requests: Sequence[Request], upgrade: bool) -> tuple[str, str]:
    """Solve requirements.lock and requirements-dev.lock for each kind of project, and mark what not all have.

    The first request's versions hold for the others: one framework's project has what both have, or less.
    """
    solved: dict[Path, dict[str, list[str]]] = {PIP: {}, DEV: {}}
    common = ""
    for request in requests:
        upgrade_this = upgrade and not common
        wheels = lock_wheels(uv, PIP, request.pip, request.python, within=common, upgrade=upgrade_this)
        dev = lock_wheels(
            uv, DEV, request.dev, request.python, over=wheels, within=common, upgrade=upgrade_this
        )
        solved[PIP][request.project], solved[DEV][request.project] = wheels.splitlines(), dev.splitlines()
        common = common or wheels + dev
    return mark_rows(solved[PIP]), mark_rows(solved[DEV])


def mark_rows(rows: dict[str, list[str]]) -> str:
    """All rows of all kinds of project, each with the mark that lets exactly its own kinds keep it.

    Args:
        rows: by kind of project; a single kind needs no marks.
    """
    if len(rows) == 1:
        return "".join(f"{row}\n" for row in next(iter(rows.values())))
    text = ""
    every = {row for some in rows.values() for row in some}
    for row in sorted(every, key=lambda row: row.split("==")):  # by name, as one project's rows are
        having = {project for project in rows if row in rows[project]}
        if having == set(rows):
            text += f"{row}\n"
            continue
        fitting = [m for m in MARKS if {project for project in rows if m in PROJECTS[project]} == having]
        if not fitting:
            raise CheckFailed(
                f"{row.split()[0]} is locked for {', '.join(sorted(having))} only: no mark says so"
            )
        text += f"{row}  # only: {fitting[0]}\n"
    return text


def make(requests: Sequence[Request], conda: str | None, upgrade: bool, dry_run: bool, json_: bool) -> None:
    """Solve what is asked for, show which versions change, then write what changed."""
    if conda and not shutil.which(conda):
        raise UsageError(f"--conda {conda}: no such program; give the path of conda, mamba or micromamba")
    request = requests[0]
    uv = Uv(request.uv)
    what = {
        PIP: f"The wheels, one sha256 each, that answer `pip:` in {ENVIRONMENT}",
        DEV: f"Development tools, over {PIP}, that answer group `dev` in {PROJECT}",
        CONDA_LOCK_ITSELF: f"conda-lock in an environment of its own, group `conda-lock` in {PROJECT}",
        CONDA_LOCK: f"The interpreter and uv, without wheels: those are in {PIP}, see {ENVIRONMENT}",
        COMPILER_LOCK: f"A C++ compiler for torch.compile and Triton, see {COMPILER}",
    }
    wheels, dev = lock_environments(uv, requests, upgrade)
    own = lock_wheels(uv, CONDA_LOCK_ITSELF, request.conda_lock, request.python, upgrade=upgrade)
    pypi = {PIP: wheels, DEV: dev, CONDA_LOCK_ITSELF: own}
    rows = {lock: f"{content}{END}\n" for lock, content in pypi.items()}
    for lock, asked, where in (
        (CONDA_LOCK, request.conda, ENVIRONMENT),
        (COMPILER_LOCK, request.compiler, COMPILER),
    ):
        if asked and (upgrade or recorded(lock) != request_lines(lock, requests)):
            rows[lock] = lock_conda(uv, asked, where, own, conda)
    show({str(lock): changes(versions(lock), versions(lock, text)) for lock, text in rows.items()}, json_)
    if dry_run:
        return
    for lock, content in rows.items():  # requirements.lock first: that of the development tools reads it
        text = header(what[lock], request_lines(lock, requests)) + content
        if lock.exists() and lock.read_text() == text:
            click.echo(f"{lock}: unchanged", err=json_)
        else:
            try:
                lock.parent.mkdir(exist_ok=True)
                write_whole(lock, text)
            except OSError as error:
                raise CheckFailed(f"{lock} cannot be written: {error.strerror}") from None
            click.echo(f"{lock}: written", err=json_)


@click.command()
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit with 1 if a lock is stale.")
@click.option("--upgrade", is_flag=True, help="Take the newest of what the requests leave open.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@click.option("--json", "json_", is_flag=True, help="Print the changes as JSON instead of a table.")
@click.option("--conda", metavar="EXECUTABLE", help="What conda-lock solves with.  [default: micromamba]")
def command(only_check: bool, upgrade: bool, dry_run: bool, json_: bool, conda: str | None) -> None:
    """Make the locks of the project in the current folder, or check them."""
    requests = read_requests()
    if only_check:
        check(requests)
    else:
        make(requests, conda, upgrade, dry_run, json_)


if __name__ == "__main__":
    sys.exit(run_command(command, "tools/lock.py"))
