"""JupyterLab for this project: on loopback, with a fresh token, and with kernels of .venv only.

The user's own Jupyter and IPython settings are not read: they could let anybody in, start another interpreter
or run strangers' code before the first cell.
"""

import atexit
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from samebits._files import write_whole
from samebits.errors import CheckFailed, UsageError
from samebits.process.program import run_command

ROOT = Path(__file__).parents[1]
LOOPBACK = "127.0.0.1"
NOTEBOOKS = ROOT / "notebooks"
STARTER = ROOT / "src" / "starter"
# Torch before Keras, as everywhere.
FRAMEWORKS = sorted((path.stem.removeprefix("train_") for path in STARTER.glob("train_*.py")), reverse=True)
# A folder of settings, a fixed token, a gateway to remote kernels, a server for everybody: there are dozens.
FOREIGN = ("JUPYTER", "JPY_", "KERNEL_", "GATEWAY_")
# What a user may have put where Jupyter and IPython look, and what is not looked at here.
UNREAD = (
    ".jupyter/*_config.*",
    ".local/share/jupyter/kernels/*",
    ".ipython/profile_default/*_config.*",
    ".ipython/profile_default/startup/*.*py",
)
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


@click.group()
def group() -> None:
    """The project's notebooks."""


@group.command()
@click.option("--port", type=click.IntRange(1, 65535), help="default: the first free one from 8888 on")
@click.option(
    "--framework",
    type=click.Choice(FRAMEWORKS),
    default=next(iter(FRAMEWORKS), None),
    envvar="FRAMEWORK",
    help="which one to open",
)
def lab(port: int | None, framework: str) -> None:
    """Start JupyterLab; Ctrl-C or SIGTERM ends it with its kernels."""
    if not os.environ.get("SAMEBITS_ENTRYPOINT"):
        raise UsageError(
            f"kernels get their environment from the server: start it with `make -C {ROOT} notebook`"
        )
    if port is not None:
        require_free(port)
    if ignored := [*strange_variables(), *strange_files()]:
        print(f"samebits: `make notebook` reads none of {', '.join(ignored)}", file=sys.stderr, flush=True)
    set_environment()
    # Imported here: Jupyter's modules read the environment when they are imported.
    from jupyter_core.paths import jupyter_config_dir
    from jupyterlab.labapp import LabApp

    # JUPYTER_NO_CONFIG makes an empty folder, and nobody else removes it.
    atexit.register(shutil.rmtree, jupyter_config_dir(), ignore_errors=True)
    # Without a terminal Jupyter leaves SIGINT to Python, whose exception would skip the end of the kernels.
    signal.signal(signal.SIGINT, lambda number, frame: signal.raise_signal(signal.SIGTERM))
    notebook = NOTEBOOKS / f"train_{framework}.ipynb"
    LabApp.launch_instance(options(port, notebook if notebook.exists() else None))


def require_free(port: int) -> None:
    """Jupyter's own message about a taken port goes under in its log.

    Raises:
        UsageError: nobody can listen on the port.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            raise UsageError(
                f"cannot listen on {LOOPBACK}:{port}: {error.strerror}; name another PORT"
            ) from None


def strange_variables() -> list[str]:
    """The variables by which the user tells Jupyter something."""
    return sorted(name for name in os.environ if name.startswith(FOREIGN))


def strange_files() -> Iterator[str]:
    """Settings, kernels and start-up code of the user's, as ~/…"""
    for pattern in UNREAD:
        yield from sorted(f"~/{path.relative_to(Path.home())}" for path in Path.home().glob(pattern))


def set_environment() -> None:
    """What server and kernels inherit: entrypoint's environment, and Jupyter's folders in our cache."""
    for name in strange_variables():
        del os.environ[name]
    folder = Path(os.environ["SAMEBITS_CACHE"]) / "jupyter"
    os.environ |= {
        "JUPYTER_NO_CONFIG": "1",
        "JUPYTER_PREFER_ENV_PATH": "1",  # .venv's kernel comes before the system's
        "JUPYTER_DATA_DIR": str(folder),
        # How the user's JupyterLab looks is kept, and can change no bit.
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "lab" / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "lab" / "workspaces"),
    }


def options(port: int | None, notebook: Path | None) -> list[str]:
    """The server's command line. Without a word about a token Jupyter makes a random one and prints it."""
    chosen: dict[str, Any] = {
        "ServerApp.ip": LOOPBACK,
        "ServerApp.port": port or 8888,
        "ServerApp.port_retries": 0 if port else 50,
        "ServerApp.root_dir": ROOT,
        "ServerApp.allow_root": True,  # in a container there may be nobody else
        "ServerApp.answer_yes": True,  # one Ctrl-C ends it
        "ServerApp.open_browser": has_display(),
        "PasswordIdentityProvider.allow_password_change": False,
        "KernelSpecManager.allowed_kernelspecs": "python3",
        "LabApp.default_url": f"/lab/tree/{notebook.relative_to(ROOT)}" if notebook else "/lab",
        # Nothing is asked of the network, and nothing is installed into the locked environment.
        "LabApp.extension_manager": "readonly",
        "LabApp.check_for_updates_class": "jupyterlab.handlers.announcements.NeverCheckForUpdate",
        "LabApp.news_url": "None",
    }
    return [f"--{name}={value}" for name, value in chosen.items()]


def has_display() -> bool:
    """Whether a browser would have a screen to open on: not over ssh, and never one in the terminal."""
    here = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(here) and not os.environ.get("SSH_CONNECTION")


@group.command()
@click.option(
    "--check", is_flag=True, help="write nothing; fail where a notebook is not what its script makes"
)
def write(check: bool) -> None:
    """Make each notebook from its script."""
    stale = []
    for framework in FRAMEWORKS:
        script, path = STARTER / f"train_{framework}.py", NOTEBOOKS / f"train_{framework}.ipynb"
        made = from_script(script)
        if not path.exists() or path.read_text(encoding="utf-8") != made:
            stale.append(path.relative_to(ROOT).as_posix())
            if not check:
                write_whole(path, made)
                print(f"{stale[-1]}: written")
    if check and stale:
        raise CheckFailed(f"{' and '.join(stale)}: not what the script makes; run `make notebooks`")


def from_script(script: Path) -> str:
    """A notebook's canonical JSON, made from a training script."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, writes

    from notebook_cells import cells

    kinds = {"code": new_code_cell, "markdown": new_markdown_cell}
    made = [kinds[kind](text, id=name) for name, kind, text in cells(script, ROOT)]
    return f"{writes(new_notebook(cells=made, metadata={'kernelspec': KERNELSPEC}))}\n"


@group.command()
def strip() -> None:
    """Bring the notebooks into the form in which they are committed: without outputs and counts."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        if (bare := stripped(text, path)) != text:
            write_whole(path, bare)
            print(f"{path.relative_to(ROOT)}: stripped")


def stripped(text: str, path: Path) -> str:
    """A notebook's canonical JSON: no outputs, no counts, no metadata of the machine that ran it."""
    import nbformat

    try:
        notebook = nbformat.reads(text, as_version=4)
    except ValueError as error:
        raise UsageError(f"{path} is not a notebook: {str(error).splitlines()[0]}") from None
    notebook.metadata = {"kernelspec": KERNELSPEC}
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return f"{nbformat.writes(notebook)}\n"


if __name__ == "__main__":
    sys.exit(run_command(group, "tools/notebooks.py"))
