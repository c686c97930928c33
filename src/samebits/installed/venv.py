"""A virtual environment as a folder: what is in it, and what may be there beside the packages' files."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from samebits.errors import UsageError
from samebits.process import way_in

# What `uv venv` writes, with the environment's own path taken out. Its two files in site-packages are
# executed whenever Python starts. A test compares with the locked uv: another one, and this is made anew.
WRITTEN_BY_UV = {
    ".gitignore": "684888c0ebb17f374298b65ee2807526c066094c701bcc7ebbe1c1095f494fc1",
    "CACHEDIR.TAG": "5953156d7e0c564a427251316eaf26f8870e6483ae2197f916b630e4f93e31ae",
    "bin/activate": "812dd01dc133a4ced6a29b83fd8aafe926bf5f8bba0eb31eb5def25dee99d0dc",
    "bin/activate.bat": "653eea167d91050bf44f598136e9b9947dfda0dfe22175f64c1aa5d5b3d4711b",
    "bin/activate.csh": "48e2b53c326050b5efb2760ef24f1dc1b5088c5340bd597934e937222669b966",
    "bin/activate.fish": "7dd7b726ce85e7ad4d9f3fc088927b78733a1aaeb84787fefdf2e47f1fe4b777",
    "bin/activate.nu": "e0ce9d011479a17cba3b13c5037bb678193b7d8c04b45284f878479511e07ef9",
    "bin/activate.ps1": "5f4d6ebf3a7ef28fb3ef89a6d8f02b47d5c2d225e361c41428bb9960410ae4ab",
    "bin/activate.xsh": "df312406d0948f4d7aabfda405ebf28b4b59a1099a8d8f16759e15eefff0a910",
    "bin/activate_this.py": "1f06997007ffaab0edbbc5752edf26c175422ecaf3b35213ffd0fde1a2605aed",
    "bin/deactivate.bat": "13ea86073a9ee43a66e3549312599dd47ff315758b4ca5a0406faf041fb82300",
    "bin/pydoc.bat": "09f9608d478fa48a9e49af8f413cfeaab47773effd185433088b7688ce75890e",
    "lib/python3.11/site-packages/_virtualenv.pth": (
        "69ac3d8f27e679c81b94ab30b3b56e9cd138219b1ba94a1fa3606d5a76a1433d"
    ),
    "lib/python3.11/site-packages/_virtualenv.py": (
        "cfb3db86aaa53bb62b5ff764970bec2d71c9228590a0ebec57f6ec926cc0bf1a"
    ),
}
PLACE = b"@PREFIX@"  # stands in those hashes for the environment's path
SITE = "lib/python3.11/site-packages"  # other Pythons have their number in place of 3.11
SETTINGS = {"home", "implementation", "uv", "version_info", "include-system-site-packages", "prompt"}
# What create-env leaves, and uv's lock: in a clone, never in the image.
STAMPS = (".ready", ".ready-dev", ".packages", "entrypoint.env", ".lock")
# And what says how to add a package, in place of another Python's pip.
PIP = ("bin/pip", "bin/pip3")
FIRST_PROCESS = (
    "import os, signal, sys; os.getpid() == 1"
    " and signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))\n"
)


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Attributes:
        prefix: its folder.
        root: the project that it belongs to.
        home: the folder of the interpreter that it was made with.
        version: of that interpreter, as pyvenv.cfg says.
        settings: the lines of pyvenv.cfg.
    """

    prefix: Path
    root: Path
    home: Path
    version: str
    settings: Mapping[str, str] = field(repr=False)

    @property
    def python(self) -> str:
        """Such as "3.11"."""
        return ".".join(self.version.split(".")[:2])

    @property
    def site(self) -> Path:
        return self.prefix / SITE.replace("3.11", self.python)

    @property
    def ours(self) -> dict[str, str]:
        """What the Dockerfile writes: an editable install's three files, and a first process's handler."""
        site = self.site.relative_to(self.prefix)
        script = f"#!{self.prefix}/bin/python\nfrom samebits.cli import main\nmain()\n"
        return {
            f"{site}/samebits.pth": f"{self.root}/src\n",
            f"{site}/{way_in.NAME}": way_in.SOURCE.read_text(encoding="utf-8"),
            f"{site}/first_process.pth": FIRST_PROCESS,
            "bin/samebits": script,
        }

    @property
    def pip(self) -> bytes:
        """What create-env writes in place of pip."""
        root = str(self.root).replace("'", "'\\''")
        return f"#!/bin/sh\nexec '{root}/entrypoint' pip \"$@\"\n".encode()

    @property
    def is_images(self) -> bool:
        """Whether the Dockerfile made it: then nobody but the build may have written to it."""
        return (self.site / "samebits.pth").exists()

    @property
    def links(self) -> dict[str, tuple[str, ...]]:
        """The links that `uv venv` makes, and where each may point."""
        inside = {"bin/python3": ("python",), f"bin/python{self.python}": ("python",), "lib64": ("lib",)}
        return {
            "bin/python": tuple(f"{self.home}/{name}" for name in (f"python{self.python}", "python3")),
            **inside,
        }


