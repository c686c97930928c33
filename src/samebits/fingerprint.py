"""The facts about this environment that can change bits."""

import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import click

from samebits import code_state, cpu, data_files, engine, extras, loaded, process, variables
from samebits.errors import WrongUse
from samebits.files import sha256_file
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
# A run may resume, and match its golden hash, where these differ: another card of the same model, another
# checkout's folder.
FOLLOWING_THE_HOST = (
    "effective.torch.interop_threads",
    "image",
    "variables.CUDA_VISIBLE_DEVICES",
    "variables.PYTHONPATH",
)
FRAMEWORKS = {"torch": "torch", "keras": "tensorflow"}  # the framework, and the module that must be there


def fingerprint(framework: str, device: str) -> dict[str, Any]:
    """Versions, locks, data, CPU, device, libraries, threads and effective values, as plain JSON.

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
            yield f"{prefix}{name}", _as_text(value)


def _as_text(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return "; ".join(" ".join(str(part) for part in item.values() if part is not None) for item in value)
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def here(framework: str = "", device: str = "auto") -> dict[str, Any]:
    """The fingerprint that a run would have that began here and now, and the working folder's code.

    Args:
        framework: "torch" or "keras"; the variable FRAMEWORK or the first that is installed, when empty.
        device: "auto", "cpu" or "cuda".

    Raises:
        WrongUse: there is no such framework or device.
    """
    framework = framework or os.environ.get("FRAMEWORK") or next(iter(_installed()), "")
    toolkit = load_toolkit(framework)
    chosen = toolkit.choose_device(device)
    toolkit.make_deterministic()
    return {"framework": framework, "code": code_state.here(), **fingerprint(framework, chosen)}


def load_toolkit(framework: str) -> ModuleType:
    """samebits' own module for a framework.

    Args:
        framework: "torch" or "keras".

    Raises:
        WrongUse: samebits knows no such framework, or it is not installed here.
    """
    if framework not in (installed := _installed()):
        if framework in FRAMEWORKS and importlib.util.find_spec(f"samebits.{framework}"):
            extras.need(FRAMEWORKS[framework])
        if not installed:
            raise WrongUse(
                "no framework is installed: `pip install 'samebits[torch]'`, or samebits[keras], brings one"
            )
        there = " or ".join(map(repr, installed))
        what = "is not installed here" if framework in FRAMEWORKS else "is none that samebits knows"
        raise WrongUse(f"framework {framework!r} {what}: give one of those installed, {there}")
    return importlib.import_module(f"samebits.{framework}")


def _installed() -> list[str]:
    """The frameworks that are there, and samebits' part for them, which a project of one leaves out."""
    return [
        name
        for name, module in FRAMEWORKS.items()
        if importlib.util.find_spec(module) and importlib.util.find_spec(f"samebits.{name}")
    ]


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
    """Show in what A and B differ and whether it can change the weights; exit with 1 when something may.

    First settings, then data, code, versions, and last the machine. Two runs with the same weights differ in
    nothing that matters: exit status 0. A and B are run folders, manifests, files that
    `samebits fingerprint --json` made, names of golden.toml's entries, or the word `now`. `torch-cpu` is the
    entry of this kind of CPU among those whose names begin so.
    """
    from samebits import fingerprint_diff

    fingerprint_diff.show(first, second, all_, json_)
