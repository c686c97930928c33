"""Golden hashes: committed weights' hashes, each with the fingerprint that it was made under."""

import json
import tomllib
from pathlib import Path
from typing import Any

import click

from samebits import variables
from samebits.errors import WrongUse
from samebits.files import write_whole
from samebits.fingerprint import flatten

HEADER = """\
# The starters' hashes. A run with the same settings is compared with these: `make train` says whether it
# matches, and if not, which lines of the fingerprint differ. Written by `make golden`, never by hand.
"""
SHOWN = 4  # differing facts in one line; the manifest has them all

# Facts that follow the host and cannot change bits.
# (Which GPU it is decides nothing; of which model it is, another fact says.)
INNOCENT = ("effective.torch.interop_threads", "variables.CUDA_VISIBLE_DEVICES", "variables.PYTHONPATH")


def compare(manifest: dict[str, Any], path: Path | None = None) -> str:
    """One line: the run matches its golden hash, or differs and why, or there is none for its settings."""
    golden = read(path or variables.find_root() / "golden.toml")
    run = _entry(manifest)
    entry = next((e for e in golden.values() if _key(e) == _key(run)), None)
    if entry is None:
        return "no golden hash for these settings on this kind of device"
    if entry["weights_sha256"] == run["weights_sha256"]:
        return "matches the golden hash"
    here, there = run["fingerprint"], entry["fingerprint"]
    names = [name for name in sorted({*here, *there}) if here.get(name) != there.get(name)]
    if not names:
        return (
            f"differs from the golden hash {entry['weights_sha256'][:16]}… under the same fingerprint: "
            "code or data changed, or something does not repeat; `make smoke` tells which"
        )
    facts = [f"{name}: {there.get(name, 'absent')} → {here.get(name, 'absent')}" for name in names[:SHOWN]]
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return "differs from the golden hash, which was made elsewhere: " + "; ".join(facts) + more


def read(path: Path) -> dict[str, Any]:
    """The entries of a golden file by name; none when there is no such file.

    Raises:
        WrongUse: the file is not TOML.
    """
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise WrongUse(f"{path} is not valid TOML: {error}") from None


@click.command("golden")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
def command(runs: tuple[Path, ...]) -> None:
    """Make the hashes of finished RUNS the golden ones of their settings."""
    from samebits.run_folder import read_manifest

    path = variables.find_root() / "golden.toml"
    golden = read(path)
    for folder in runs:
        entry = _entry(read_manifest(folder))
        name = next(
            (n for n, e in golden.items() if _key(e) == _key(entry)),
            _name(entry),
        )
        while name in golden and _key(golden[name]) != _key(entry):
            name += "-other"
        before = golden.get(name, {}).get("weights_sha256", "none")
        golden[name] = entry
        print(f"{name}: {before[:16]} → {entry['weights_sha256'][:16]}")
    write_whole(path, HEADER + "".join(_table(name, golden[name]) for name in sorted(golden)))


def _entry(manifest: dict[str, Any]) -> dict[str, Any]:
    fingerprint = dict(flatten(manifest["fingerprint"]))
    return {
        "framework": manifest["framework"],
        "device": manifest["device"],
        "profile": manifest.get("profile", "run"),
        "weights_sha256": manifest["weights_sha256"],
        "settings": manifest["deciding_settings"],
        "fingerprint": {name: value for name, value in fingerprint.items() if name not in INNOCENT},
    }


def _key(entry: dict[str, Any]) -> tuple[Any, ...]:
    profile = entry.get("profile", "run")  # older entries do not say
    return entry["framework"], entry["device"], profile, sorted(entry["settings"].items())


def _name(entry: dict[str, Any]) -> str:
    name = f"{entry['framework']}-{entry['device']}"
    return name if entry["profile"] == "run" else f"{name}-{entry['profile']}"


def _table(name: str, entry: dict[str, Any]) -> str:
    """TOML; for strings, numbers and booleans its notation is JSON's."""
    lines = [f"\n[{name}]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in entry.items() if not isinstance(value, dict)]
    for table in ("settings", "fingerprint"):
        lines.append(f"\n[{name}.{table}]")
        lines += [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in entry[table].items()]
    return "\n".join(lines) + "\n"
