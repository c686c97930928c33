"""The PyPI half: uv solves, and each package gets the sha256 of one wheel."""

import re
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samebits._files import sha256_file
from samebits.bootstrap.request import LOCAL, UV_PLATFORM
from samebits.bootstrap.rows import pins, plain
from samebits.lock.request import DEV, PIP, Request, versions_in
from samebits.lock.uv import Uv, without_password
from samebits.lock.wheels import best_wheel, wheel_tags

INDEX = "--extra-index-url "  # begins the line of requirements.lock that names another index


def index_of(lock: Path) -> str:
    """The other index that a lock names; empty for none."""
    lines = lock.read_text(encoding="utf-8").splitlines() if lock.exists() else []
    return next((line.removeprefix(INDEX).strip() for line in lines if line.startswith(INDEX)), "")


@dataclass(frozen=True)
class Solve:
    """One call of uv's solver.

    Attributes:
        uv: the solver.
        requirements: what is asked for.
        python: the interpreter's feature version.
        constraints: versions that hold, by package.
        failing: what did not happen, if there is no solution.
    """

    uv: Uv
    requirements: Sequence[str]
    python: str
    constraints: Mapping[str, str]
    failing: str

    def packages(self, preferred: Mapping[str, str]) -> list[dict[str, Any]]:
        """The rows of `packages` in a pylock.toml, by name; preferred versions stay where they can."""
        with tempfile.TemporaryDirectory() as name:
            result = Path(name, "pylock.toml")
            # uv prefers the versions that it finds in its output file.
            kept = "".join(f'[[packages]]\nname = "{n}"\nversion = "{v}"\n' for n, v in preferred.items())
            if kept:
                result.write_text(f'lock-version = "1.0"\ncreated-by = "samebits"\n{kept}')
            self._compile(
                name, "--format", "pylock.toml", "--no-emit-index-url", "--output-file", str(result)
            )
            packages: list[dict[str, Any]] = tomllib.loads(result.read_text()).get("packages", [])
        return sorted(packages, key=lambda package: str(package["name"]))

    def of_the_other_index(self) -> set[str]:
        """The packages that come from `uv.index` where no version is preferred."""
        with tempfile.TemporaryDirectory() as name:
            said = self._compile(name, "--emit-index-annotation", "--no-annotate")
        rows = re.findall(r"^([\w.-]+)\S*==.*\n +# from (\S+)$", said, re.MULTILINE)
        return {plain(package) for package, index in rows if index == without_password(self.uv.index)}

    def _compile(self, folder: str, *options: str) -> str:
        asked, constraints = Path(folder, "asked.in"), Path(folder, "constraints.txt")
        local = (LOCAL.fullmatch(requirement) is not None for requirement in self.requirements)
        lines = (str(Path(r).absolute()) if at else r for r, at in zip(self.requirements, local, strict=True))
        asked.write_text("".join(f"{line}\n" for line in lines))
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in self.constraints.items()))
        return self.uv(
            "pip", "compile", str(asked), "--constraints", str(constraints), *options,
            "--python-version", self.python, "--python-platform", UV_PLATFORM,
            "--only-binary", ":all:", "--resolution", "highest", "--prerelease", "if-necessary-or-explicit",
            "--no-header", "--quiet", failing=self.failing,
        )  # fmt: skip


def lock_wheels(
    uv: Uv,
    lock: Path,
    requirements: Sequence[str],
    python: str,
    over: str = "",
    upgrade: bool = False,
) -> str:
    """Solve requirements for our platform.

    Args:
        uv: the solver.
        lock: the file that the result is for; its present versions are preferred.
        requirements: what is asked for.
        python: the interpreter's feature version.
        over: rows of a lock underneath: its versions hold, and its packages are left out of the result.
        upgrade: prefer the newest versions instead.

    Returns:
        One row a package: `./PATH.whl --hash=sha256:DIGITS` for each wheel of the project's own folder, then
        `NAME==VERSION --hash=sha256:DIGITS` by name.
    """
    local = sorted(match[1] for match in map(LOCAL.fullmatch, requirements) if match)
    own, underneath = pins("\n".join(local)), pins(over)
    held = {name: version for name, version in underneath.items() if name not in own}
    solve = Solve(uv, requirements, python, held, f"{lock} was not made")
    preferred = {} if upgrade else versions_in(lock)
    if preferred and uv.index and index_of(PIP) != without_password(uv.index):
        # It was not asked before: its 1.0+cpu shall come, though 1.0 is locked and would do.
        of_index = solve.of_the_other_index()
        preferred = {name: version for name, version in preferred.items() if name not in of_index}
    ranks = wheel_tags(python)
    rows = [f"{path} --hash=sha256:{sha256_file(path)}\n" for path in local]
    for package in solve.packages(preferred):
        if package["name"] not in underneath and package["name"] not in own:
            sha256 = best_wheel(package, ranks)
            rows.append(f"{package['name']}=={package.get('version')} --hash=sha256:{sha256}\n")
    return "".join(rows)


def lock_environment(uv: Uv, request: Request, upgrade: bool) -> dict[Path, str]:
    """Solve requirements.lock and, over it, requirements-dev.lock where the project has one.

    Returns:
        The rows, by lock.
    """
    rows = {PIP: lock_wheels(uv, PIP, request.pip, request.python, upgrade=upgrade)}
    if request.dev is not None:
        rows[DEV] = lock_wheels(uv, DEV, request.dev, request.python, over=rows[PIP], upgrade=upgrade)
    return rows
