"""The conda half: conda-lock solves, in an environment of its own."""

import json
import os
import re
import socket
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from samebits.errors import CheckFailed
from samebits.lock.programs import UNREACHABLE, run
from samebits.lock.request import CONDA_LOCK, CONDA_PLATFORM
from samebits.lock.uv import Uv

ENVIRONMENT = Path(".venv-conda-lock")
ANACONDA = "https://conda.anaconda.org"  # where a channel is that has no other address
SECONDS = 10.0  # to wait for a channel's answer
# Where conda and micromamba read that a channel's name means another address.
SETTINGS = ("~/.condarc", "~/.mambarc", "~/.conda/.condarc", "~/.config/conda/.condarc",
            "/etc/conda/.condarc", "/etc/conda/condarc", "/var/lib/conda/.condarc")  # fmt: skip


def silent_channel(channels: list[str]) -> str:
    """The host of the first channel that does not answer at all, in seconds; empty when each does.

    Where somebody's settings can give a channel another address, nothing is asked: only the solver knows.
    """
    set_up = (Path(os.path.expanduser(name)).exists() for name in SETTINGS)
    if any(set_up) or any(
        name.startswith(("CONDA_CHANNEL", "MAMBA_CHANNEL", "CONDARC")) for name in os.environ
    ):
        return ""
    for channel in channels:
        address = channel if "://" in channel else f"{ANACONDA}/{channel}"
        if address.startswith("file:"):
            continue
        asked = urllib.request.Request(f"{address}/{CONDA_PLATFORM}/repodata.json.zst", method="HEAD")
        try:
            urllib.request.urlopen(asked, timeout=SECONDS).close()
        except urllib.error.HTTPError:
            continue  # somebody answers; the solver says what is wrong
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, (socket.gaierror, ConnectionError, TimeoutError)) or "Tunnel" in str(
                reason
            ):
                return asked.host or address
        except ValueError:
            continue
    return ""


def lock_conda(uv: Uv, asked: dict[str, list[str]], where: Path, own_lock: str, conda: str | None) -> str:
    """Solve for conda's packages with conda-lock, in an environment of its own.

    Args:
        uv: makes that environment.
        asked: `channels`, `platforms` and `dependencies`.
        where: the file that asks for them; the lock names it.
        own_lock: the lock of conda-lock itself, that environment's content.
        conda: the solver that conda-lock is to use; micromamba if None.

    Returns:
        conda-lock's file without its header, which proposes commands that would solve `pip:` too.

    Raises:
        CheckFailed: there is no solution, or no channel answers.
    """
    python = ENVIRONMENT / "bin/python"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "own.lock").write_text(own_lock)
        failing = f"{ENVIRONMENT}: conda-lock cannot be installed"
        if not python.exists():
            venv = str(ENVIRONMENT)
            uv("venv", "--quiet", "--clear", "--python", sys.executable, venv, failing=failing)
        uv(
            "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(folder / "own.lock"),
            failing=failing,
        )  # fmt: skip
        # The same file name, so that `sources:` in the lock says it, and not where the copy was.
        copy, result = folder / where.name, folder / CONDA_LOCK.name
        copy.write_text(json.dumps(asked))  # JSON is YAML
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
            host = re.search(r"(?:host=|https?://)['\"]?([\w.-]+)", str(error))
            raise CheckFailed(unreachable(host[1] if host else "", where, conda)) from None
        return re.sub(r"\A(#.*\n)+", "", result.read_text())


def unreachable(host: str, where: Path, conda: str | None) -> str:
    """What to do when conda-lock reaches no channel, or no address that has micromamba.

    Args:
        host: what does not answer; empty if that is not known.
        where: the file whose packages were to be solved.
        conda: the solver; None if conda-lock was to fetch micromamba.
    """
    who = host or "an address that it needs"
    own = "give a conda, mamba or micromamba that is here (`./entrypoint samebits lock --conda PATH`), and "
    fetch = "" if conda else own
    return (
        f"the lock of {where} was not made: {who} does not answer, or refuses. To solve it, {fetch}name a "
        f"mirror that you can reach under `channels:` in {where}. Only `python=`, `uv=` and what else is not "
        f"under `pip:` needs this: without such a change (git diff {where}), `make lock` asks no channel"
    )