def find(prefix: Path, root: Path) -> Environment:
    """Read an environment's pyvenv.cfg.

    Raises:
        UsageError: it is no virtual environment.
    """
    file = prefix / "pyvenv.cfg"
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UsageError(
            f"{prefix} is no virtual environment: it has no pyvenv.cfg; see --environment"
        ) from None
    lines = (line.partition("=") for line in text.splitlines() if line.strip())
    settings = {key.strip(): value.strip() for key, _, value in lines}
    version = settings.get("version_info") or settings.get("version", "")
    if not re.match(r"3\.\d+", version):
        raise UsageError(f"{file} does not say of which Python it is: expected a line `version = 3.11.2`")
    return Environment(Path(os.path.abspath(prefix)), root, Path(settings.get("home", "")), version, settings)


@dataclass
class Content:
    """Everything below a folder, by its path in there: files, links, and whatever is neither."""

    files: dict[str, os.stat_result] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    special: list[str] = field(default_factory=list)
    folders: dict[str, os.stat_result] = field(default_factory=dict)


def walk(folder: Path) -> Content:
    """List a folder without following links."""
    content = Content()
    for entry, name in _entries(str(folder), ""):
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            content.links[name] = os.readlink(entry.path)
        elif stat.S_ISDIR(status.st_mode):
            content.folders[name] = status
        elif stat.S_ISREG(status.st_mode):
            content.files[name] = status
        else:
            content.special.append(name)
    return content


def _entries(folder: str, prefix: str) -> Iterator["tuple[os.DirEntry[str], str]"]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"{folder} cannot be listed: {error.strerror}") from None
    for entry in entries:
        yield entry, prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(entry.path, f"{prefix}{entry.name}/")


def strange(environment: Environment, others: list[str]) -> list[str]:
    """One line for each file outside of all RECORDs that has no business there, or not this content."""
    faults = []
    for name in others:
        path = environment.prefix / name
        if name == "pyvenv.cfg":
            faults += [f"{name}: {fault}" for fault in _settings(environment)]
        elif sha256 := WRITTEN_BY_UV.get(name.replace(f"python{environment.python}/", "python3.11/")):
            if _hash(path, environment) != sha256:
                faults.append(f"{name} is not what `uv venv` writes")
        elif name in environment.ours:
            if path.read_bytes() != environment.ours[name].encode():
                faults.append(f"{name} is not what the Dockerfile writes")
        elif name in PIP and not environment.is_images:
            if path.read_bytes() != environment.pip:
                faults.append(f"{name} is not what create-env writes")
        elif environment.is_images or name not in STAMPS:
            faults.append(f"{name} is in no RECORD")
    return faults


def _hash(path: Path, environment: Environment) -> str:
    content = path.read_bytes().replace(f"/python{environment.python}/".encode(), b"/python3.11/")
    prefix = environment.prefix
    for place in sorted({str(prefix), str(prefix.resolve())}, key=len, reverse=True):
        content = content.replace(place.encode(), PLACE)
    return hashlib.sha256(content).hexdigest()


def _settings(environment: Environment) -> Iterator[str]:
    settings = environment.settings
    if settings.get("include-system-site-packages") != "false":
        yield "include-system-site-packages must be false"
    for name in sorted(settings.keys() - SETTINGS):
        yield f"`uv venv` writes no {name!r}"
    link = environment.prefix / "bin/python"
    if link.is_symlink() and os.path.dirname(os.readlink(link)) != str(environment.home):
        yield f"home is {environment.home}, bin/python is {os.readlink(link)}"


def strange_links_and_modes(environment: Environment, content: Content) -> list[str]:
    """One line for each unexpected link, device, hard link within the environment, or mode."""
    faults = [f"{name} is neither a file nor a folder" for name in content.special]
    for name, target in content.links.items():
        wanted = environment.links.get(name)
        if wanted is None:
            faults.append(f"{name} is a link, to {target}")
        elif target not in wanted:
            faults.append(f"{name} is a link to {target}, not to {wanted[0]}")
    if not os.access(environment.prefix / "bin/python", os.X_OK):
        faults.append("bin/python cannot be executed")
    same: dict[tuple[int, int], str] = {}
    for name, status in content.files.items():
        if stat.S_IMODE(status.st_mode) & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX):
            faults.append(f"{name} has mode {stat.S_IMODE(status.st_mode):04o}")
        elif status.st_mode & stat.S_IWOTH and name not in STAMPS:
            faults.append(f"{name} can be written by anybody (mode {stat.S_IMODE(status.st_mode):04o})")
        if status.st_nlink > 1:
            first = same.setdefault((status.st_dev, status.st_ino), name)
            if first != name:
                faults.append(f"{name} is the same file as {first} (a hard link)")
            elif environment.is_images:
                faults.append(f"{name} has {status.st_nlink} names (hard links)")
    for name, status in content.folders.items():
        if status.st_mode & (stat.S_IWOTH | stat.S_ISUID):
            faults.append(f"{name}/ has mode {stat.S_IMODE(status.st_mode):04o}")
    return faults
