"""The facts about this environment that can change bits."""

import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
from collections.abc import Iterator
from typing import Any

import click

from samebits import cpu, data_files, engine, loaded, process, variables
from samebits.errors import WrongUse
from samebits.files import sha256_file
from samebits.git import git_state
from samebits.printable import printable

LOCKS = ("conda-lock.yml", "requirements.lock")
LIBRARIES = (
    "keras",
    "numpy",
    "nvidia-cublas-cu12",
    "nvidia-cudnn-cu12",
    "nvidia-nccl-cu12",
    "scipy",
    "tensorflow",
    "torch",
    "triton",
)
# A run may go on, and match its golden hash, where these differ: code that was mended, another card of the
# same model, another checkout's folder.
FOLLOWING_THE_HOST = (
    "code.commit",
    "code.diff",
    "code.dirty",
    "effective.torch.interop_threads",
    "image",
    "variables.CUDA_VISIBLE_DEVICES",
    "variables.PYTHONPATH",
)
FRAMEWORKS = {"torch": "torch", "keras": "tensorflow"}  # the framework, and the module that must be there


def fingerprint(framework: str, device: str) -> dict[str, Any]:
    """Versions, locks, code, data, CPU, device, libraries, threads and effective values, as plain JSON.

    Never the whole environment: it holds people's secrets.

    Args:
        framework: "torch" or "keras"; it must have been imported, as its settings are read back.
        device: "cpu" or "cuda".
    """
    root = variables.find_root()
    device_facts = importlib.import_module(f"samebits.{framework}").device_facts(device)
    if device == "cuda":
        device_facts["driver"] = engine.driver() or "unknown"
    return {
        "profile": process.profile(),
        "python": platform.python_version(),
        "libc": " ".join(platform.libc_ver()),
        "image": os.environ.get("SAMEBITS_IMAGE"),
        "code": git_state(),
        "locks": {name: sha256_file(root / name) for name in LOCKS if (root / name).exists()},
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
        "data": dict(sorted(data_files.seen.items())),
        "cpu": cpu.facts(),
        "device": device_facts,
        "determinism": importlib.import_module(f"samebits.{framework}").determinism(),
        "effective": process.effective(),
        "loaded": loaded.libraries(),
        "variables": process.variables(),
    }


def flatten(facts: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(dotted name, text) of every fact, so that two fingerprints can be compared line by line."""
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "" if value is None else str(value)


def here(framework: str = "", device: str = "auto") -> dict[str, Any]:
    """The fingerprint that a run would have that began here and now.

    Args:
        framework: "torch" or "keras"; the variable FRAMEWORK or the first that is installed, when empty.
        device: "auto", "cpu" or "cuda".

    Raises:
        WrongUse: there is no such framework or device.
    """
    installed = [name for name, module in FRAMEWORKS.items() if importlib.util.find_spec(module)]
    framework = framework or os.environ.get("FRAMEWORK") or next(iter(installed), "")
    if framework not in installed:
        raise WrongUse(f"framework {framework!r} is not installed here: give one of {', '.join(installed)}")
    toolkit = importlib.import_module(f"samebits.{framework}")
    chosen = toolkit.choose_device(device)
    toolkit.make_deterministic()
    return {"framework": framework, **fingerprint(framework, chosen)}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


@click.group("fingerprint", invoke_without_command=True)
@click.option("--framework", type=click.Choice(list(FRAMEWORKS)), default=None, help="Whose facts to tell.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--json", "json_", is_flag=True, help="Print JSON, which `samebits fingerprint diff` reads.")
@click.pass_context
def command(context: click.Context, framework: str | None, device: str, json_: bool) -> None:
    """Print everything here that can change bits, as a run's manifest has it."""
    if context.invoked_subcommand is not None:
        return
    facts = here(framework or "", device)
    if json_:
        click.echo(json.dumps(facts, indent=2))
        return
    for name, value in flatten(facts):
        click.echo(f"{name} = {printable(value)}")


@command.command("diff")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--all", "all_", is_flag=True, help="Show what cannot change bits, too.")
@click.option("--json", "json_", is_flag=True, help="Print a JSON list instead of a table.")
def diff_command(first: str, second: str, all_: bool, json_: bool) -> None:
    """Show in what A and B differ, what changes bits first; exit with 1 when something may.

    A and B are run folders, manifests, files that `samebits fingerprint --json` made, names of golden.toml's
    entries, or the word `now`.
    """
    from samebits import fingerprint_diff

    fingerprint_diff.show(first, second, all_, json_)
