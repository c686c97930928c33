"""Golden hashes: committed weights' hashes, each with the fingerprint that it was made under."""

import json
import tomllib
from pathlib import Path
from typing import Any

import click

from samebits import variables
from samebits.errors import WrongUse
from samebits.files import write_whole
from samebits.fingerprint import FOLLOWING_THE_HOST, flatten
from samebits.fingerprint_diff import WORDS, differences
from samebits.json_files import SHA256, TABLE, TEXT, Shape, one_of
from samebits.json_files import check as check_shape
from samebits.printable import printable

HEADER = """\
# The starters' hashes. A run with the same settings is compared with these: `make train` says whether it
# matches, and if not, which lines of the fingerprint differ. Written by `make golden`, never by hand.
"""
SHAPES: dict[str, Shape] = {
    "framework": TEXT,
    "device": TEXT,
    "profile": one_of(*variables.PROFILES),
    "weights_sha256": SHA256,
    "settings": TABLE,
    "fingerprint": TABLE,
}
NEEDED = set(SHAPES) - {"profile"}  # older entries do not say
SHOWN = 4  # differing facts in one line; the manifest has them all
# Not worth a line in a committed file: they follow the host.
UNTOLD = set(FOLLOWING_THE_HOST) - {"code.commit"}


def compare(manifest: dict[str, Any], path: Path | None = None) -> str:
    """One line: the run matches its golden hash, or differs and why, or there is none for its settings."""
    golden = read(path or variables.find_root() / "golden.toml")
    run = _entry(manifest)
    name, entry = next(((n, e) for n, e in golden.items() if _key(e) == _key(run)), ("", None))
    if entry is None:
        return "no golden hash for these settings on this kind of device"
    if entry["weights_sha256"] == run["weights_sha256"]:
        return "matches the golden hash"
    found = [one for one in differences(entry["fingerprint"], run["fingerprint"]) if one.rank != "none"]
    causes = [one for one in found if one.fact not in FOLLOWING_THE_HOST]
    if not causes:
        return f"differs from the golden hash {entry['weights_sha256'][:16]}… {_unexplained(entry, run)}"
    certain = any(one.rank == "changes" for one in causes)
    explained = "which was made elsewhere" if certain else "perhaps since that was made elsewhere"
    facts = "; ".join(f"{one.fact}: {one.first} → {one.second}" for one in causes[:SHOWN])
    more = f", and {len(causes) - SHOWN} more" if len(causes) > SHOWN else ""
    ranked = f"`samebits fingerprint diff {name} RUN` has all"
    return f"differs from the golden hash, {explained}: {facts}{more} ({ranked})"


def _unexplained(entry: dict[str, Any], run: dict[str, Any]) -> str:
    there, here = entry["fingerprint"], run["fingerprint"]
    was, is_ = there.get("cpu.model"), here.get("cpu.model")
    if entry.get("profile") == "portable" and was != is_:
        return (
            f"on another CPU ({was} → {is_}), which PROFILE=portable promises not to happen: `make "
            "portable-proof` looks for the operation"
        )
    commit = there.get("code.commit", "")[:12]
    return (
        f"under the same fingerprint: the code changed{f' since commit {commit}' if commit else ''}, or "
        "something does not repeat; `make smoke` tells which"
    )


def read(path: Path) -> dict[str, Any]:
    """The entries of a golden file by name; none when there is no such file.

    Raises:
        WrongUse: the file is not TOML, or an entry is not what `make golden` writes.
    """
    try:
        golden = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WrongUse(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise WrongUse(f"{path} is not valid TOML: {error}") from None
    check_shape(golden, dict.fromkeys(golden, TABLE), path)
    for name, entry in golden.items():
        check_shape(entry, SHAPES, f"{path}, [{name}]")
        check_shape(entry, {each: SHAPES[each] for each in NEEDED}, f"{path}, [{name}]", whole=True)
        facts = entry["fingerprint"]
        check_shape(facts, dict.fromkeys(facts, TEXT), f"{path}, [{name}.fingerprint]")
    return golden


@click.command("golden")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
def command(runs: tuple[Path, ...]) -> None:
    """Make the hashes of finished RUNS the golden ones of their settings."""
    from samebits.run_folder import read_manifest

    path = variables.find_root() / "golden.toml"
    golden = read(path)
    for folder in runs:
        manifest = read_manifest(folder)
        refuse_unknown_code(folder, manifest)
        entry = _entry(manifest)
        name = next(
            (n for n, e in golden.items() if _key(e) == _key(entry)),
            _name(entry),
        )
        while name in golden and _key(golden[name]) != _key(entry):
            name += "-other"
        print(printable("\n".join(changes(name, golden.get(name), entry))))
        golden[name] = entry
    write_whole(path, HEADER + "".join(_table(name, golden[name]) for name in sorted(golden)))


def refuse_unknown_code(folder: Path, manifest: dict[str, Any]) -> None:
    """A golden hash must be one that a commit gives.

    Raises:
        WrongUse: the run's code was changed after its commit, or is of none.
    """
    state = manifest.get("git")
    if state is None:
        raise WrongUse(f"{folder} was made outside of a git checkout: commit the code, then `make golden`")
    if state["dirty"]:
        commit = state["commit"][:12]
        raise WrongUse(f"{folder}'s code differs from commit {commit}: commit or stash, then `make golden`")


def changes(name: str, before: dict[str, Any] | None, after: dict[str, Any]) -> list[str]:
    """What a new entry changes, in lines: the hash first, then what of its fingerprint can change bits."""
    if before is None:
        return [f"{name}: new, {after['weights_sha256'][:16]}…"]
    if before["weights_sha256"] == after["weights_sha256"]:
        return [f"{name}: the same hash, {after['weights_sha256'][:16]}…"]
    lines = [f"{name}: {before['weights_sha256'][:16]}… → {after['weights_sha256'][:16]}…"]
    for one in differences(before["fingerprint"], after["fingerprint"]):
        if one.rank != "none":
            lines.append(f"  {WORDS[one.rank]}: {one.fact}: {one.first} → {one.second}")
    return lines


def _entry(manifest: dict[str, Any]) -> dict[str, Any]:
    fingerprint = dict(flatten(manifest["fingerprint"]))
    return {
        "framework": manifest["framework"],
        "device": manifest["device"],
        "profile": manifest.get("profile", "run"),
        "weights_sha256": manifest["weights_sha256"],
        "settings": manifest["deciding_settings"],
        "fingerprint": {name: value for name, value in fingerprint.items() if name not in UNTOLD},
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
