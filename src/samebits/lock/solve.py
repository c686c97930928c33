"""From a request to the content of all locks."""

import shutil
from pathlib import Path

from samebits.bootstrap.locks_whole import END
from samebits.errors import CheckFailed, UsageError
from samebits.lock.conda import lock_conda, silent_channel, unreachable
from samebits.lock.files import answers
from samebits.lock.pypi import INDEX, index_of, lock_environment, lock_wheels
from samebits.lock.request import (
    COMPILER,
    COMPILER_LOCK,
    CONDA_LOCK,
    CONDA_LOCK_ITSELF,
    ENVIRONMENT,
    PIP,
    Request,
)
from samebits.lock.uv import Uv, without_password
from samebits.process.variables import package_file

SCHEMES = ("http://", "https://", "file://")
DEFAULT = "default"  # in place of an index's address: none beside the default one


def solver(request: Request, index: str | None) -> Uv:
    """uv, with the other index that was asked for, or that requirements.lock names.

    Raises:
        UsageError: it is no address, or there is no uv.
    """
    if index is None:
        index = index_of(PIP)
    elif index == DEFAULT:
        index = ""
    elif not index.startswith(SCHEMES):
        raise UsageError(
            f"--index {index}: expected the address of a package index, which begins with http://, https:// "
            f"or file://; `{DEFAULT}` stands for no other index than the default one"
        )
    return Uv(request.uv).beside(index)


def solve(
    uv: Uv,
    request: Request,
    conda: str | None = None,
    upgrade: bool = False,
    conda_half: bool = True,
) -> dict[Path, str]:
    """Solve what is asked for; nothing is written.

    Args:
        uv: of `solver`.
        request: of `read_request`.
        conda: a conda, mamba or micromamba for conda-lock; it fetches micromamba if None.
        upgrade: the newest of what the request leaves open.
        conda_half: also the locks of conda packages, where they do not answer the request.

    Returns:
        What each lock is to hold below its header: requirements.lock first.

    Raises:
        UsageError: `conda` is no program.
        CheckFailed: there is no solution, or somebody whom it takes does not answer.
    """
    if conda and not shutil.which(conda):
        raise UsageError(f"--conda {conda}: no such program; give the path of conda, mamba or micromamba")
    halves = [
        (lock, asked, where)
        for lock, asked, where in (
            (CONDA_LOCK, request.conda, ENVIRONMENT),
            (COMPILER_LOCK, request.compiler, COMPILER),
        )
        if conda_half and asked and (upgrade or not answers(lock, request))
    ]
    for _, asked, where in halves:  # said at once, and not after minutes of another solver's work
        if not conda and (host := silent_channel(asked["channels"])):
            raise CheckFailed(unreachable(host, where, conda))
    solved = lock_environment(uv, request, upgrade)
    if uv.index:
        solved[PIP] = f"{INDEX}{without_password(uv.index)}\n{solved[PIP]}"
    if request.conda_lock is None:
        own = package_file(str(CONDA_LOCK_ITSELF)).read_text(encoding="utf-8")
    else:
        alone = uv.beside("")
        own = lock_wheels(alone, CONDA_LOCK_ITSELF, request.conda_lock, request.python, upgrade=upgrade)
        solved[CONDA_LOCK_ITSELF] = own
    rows = {lock: f"{content}{END}\n" for lock, content in solved.items()}
    for lock, asked, where in halves:
        rows[lock] = lock_conda(uv, asked, where, own, conda)
    return rows
