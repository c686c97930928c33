"""Golden hashes: committed weights' hashes, one for each kind of machine, each with what decided it."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from samebits._files import shown, write_whole
from samebits._formats import FORMAT, refuse_other
from samebits._json_files import SHA256, TABLE, TEXT, Shape, one_of
from samebits._json_files import check as check_shape
from samebits._printable import DIGITS, printable, short, some
from samebits.errors import UsageError
from samebits.fingerprint import cpu
from samebits.fingerprint.diff import LISTS, ORDER, WORDS, Difference, change, differences, group
from samebits.fingerprint.facts import FOLLOWING_THE_HOST
from samebits.fingerprint.manifest import EPOCHS, FIRST_STEPS, WEIGHTS, of_manifest
from samebits.framework import FRAMEWORKS
from samebits.process import variables

HEADER = f"""\
# Hashes of trainings, one entry for each kind of CPU. A run with the same settings is compared with these:
# `make train` says whether it matches, and why not. Written by `make golden`, never by hand.
format = {FORMAT}
"""
NAMED = 3  # files or facts in a sentence; `samebits fingerprint diff` has them all
ENTRY = "golden entry"  # marks the facts of an entry, which are only those that decide
SHAPES: dict[str, Shape] = {
    "framework": TEXT,
    "device": TEXT,
    "profile": one_of(*variables.PROFILES),
    WEIGHTS: SHA256,
    "settings": TABLE,
    "fingerprint": TABLE,
}
# What decides the weights of a training under determinism.env, beside variables with other values.
DECIDING = re.compile(
    r"(python|libc|framework|profile|weights_sha256)$|setting |data\.|locks\.|cpu\.|device\.|loaded\.libm\."
    r"|code\.(commit|dirty|files\.)"
)
# NumPy's own arithmetic makes data and no weights: its variables are named where no other setting differs.
OF_NUMPY = ("variables.OPENBLAS_", "variables.NPY_")
MAKERS = {"GenuineIntel": "Intel", "AuthenticAMD": "AMD"}
AVX512 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}  # what libraries ask for, together


def compare(manifest: dict[str, Any], path: Path | None = None, folder: Path | None = None) -> str:
    """Whether a run matches its golden hash, and what differs if not.

    Args:
        manifest: the run's.
        path: golden.toml.
        folder: where the run lies, for the command that shows more.

    Returns:
        One line, and where the hash is another one a second line: what to type.
    """
    try:
        golden = read(path or variables.find_root() / "golden.toml")
    except UsageError as error:  # at the end of a training: nothing may stop it now
        return f"nothing to compare with: {error}"
    run = _entry(manifest)
    names = [name for name, entry in golden.items() if _key(entry) == _key(run)]
    if not names:
        other = _other_settings(golden, run)
        return f"nothing to compare with: golden.toml has no hash for these settings and this device{other}"
    own = [name for name in names if _kind(golden[name]) == _kind(run)]
    if any(golden[name][WEIGHTS] == run[WEIGHTS] for name in own or names):
        return "matches the golden hash"
    name = (own or sorted(names, key=lambda name: _maker(golden[name]) != _maker(run)))[0]
    said, hint = _verdict(golden[name], run, bool((manifest.get("code") or {}).get("dirty")))
    line = f"another hash ({short(run[WEIGHTS])}) than golden.toml's {name} ({short(golden[name][WEIGHTS])})"
    more = f"why they differ: {_command('fingerprint', 'diff', name, shown(folder or Path('runs')))}"
    where = since(golden[name].get(FIRST_STEPS, {}), run.get(FIRST_STEPS, {}))
    return f"{line}{said}{where and '; '}{where}\n  {hint}{more}"


def since(first: Mapping[str, str], second: Mapping[str, str]) -> str:
    """Where two trainings differ first, by what their manifests have of their first steps; "" where none.

    >>> since({"initial weights": "a", "batches": "b"}, {"initial weights": "a", "batches": "c"})
    'first difference: batches (initial weights equal)'
    """
    equal: list[str] = []
    for name, value in first.items():
        other = second.get(name)
        if other is None:
            continue
        if name == EPOCHS:
            pairs = list(zip(value.split(), other.split(), strict=False))
            at = next((number for number, (a, b) in enumerate(pairs, 1) if a != b), None)
            name = f"weights after epoch {at}" if at else f"weights after {len(pairs)} epochs"
            value, other = ("", "") if at is None else pairs[at - 1]
        if value != other:
            return f"first difference: {name}" + (f" ({', '.join(equal)} equal)" if equal else "")
        equal.append(name)
    return ""


def _verdict(entry: Mapping[str, Any], run: Mapping[str, Any], dirty: bool) -> tuple[str, str]:
    """What follows the two hashes, and what can be typed."""
    sides = [_usual_variables(side["profile"]) | _facts(side) for side in (entry, run)]
    deciding = [difference for difference in differences(*sides) if difference.rank != "none"]
    reasons = _reasons(deciding, entry, run, dirty)
    groups = {group(difference.fact) for difference in deciding} | ({"code"} if dirty else set())
    if reasons:
        on_cpu = run["profile"] == "run" and run["device"] == "cpu"
        hint = "PROFILE=portable gives one hash on both; " if on_cpu and groups == {"machine"} else ""
        certain = any(difference.rank == "changes" for difference in deciding)
        how = "" if "code" in groups else ", as expected" if certain else ", perhaps for this reason"
        return f"{how}: {'; '.join(reasons)}", hint
    was, is_ = (_facts(side).get("cpu.model", "unknown") for side in (entry, run))
    if run["profile"] == "portable" and was != is_:
        broken = f", and only the CPU differs ({was} → {is_}): PROFILE=portable promises one hash on both"
        return broken, "this is a fault, `make portable-proof` looks for the operation; "
    commit = _facts(entry).get("code.commit", "")[:DIGITS]
    since = f" (samebits itself, or a file since commit {commit})" if commit else ""
    same = f", and nothing that is known differs: the code changed{since}, or the training does not repeat"
    return same, "`make smoke` shows whether it repeats; "


def _reasons(
    deciding: Iterable[Difference], entry: Mapping[str, Any], run: Mapping[str, Any], dirty: bool
) -> list[str]:
    """What differs, in words; what somebody changed comes before what the machine is."""
    of = {name: [difference for difference in deciding if group(difference.fact) == name] for name in ORDER}
    reasons = _chosen(of["settings"], run["framework"])
    if of["data"]:
        was, is_ = (some([fact[5:] for fact in _parted(side, "data.", of["data"])]) for side in (entry, run))
        changed = f"{was or 'none'} → {is_ or 'none'}" if was != is_ else f"another {was}"
        reasons.append(f"your data differ ({changed})")
    files = some(
        [
            difference.fact.removeprefix("code.files.")
            for difference in of["code"]
            if ".files." in difference.fact
        ]
    )
    if dirty or files:
        what = "the code has uncommitted changes" if dirty else "the code is other code"
        reasons.append(what + (f" ({files})" if files else ""))
    reasons += [
        f"{difference.fact.split('.', 1)[-1]} differs ({change(difference)})" for difference in of["versions"]
    ]
    if len(reasons) > NAMED + 1:
        reasons[NAMED:] = [f"{len(reasons) - NAMED} more"]
    return reasons + _machines(of["machine"], entry, run)


def _chosen(deciding: list[Difference], framework: str) -> list[str]:
    """Which settings and variables differ, in words: those that decide this framework's weights.

    The variables that follow SAMEBITS_THREADS are one reason, and the first.
    """
    others = tuple(
        f"variables.{start}"
        for name, row in FRAMEWORKS.items()
        for start in row.variables
        if name != framework
    )
    follow = [f"variables.{row.name}" for row in variables.read() if row.value == "${SAMEBITS_THREADS}"]
    deciding = [difference for difference in deciding if not difference.fact.startswith(others)]
    threads = [difference for difference in deciding if difference.fact in follow]
    rest = [difference for difference in deciding if difference.fact not in follow]
    if any(not difference.fact.startswith(OF_NUMPY) for difference in deciding):
        rest = [difference for difference in rest if not difference.fact.startswith(OF_NUMPY)]
    changed = list(dict.fromkeys(change(difference) for difference in threads))
    return [f"the number of threads differs ({some(changed)})"] * bool(changed) + [
        f"{difference.fact.removeprefix('variables.')} differs ({change(difference)})" for difference in rest
    ]


def _machines(deciding: list[Difference], entry: Mapping[str, Any], run: Mapping[str, Any]) -> list[str]:
    if not deciding:
        return []
    if run["device"] == "cpu":
        was, is_ = ((_maker(side), _vectors(side)) for side in (entry, run))
        if was != is_:
            parts = 1 if was[0] != is_[0] and was[1] == is_[1] else 2
            there, here = (" with ".join(side[:parts]) for side in (was, is_))
            return [f"that one was made on {there}, this CPU is {here}"]
    lists = [difference for difference in deciding if LISTS.match(difference.fact)]
    named = [difference for difference in deciding if difference not in lists] + lists
    facts = (f"{difference.fact}: {change(difference)}" for difference in named[:NAMED])
    return [f"on another machine ({', '.join(facts)})"]


def _parted(entry: Mapping[str, Any], prefix: str, deciding: Iterable[Difference]) -> list[str]:
    return [each.fact for each in deciding if each.fact in _facts(entry) and each.fact.startswith(prefix)]


def _other_settings(golden: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    for name, entry in golden.items():
        if _key(entry)[:3] == _key(run)[:3] and entry["settings"].keys() == run["settings"].keys():
            pairs = ((key, entry["settings"][key], value) for key, value in run["settings"].items())
            other = [f"{key} {was} → {is_}" for key, was, is_ in pairs if was != is_]
            return f" ({name} has others: {some(other)})"
    return ""


def _command(*words: str) -> str:
    """A command of samebits' as it can be typed in this folder."""
    entrypoint = variables.find_root().resolve() / "entrypoint"
    if not entrypoint.exists():
        return shlex.join(["samebits", *words])
    near = entrypoint.is_relative_to(Path.cwd())
    start = f"./{entrypoint.relative_to(Path.cwd())}" if near else str(entrypoint)
    return shlex.join([start, "samebits", *words])


