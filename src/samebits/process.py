"""This process: whether it was started as determinism.env says, and what the libraries made of it."""

import dataclasses
import functools
import json
import locale
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import click

from samebits import instructions
from samebits.command_line import hint, typed
from samebits.errors import WrongUse
from samebits.variables import PROFILES, Row, find_root, package_file, read

SWITCHES = {"on": {"1", "true", "yes", "on"}, "off": {"0", "false", "no", "off"}}
KERAS_DEFAULTS = {"floatx": "float32", "epsilon": 1e-07, "image_data_format": "channels_last"}

_warned = False


@dataclasses.dataclass(frozen=True)
class Fault:
    """One thing about this process that can change bits.

    Attributes:
        name: the variable of determinism.env that it is about.
        line: what is wrong: the thing, what it is, what it must be.
        mend: what to do about it.
    """

    name: str
    line: str
    mend: str


def check(strict: bool) -> None:
    """Compare this process with determinism.env.

    Args:
        strict: raise when something is wrong. Otherwise the first call in a process says it on stderr.

    Raises:
        WrongUse: naming the first wrong variable, what it is, what it must be, and what to do.
    """
    global _warned
    if (_warned and not strict) or _is_data_worker():
        return
    found = faults()
    if found:
        more = f" ({len(found) - 1} more: see `{hint('samebits', 'doctor')}`)" if len(found) > 1 else ""
        line = f"{found[0].line}: {found[0].mend}{more}"
        if strict:
            raise WrongUse(line)
        print(f"samebits: {line}", file=sys.stderr)
    _warned = True


def faults() -> list[Fault]:
    """Everything that is wrong with this process: variables in the order of determinism.env, then values."""
    names = set(allowed())
    rows = [row for row in read() if row.name not in names]
    found = [fault for row in rows if (fault := _variable_fault(row))]
    known = {fault.name for fault in found}
    # An effective value follows from its variable: one line for both.
    return found + [fault for fault in _effective_faults() if fault.name not in known | names]


def allowed() -> list[str]:
    """The variables and switches that SAMEBITS_ALLOW leaves as they are."""
    return _names("SAMEBITS_ALLOW")


def profile() -> str:
    """What this process promises: "run", the same bits on this kind of CPU, or "portable", on every one."""
    return started_with().get("SAMEBITS_PROFILE") or "run"


def replaced() -> list[str]:
    """The variables that entrypoint found with another value, and replaced or removed."""
    return _names("SAMEBITS_REPLACED")


def variables() -> dict[str, str | None]:
    """Every variable of determinism.env that is read by something, as it is here; None where it is not set.

    A value that lies in our own folders is given as the file has it, so that it is the same on every
    machine: `${SAMEBITS_CACHE}/keras`.
    """
    seen: dict[str, str | None] = {}
    for row in read():
        if row.policy == "placebo":
            continue
        now = os.environ.get(row.name)
        if row.kind == "entries" and now:
            seen[row.name] = ":".join(_seen_from_project(entry, row) for entry in now.split(":"))
            continue
        ours = re.search(r"SAMEBITS_(CACHE|ROOT)", row.value) and now == row.filled(started_with())
        seen[row.name] = row.value if ours else now
    return seen


def _seen_from_project(entry: str, row: Row) -> str:
    """A folder of the project as every machine has it: `${SAMEBITS_ROOT}/src`."""
    project = row.filled(started_with())
    if not Path(entry).is_relative_to(project):
        return entry
    return str(Path(row.value) / Path(entry).relative_to(project))


