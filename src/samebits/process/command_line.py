"""The command that made a run, as somebody else can give it: no folder of this machine in it."""

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from samebits.errors import UsageError
from samebits.process.variables import find_root

ROOT, HOME = "${SAMEBITS_ROOT}", "~"  # what stands for these folders
STDIN = ("-", "-i")


def hint(*words: str) -> str:
    """A command for a message, as its reader types it: it runs as it is printed.

    Outside of entrypoint, and where the environment is activated, that is the command itself; else it goes
    through entrypoint, which finds `python` and `samebits`.

    >>> hint("samebits", "doctor", "--all")
    './entrypoint samebits doctor --all'
    """
    through, words = words[0] == "./entrypoint", words[words[0] == "./entrypoint" :]
    command = shlex.join(words)
    # entrypoint puts the environment first on PATH; the user's own shell may not have it at all.
    if not through and "SAMEBITS_ENTRYPOINT" not in os.environ and shutil.which(words[0]):
        return command
    try:
        root = find_root()
    except UsageError:
        return command
    if not (root / "entrypoint").exists():  # somebody's own project, with samebits installed
        return command if words[0] == "samebits" else f"samebits exec -- {command}"
    here = "./entrypoint" if root.resolve() == Path.cwd() else shlex.quote(str(root / "entrypoint"))
    return f"{here} {command}"


def typed(arguments: Sequence[str], executable: str) -> list[str]:
    """A process's arguments as its user typed them: `python`, or the name of a console script."""
    words = list(arguments)
    script = Path(os.path.abspath(words[1])) if len(words) > 1 else Path()
    if script.parent == Path(executable).parent:  # a console script: its first line named this Python
        return [script.name, *words[2:]]
    if words and Path(words[0]).name.startswith("python"):
        words[0] = "python"
    return words


def recorded() -> list[str]:
    """This process's command for the manifest, with paths from the working folder, the project or home."""
    here = (Path.cwd(), "")
    return [
        _of_word(word, lambda path: shortened(path, here)) for word in typed(sys.orig_argv, sys.executable)
    ]


def working_folder() -> str | None:
    """Where this process was started, seen from the project; None elsewhere."""
    here, root = Path.cwd(), find_root().resolve()
    return str(here.relative_to(root)) if here.is_relative_to(root) else None


def read(manifest: Mapping[str, object], path: Path) -> list[str]:
    """The command of a manifest, for this machine.

    Raises:
        UsageError: no command repeats what it describes.
    """
    words = manifest.get("command")
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise UsageError(f"{path} does not say which command made the run, so nothing can repeat it")
    if any("ipykernel" in word for word in words[:3]):
        raise UsageError(f"{path} describes a run in a notebook: run the notebook from the top to repeat it")
    if Path(words[0]).name.startswith("python"):
        words = ["python", *words[1:]]  # earlier manifests have the interpreter's whole path
        if len(words) == 1 or words[1] in STDIN:
            raise UsageError(f"{path} describes a program that was typed in or piped in: {shlex.join(words)}")
    return [_of_word(word, lengthened) for word in words]


def shortened(path: str, *first: tuple[Path, str]) -> str:
    """A path as a manifest has it: from the project or home, where it lies there; another one as it is.

    Args:
        path: any.
        first: more folders that come before these two, each with what stands for it.
    """
    root = find_root()
    for folder, name in (*first, (root, ROOT), (root.resolve(), ROOT), (Path.home(), HOME)):
        if folder != Path("/") and Path(path).is_relative_to(folder):
            return str(Path(name) / Path(path).relative_to(folder))
    return path


def lengthened(path: str) -> str:
    """What `shortened` gave, on this machine."""
    if path == HOME or path.startswith(f"{HOME}/"):
        path = os.path.expanduser(path)
    return path.replace(ROOT, str(find_root()))


def _of_word(word: str, change: Callable[[str], str]) -> str:
    """A word of a command whose path is changed: all of it, or what stands behind `--option=`."""
    option, equals, path = word.rpartition("=")
    return option + equals + change(path)