def read(path: Path) -> dict[str, Any]:
    """The entries of a golden file by name; none when there is no such file.

    Raises:
        UsageError: the file is not TOML, or of another format, or an entry lacks something.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    again = "; `make golden` in a checkout without this file makes a new one"
    refuse_other(path, content.pop("format", 1 if content else FORMAT), again)
    check_shape(content, dict.fromkeys(content, TABLE), path)
    for name, entry in content.items():
        check_shape(entry, SHAPES, f"{path}, [{name}]", whole=True)
        check_shape(entry, {FIRST_STEPS: TABLE}, f"{path}, [{name}]")
        begun = entry.get(FIRST_STEPS, {})
        check_shape(begun, dict.fromkeys(begun, TEXT), f"{path}, [{name}.{FIRST_STEPS}]")
        facts = entry["fingerprint"]
        check_shape(facts, dict.fromkeys(facts, TEXT), f"{path}, [{name}.fingerprint]")
    return content


def facts_of(name: str) -> dict[str, str]:
    """The facts of an entry; of `torch-cpu`, that for this CPU's kind among those that begin so.

    Raises:
        UsageError: there is none.
    """
    entries = read(variables.find_root() / "golden.toml")
    names = [name] if name in entries else sorted(other for other in entries if other.startswith(f"{name}-"))
    if not names:
        known = ", ".join(entries) or "which has none"
        raise UsageError(f"{name} is no run folder, no file and no entry of golden.toml ({known})")
    here = {f"cpu.{fact}": value for fact, value in cpu.processor().items()}
    machine = _maker({"fingerprint": here}), _vectors({"fingerprint": here})
    own = (other for other in names if (_maker(entries[other]), _vectors(entries[other])) == machine)
    run = [other for other in own if entries[other]["profile"] == "run"] or names
    return _facts(entries[run[0]])


@click.command("golden")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
def command(runs: tuple[Path, ...]) -> None:
    """Record the hashes of finished RUNS as the golden ones, for their settings and this kind of machine."""
    from samebits.fingerprint.manifest import read_manifest

    path = variables.find_root() / "golden.toml"
    golden = read(path)
    for folder in runs:
        manifest = read_manifest(folder)
        refuse_unknown_code(folder, manifest)
        entry = _entry(manifest)
        same = [name for name in golden if _key(golden[name]) == _key(entry)]
        name = next((name for name in same if _kind(golden[name]) == _kind(entry)), "")
        name = name or _name(entry, golden)
        print(printable("\n".join(changes(name, golden.get(name), entry))))
        if name not in golden or not _is_confirmed(golden[name], entry):
            golden[name] = entry
        elif FIRST_STEPS in entry:  # the entry may be older than they are
            golden[name][FIRST_STEPS] = entry[FIRST_STEPS]
        if old := [other for other in same if other != name and _files(golden[other]) != _files(entry)]:
            print(f"  other code made {', '.join(old)}: `make golden` on such a machine")
    write_whole(path, HEADER + "".join(_table(name, golden[name]) for name in sorted(golden)))


def _is_confirmed(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a run only repeats an entry, perhaps on another machine: then the entry stays as it is."""
    first, second = (
        {
            fact: value
            for fact, value in _facts(entry).items()
            if group(fact) != "machine" and fact != "code.commit"
        }
        for entry in (before, after)
    )
    return first == second