def effective() -> dict[str, object]:
    """What the libraries made of the variables, read back from those that are already imported.

    Libraries accept nonsense silently, so what was set is one thing and what is in force another.
    """
    values: dict[str, object] = {
        "python": {
            "hash_randomization": bool(sys.flags.hash_randomization),
            "ignores_environment": bool(sys.flags.ignore_environment),
            "user_site": not sys.flags.no_user_site,
        },
        "locale": locale.setlocale(locale.LC_CTYPE),
        "time_zone": time.tzname[0],
    }
    if torch := _imported("torch", "get_num_threads"):
        values["torch"] = {
            "threads": torch.get_num_threads(),
            "mkl_threads": _mkl_threads(torch),
            "interop_threads": torch.get_num_interop_threads(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        }
    if numpy := _imported("numpy", "_core"):
        features = numpy._core._multiarray_umath.__cpu_features__
        values["numpy"] = {"cpu_features": sorted(name for name, there in features.items() if there)}
        kept = ("internal_api", "version", "architecture", "threading_layer", "num_threads")
        pools = [{key: pool[key] for key in kept if key in pool} for pool in instructions.thread_pools()]
        values["thread_pools"] = [json.loads(pool) for pool in sorted(set(map(json.dumps, pools)))]
    if tensorflow := _imported("tensorflow", "config"):
        values["tensorflow"] = {
            "intra_op_threads": _tensorflow_threads(tensorflow, "intra"),
            "inter_op_threads": _tensorflow_threads(tensorflow, "inter"),
            "op_determinism": _tensorflow_determinism(),
        }
    if keras := _imported("keras", "config"):
        values["keras"] = {
            "backend": keras.config.backend(),
            "floatx": keras.config.floatx(),
            "epsilon": keras.config.epsilon(),
            "image_data_format": keras.config.image_data_format(),
        }
    return values


@functools.cache
def started_with() -> Mapping[str, str]:
    """The environment that this process was started with.

    What Python sets in os.environ later is not in it, and comes too late for PYTHONHASHSEED and others.
    """
    try:
        entries = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return dict(os.environ)
    pairs = [entry.partition(b"=") for entry in entries if entry]
    if not all(equals for _, equals, _ in pairs):  # a program that renames itself writes its name there
        return dict(os.environ)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def must_be(row: Row, environment: Mapping[str, str]) -> str:
    """What a variable must be, when `environment` has it otherwise; empty when all is well."""
    now = environment.get(row.name, "")
    value = row.filled(started_with())
    policy = row.policy
    if policy == "portable" and profile() == "portable":
        policy = "pin" if value else "forbid"
    match policy:
        case "pin" | "ambient":
            same = now == value or now.lower() in SWITCHES.get(row.kind, ())
            return "" if same else f"must be '{value}'"
        case "merge":
            unmet = [flag for flag in value.split() if not _holds(now.split(), flag)]
            return f"must hold {' '.join(unmet)}" if unmet else ""
        case "forbid":
            return "must not be set" if now else ""
        case "remove":
            strange = [entry for entry in _entries(row, now) if not _stays(row, entry, value)] if now else []
            return f"must not hold {' '.join(map(repr, strange))}" if strange else ""
    return ""


def _variable_fault(row: Row) -> Fault | None:
    if must := must_be(row, started_with()):
        line, mend = _is(row.name, started_with()), f"start it with `{_right_command()}`"
    elif must := must_be(row, os.environ):
        mend = f"do not change it inside Python, or SAMEBITS_ALLOW={row.name} says that you mean it"
        line = f"{_is(row.name, os.environ)} since Python started"
    else:
        return None
    return Fault(row.name, f"{line}, {must}", mend)


def _is(name: str, environment: Mapping[str, str]) -> str:
    return f"{name} is '{environment[name]}'" if environment.get(name) else f"{name} is not set"


def _holds(flags: list[str], flag: str) -> bool:
    """Whether flags hold `flag` and nothing that contradicts it; a bare --flag means --flag=true."""
    name = flag.partition("=")[0]
    said = [word if "=" in word else f"{word}=true" for word in flags if word.partition("=")[0] == name]
    return bool(said) and set(said) == {flag}


def _entries(row: Row, now: str) -> list[str]:
    if row.kind == "entries":
        return now.split(":")
    return re.split("[:;]", now) if row.kind == "libraries" else [now]


def _stays(row: Row, entry: str, value: str) -> bool:
    if row.kind == "entries":
        return _is_inside(entry, value)
    if row.kind == "libraries":
        return "$" not in entry and not any((Path(entry) / name).exists() for name in value.split())
    return False


def _is_inside(entry: str, project: str) -> bool:
    """Whether an entry of PYTHONPATH is a folder of the project, and not one of installed packages."""
    strange = not entry or ".." in entry or any(f"/{word}-packages" in entry for word in ("site", "dist"))
    if strange or project == "/":
        return False
    # A relative path begins in the working folder, whose name has no links in it.
    return Path(entry).is_relative_to(project) or (
        not os.path.isabs(entry) and Path.cwd().is_relative_to(Path(project).resolve())
    )


def _effective_faults() -> list[Fault]:
    environment = started_with()
    found: list[Fault] = []

    def expect(name: str, what: str, now: object, must: object, mend: str) -> None:
        if str(now) != str(must):
            undo = f"remove the call that changed it, or SAMEBITS_ALLOW={name} says that you mean it"
            found.append(Fault(name, f"{what} is {now}, must be {must} ({name})", mend or undo))

    if profile() not in PROFILES:
        line = f"SAMEBITS_PROFILE is '{profile()}', must be {' or '.join(PROFILES)}"
        found.append(Fault("SAMEBITS_PROFILE", line, f"start it with `{_right_command()}`"))
    if sys.flags.hash_randomization:
        line = "PYTHONHASHSEED is set, but Python does not heed it"
        found.append(Fault("PYTHONHASHSEED", line, "start Python without -E, -I and -R"))
    if torch := _imported("torch", "get_num_threads"):
        threads = environment.get("OMP_NUM_THREADS", "").partition(",")[0]
        more = f"set SAMEBITS_THREADS={torch.get_num_threads()} instead of torch.set_num_threads"
        expect("OMP_NUM_THREADS", "torch.get_num_threads()", torch.get_num_threads(), threads, more)
        # torch.set_num_threads sets MKL's too; without it, MKL's own number must have been heeded.
        mkl, threads = _mkl_threads(torch), environment.get("MKL_NUM_THREADS", "").partition(",")[0]
        if mkl is not None and mkl != torch.get_num_threads():
            expect("MKL_NUM_THREADS", "MKL's number of threads", mkl, threads, "")
    if _imported("numpy", "_core"):
        for pool in instructions.thread_pools():
            if pool["internal_api"] == "openblas":
                must = environment.get("OPENBLAS_NUM_THREADS")
                expect("OPENBLAS_NUM_THREADS", "OpenBLAS's number of threads", pool["num_threads"], must, "")
    if profile() == "portable":
        imported = _imported("torch", "get_num_threads"), _imported("numpy", "_core")
        for name, (what, now) in instructions.chosen(*imported).items():
            expect(name, what, now, instructions.PORTABLE[name], "set it before Python starts, not inside")
    if tensorflow := _imported("tensorflow", "config"):
        for kind in ("intra", "inter"):
            name = f"TF_NUM_{kind.upper()}OP_THREADS"
            what = f"tf.config.threading.get_{kind}_op_parallelism_threads()"
            expect(name, what, _tensorflow_threads(tensorflow, kind), environment.get(name), "")
    settings = Path(environment.get("KERAS_HOME") or "~/.keras").expanduser() / "keras.json"
    for key, now in _keras_settings(settings).items():
        expect("KERAS_HOME", f"{key} in {settings}", now, KERAS_DEFAULTS.get(key, now), f"delete {settings}")
    return found


def _keras_settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # Keras, too, goes on with its defaults
        return {}
    return settings if isinstance(settings, dict) else {}


def _mkl_threads(torch: ModuleType) -> int | None:
    found = re.search(r"mkl_get_max_threads\(\) : (\d+)", torch.__config__.parallel_info())
    return int(found[1]) if found else None


def _tensorflow_threads(tensorflow: ModuleType, kind: str) -> int:
    """TensorFlow says 0 for a number that it takes from the environment (and heeds, but does not tell)."""
    number: int = getattr(tensorflow.config.threading, f"get_{kind}_op_parallelism_threads")()
    text = started_with().get(f"TF_NUM_{kind.upper()}OP_THREADS", "0")
    return number or (int(text) if text.isdecimal() else 0)


def _tensorflow_determinism() -> bool | None:
    config = sys.modules.get("tensorflow.python.framework.config")
    return bool(config.is_op_determinism_enabled()) if config else None


def _imported(name: str, attribute: str) -> Any:
    """A module that is imported, and far enough to have `attribute`; else None."""
    module = sys.modules.get(name)
    return module if hasattr(module, attribute) else None


def _is_data_worker() -> bool:
    """torch gives its data workers one thread each, and their parent was checked."""
    data = _imported("torch.utils.data", "get_worker_info")
    return data is not None and data.get_worker_info() is not None


def _names(variable: str) -> list[str]:
    return [name for name in os.environ.get(variable, "").split(",") if name]


def _right_command() -> str:
    """The command line that would have been right, in the user's own words, and found from where they are."""
    if "ipykernel" in sys.modules:  # a kernel has its environment from the server that started it
        notebooks = find_root() / "tools/notebooks.py"
        own = f"make -C {shlex.quote(str(find_root()))} notebook"
        return own if notebooks.exists() else "samebits exec -- jupyter lab"
    door = find_root() / "entrypoint"
    through = str(door) if door.exists() else f"{sys.executable} -m samebits exec --"
    if shutil.which("samebits"):
        through = "samebits exec --"
    words = list(sys.orig_argv)
    if sys.argv[:1] == ["-c"] and "-c" in words:
        return f"{through} python {shlex.join(words[1 : words.index('-c') + 1])} …"
    return f"{through} {shlex.join(typed(words, sys.executable))}"


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("command", metavar="CMD [ARG]...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(command: tuple[str, ...]) -> None:
    """Run CMD with the variables of determinism.env, as `make` targets and the image do.

    \b
    samebits exec -- python train.py --epochs 5
    samebits exec -- ./sweep.sh --rounds 3
    """
    become(command)


def for_entrypoint() -> dict[str, str]:
    """What entrypoint is told by who starts it: which project this is, and which `python`.

    The latter is the one that runs this where it was called by its path. Where another environment is
    activated, `python` is its user's choice.
    """
    told = {"SAMEBITS_ROOT": str(find_root())}
    own = os.path.dirname(sys.executable)
    activated = os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX")
    there = os.access(os.path.join(own, "python"), os.X_OK)
    if there and activated in (None, sys.prefix) and os.path.dirname(shutil.which("python") or "") != own:
        told["PATH"] = own + os.pathsep + os.environ.get("PATH", os.defpath)
    return told


def become(command: Sequence[str]) -> NoReturn:
    """Replace this process by a command with the variables of determinism.env.

    Raises:
        WrongUse: samebits' entrypoint cannot be executed.
    """
    entrypoint = str(package_file("entrypoint"))
    try:
        os.execve(entrypoint, [entrypoint, *command], {**os.environ, **for_entrypoint()})
    except OSError as error:
        raise WrongUse(f"{entrypoint} cannot be executed: {error.strerror}") from None
