"""What a project asks for: environment.yml and, where it has a folder locks/, pyproject.toml."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from samebits.bootstrap import environment_yml
from samebits.bootstrap import request as asked
from samebits.bootstrap.rows import pins
from samebits.errors import UsageError

ENVIRONMENT, PROJECT = Path(environment_yml.ENVIRONMENT), Path("pyproject.toml")
CONDA_LOCK = Path("conda-lock.yml")
PIP = Path("requirements.lock")
LOCKS = Path("locks")  # what only developers, and an image with a compiler, need
DEV, CONDA_LOCK_ITSELF = LOCKS / "requirements-dev.lock", LOCKS / "requirements-conda-lock.lock"
COMPILER, COMPILER_LOCK = LOCKS / "compiler.yml", LOCKS / "compiler-lock.yml"
CONDA_PLATFORM = "linux-64"


@dataclass(frozen=True)
class Request:
    """What a project asks for, freed of comments and layout.

    Attributes:
        conda: `channels` in order, `platforms`, and `dependencies` without `pip:`, sorted.
        python: the interpreter's feature version, such as "3.11". Not its patch version: the wheels must also
            suit an older patch release, such as the one that a Debian machine has.
        uv: the exact version of uv.
        pip: requirements of the wheels, normalised and sorted; a wheel of the project's own folder is a path
            that begins with `./`.
        dev, conda_lock: likewise, of the development tools and of conda-lock; None without a folder locks/.
        compiler: like `conda`; None without a locks/compiler.yml.
    """

    conda: dict[str, list[str]]
    python: str
    uv: str
    pip: list[str]
    dev: list[str] | None
    conda_lock: list[str] | None
    compiler: dict[str, list[str]] | None

    @property
    def locks(self) -> list[Path]:
        """The locks that answer it."""
        compiler = [COMPILER_LOCK] if self.compiler else []
        tools = [DEV, CONDA_LOCK_ITSELF] if self.dev is not None else []
        return [CONDA_LOCK, *compiler, PIP, *tools]

    def digest(self, lock: Path) -> str:
        """The SHA-256 of everything that decides what `lock` must hold."""
        if lock == CONDA_LOCK:
            return asked.digest(self.conda)
        if lock == COMPILER_LOCK:
            return asked.digest(self.compiler)
        if lock == PIP:
            return asked.digest(asked.wheels(self.pip, self.python))
        if lock == DEV:  # installed over requirements.lock: another version in there makes this one stale
            under = {"constraints": sorted(versions_in(PIP).items())}
            return asked.digest({**asked.wheels(self.dev or [], self.python), **under})
        return asked.digest(asked.wheels(self.conda_lock or [], self.python))


def versions_in(lock: Path) -> dict[str, str]:
    """The versions in a PyPI lock, by package; empty without one."""
    return pins(lock.read_text(encoding="utf-8")) if lock.exists() else {}


def read_request(environment: str | None = None) -> Request:
    """Read environment.yml and pyproject.toml of the current folder.

    Args:
        environment: the text to take for that of environment.yml.

    Returns:
        What this project asks for.

    Raises:
        UsageError: a file is missing or malformed, or a version is not exact.
    """
    if environment is None:
        environment = text_of(ENVIRONMENT)
    lists = _lists(ENVIRONMENT, environment)
    if not {"channels", "platforms", "dependencies", "pip"} <= lists.keys():
        raise UsageError(
            f"{ENVIRONMENT}: expected `channels`, `platforms` and `dependencies` with one `pip:` list in it"
        )
    conda = asked.conda(lists)
    if conda["platforms"] != [CONDA_PLATFORM]:
        raise UsageError(
            f"{ENVIRONMENT}: platforms is {conda['platforms']}; the wheels are for [{CONDA_PLATFORM}] only"
        )
    matches = (re.fullmatch(r"([\w-]+)==?([\d.]+)", entry) for entry in conda["dependencies"])
    versions = {match[1]: match[2] for match in matches if match}
    for name in ("python", "uv"):
        if versions.get(name, "").count(".") != 2:
            raise UsageError(f"{ENVIRONMENT}: `{name}` needs an exact version, as in `- {name}=1.2.3`")
    dev = conda_lock = compiler = None
    if LOCKS.is_dir():
        tools, conda_lock = _groups()
        dev = exact([*tools, f"uv=={versions['uv']}"], PROJECT)
        conda_lock = exact(conda_lock, PROJECT)
    if COMPILER.exists():
        lists_of_compiler = _lists(COMPILER, text_of(COMPILER))
        compiler = {name: lists_of_compiler.get(name, []) for name in conda}
    return Request(
        conda=conda,
        python=versions["python"].rpartition(".")[0],
        uv=versions["uv"],
        pip=exact(lists["pip"], ENVIRONMENT),
        dev=dev,
        conda_lock=conda_lock,
        compiler=compiler,
    )


def text_of(file: Path) -> str:
    """A file's text.

    Raises:
        UsageError: it is not there, or no text.
    """
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a text file"
        raise UsageError(f"{file}: {why}; run this in the project's folder") from None


def _lists(file: Path, text: str) -> dict[str, list[str]]:
    try:
        return environment_yml.read(text)
    except ValueError as error:
        raise UsageError(f"{file} cannot be read: {error}") from None


def _groups() -> tuple[list[str], list[str]]:
    """The two groups of pyproject.toml."""
    try:
        groups = tomllib.loads(text_of(PROJECT))["dependency-groups"]
        return groups["dev"], groups["conda-lock"]
    except ValueError as error:
        raise UsageError(f"{PROJECT} cannot be read: {error}") from None
    except KeyError as error:
        raise UsageError(f"{PROJECT}: [dependency-groups] needs `dev` and `conda-lock`; no {error}") from None


def exact(requirements: Iterable[object], where: Path) -> list[str]:
    """Normalise requirements and sort them.

    Raises:
        UsageError: one of them is malformed or leaves its version open.
    """
    normal = []
    for text in map(str, requirements):
        if match := asked.LOCAL.fullmatch(text):
            if not Path(match[1]).is_file():
                raise UsageError(f"{where}: there is no file {match[1]}")
            normal.append(text)
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            raise UsageError(f"{where}: `{text}` is not a requirement; write it as NAME==VERSION") from None
        if [s.operator for s in requirement.specifier] != ["=="] or str(requirement.specifier).endswith("*"):
            raise UsageError(f"{where}: `{text}` leaves its version open; write {requirement.name}==VERSION")
        requirement.name = canonicalize_name(requirement.name)
        normal.append(str(requirement))
    return sorted(normal)