def refuse_unknown_code(folder: Path, manifest: dict[str, Any]) -> None:
    """A golden hash must be one that a commit gives.

    Raises:
        UsageError: the run's code was changed after its commit, or is of none.
    """
    code = manifest.get("code") or {}
    if code.get("commit") is None:
        raise UsageError(f"{folder} was made outside of a git checkout: commit the code, then `make golden`")
    if code["dirty"]:
        commit = code["commit"][:DIGITS]
        raise UsageError(f"{folder}'s code differs from commit {commit}: commit or stash, then `make golden`")


def changes(name: str, before: dict[str, Any] | None, after: dict[str, Any]) -> list[str]:
    """What a new entry changes, in lines: the hash first, then what of its facts can change bits."""
    if before is None:
        return [f"{name}: new, {short(after[WEIGHTS])}"]
    if before[WEIGHTS] == after[WEIGHTS]:
        return [f"{name}: the same hash, {short(after[WEIGHTS])}"]
    lines = [f"{name}: {short(before[WEIGHTS])} → {short(after[WEIGHTS])}"]
    for difference in differences(_facts(before), _facts(after)):
        if difference.rank != "none":
            lines.append(f"  {WORDS[difference.rank]}: {difference.fact}: {change(difference)}")
    return lines


def shrink(facts: Mapping[str, str]) -> dict[str, str]:
    """Those of a run's facts that decide: no variable that has the value which determinism.env gives it."""
    profile = facts.get("profile", "run")
    rows = _usual_variables(profile)
    row = FRAMEWORKS.get(facts.get("framework", ""))
    libraries = [f"libraries.{name}" for name in (*row.packages, "numpy")] if row else []
    if facts.get("device.kind", "cpu") != "cpu":
        libraries += [name for name in facts if name.startswith("libraries.nvidia-")]
    kept = {
        name: value
        for name, value in facts.items()
        if value and (DECIDING.match(name) or name in libraries or rows.get(name, value) != value)
    }
    if "python" in kept:
        kept["python"] = ".".join(kept["python"].split(".")[:2])  # a patch release computes alike
    if kept.get("code.dirty") == "False":  # as every entry is
        del kept["code.dirty"]
    return kept


def _usual_variables(profile: str) -> dict[str, str]:
    """The facts of the variables of a run whose user chose nothing; empty: not set."""
    rows = {f"variables.{row.name}": _usual(row, profile) for row in variables.read()}
    return {name: value for name, value in rows.items() if name not in FOLLOWING_THE_HOST}


def _usual(row: variables.Row, profile: str) -> str:
    """The value of a variable that a run has whose user chose nothing."""
    ours = row.policy in ("pin", "ambient", "merge") or (row.policy == "portable" and profile == "portable")
    return row.value.replace("${SAMEBITS_THREADS}", "1") if ours else ""


def _entry(manifest: dict[str, Any]) -> dict[str, Any]:
    manifest = {"framework": "", **manifest}
    beside = ("framework", "profile", WEIGHTS)  # fields of their own, like the settings
    facts = shrink({"profile": manifest.get("profile", "run"), **of_manifest(manifest)})
    return {
        "framework": manifest["framework"],
        "device": manifest["device"],
        "profile": manifest.get("profile", "run"),
        WEIGHTS: manifest[WEIGHTS],
        **({FIRST_STEPS: manifest[FIRST_STEPS]} if manifest.get(FIRST_STEPS) else {}),
        "settings": manifest["deciding_settings"],
        "fingerprint": {
            name: value
            for name, value in facts.items()
            if name not in beside and not name.startswith(("setting ", "code.dirty"))
        },
    }


def _facts(entry: Mapping[str, Any]) -> dict[str, str]:
    """An entry's facts as `samebits fingerprint diff` compares them."""
    settings = {f"setting {name}": str(value) for name, value in entry["settings"].items()}
    beside = {name: entry[name] for name in ("framework", "profile", WEIGHTS)}
    return {ENTRY: "", **beside, **settings, **entry["fingerprint"]}


def _key(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return entry["framework"], entry["device"], entry["profile"], sorted(entry["settings"].items())


def _files(entry: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in entry["fingerprint"].items() if name.startswith("code.files.")}


def _kind(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The kind of machine that an entry is for.

    On a GPU its model. On a CPU its maker, by which MKL chooses, the widest vector instructions, by which
    torch, oneDNN, NumPy and Eigen do, and MKL's branch. The profile portable has one kind.
    """
    if entry["device"] != "cpu":
        return (entry["fingerprint"].get("device.model", ""),)
    if entry["profile"] == "portable":
        return ()
    return _maker(entry), _vectors(entry), entry["fingerprint"].get("cpu.mkl", "")


def _maker(entry: Mapping[str, Any]) -> str:
    vendor = entry["fingerprint"].get("cpu.vendor", "unknown")
    return MAKERS.get(vendor, vendor)


def _vectors(entry: Mapping[str, Any]) -> str:
    there = set(entry["fingerprint"].get("cpu.instructions", "").split())
    if there >= AVX512:
        return "AVX-512"
    return "AVX2" if {"avx2", "fma"} <= there else "SSE"


def _name(entry: Mapping[str, Any], taken: Mapping[str, Any]) -> str:
    """framework-device-kind, with a number where that is another entry's name."""
    if entry["profile"] == "run":
        kind = _kind(entry)[:2] if entry["device"] == "cpu" else _kind(entry)
    else:
        kind = (entry["profile"],)
    words = (re.sub(r"[^a-z0-9]+", "-" if entry["device"] != "cpu" else "", word.lower()) for word in kind)
    name = "-".join(filter(None, (entry["framework"], entry["device"], *words)))
    numbers = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(other for other in numbers if other not in taken)


def _table(name: str, entry: Mapping[str, Any]) -> str:
    """TOML; for strings, numbers and booleans its notation is JSON's."""
    lines = [f"\n[{name}]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in entry.items() if not isinstance(value, dict)]
    for table in ("settings", FIRST_STEPS, "fingerprint"):
        if table not in entry:  # made before runs recorded their first steps
            continue
        lines.append(f"\n[{name}.{table}]")
        lines += [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in entry[table].items()]
    return "\n".join(lines) + "\n"
