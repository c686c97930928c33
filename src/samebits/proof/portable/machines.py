"""Where the table is computed: on this CPU, on an emulated one, with another C library in a container."""

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from samebits import container_engine
from samebits.errors import UsageError
from samebits.process import launch
from samebits.process.variables import TABLE, find_root, package_file
from samebits.proof.portable import emulator
from samebits.proof.portable.emulator import QEMU
from samebits.proof.portable.libraries import FOLLOW_THE_C_LIBRARY
from samebits.proof.processes import stop

NATIVE = "native"
RUN_FOLDER = "SAMEBITS_RUN_FOLDER"
# What a container is handed over; all else in it is as `entrypoint` finds it there.
HANDED_OVER = (
    "KERAS_BACKEND",
    "PROFILE",
    "SAMEBITS_ALLOW",
    "SAMEBITS_CURVES",
    "SAMEBITS_STOP_AT",
    "SAMEBITS_THREADS",
    RUN_FOLDER,
)
# What the libraries of the table import of Python's own modules that need shared libraries of the system.
PROBE = "import bz2, ctypes, hashlib, lzma, platform, sqlite3, ssl, uuid, zlib; print(*platform.libc_ver())"


@dataclass
class Machine:
    """A CPU with its C library, and what was computed there.

    Attributes:
        digests: row → digest, or in words why there is none.
        left_out: the rows that are not compared, whatever comes of them here,
        why: and why not.
        skipped: those of them that are not even computed.
        running: the latest process there.
        stopped: whatever runs there is to end.
    """

    name: str
    digests: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    left_out: tuple[str, ...] = ()
    why: str = ""
    skipped: tuple[str, ...] = ()
    running: subprocess.Popen[str] | None = None
    stopped: bool = False

    def command(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> list[str]:
        """Python with `arguments` there. The emulator does not follow a shell into another program."""
        emulating = [] if self.name == NATIVE else [QEMU, "-cpu", self.name]
        return [launch.entrypoint(), *emulating, sys.executable, *arguments]

    def end(self) -> None:
        """Leave nothing of it running."""
        if self.running is not None:
            stop([self.running], grace=1.0)  # there are several, one after the other


@dataclass
class Container(Machine):
    """An image, whose C library computes; Python, the wheels and the project are this machine's, read-only.

    Attributes:
        client: the container engine's client.
        container: the running container's name.
    """

    client: str = ""
    container: str = field(default_factory=lambda: f"samebits-portable-{uuid.uuid4().hex[:12]}")

    def command(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> list[str]:
        options = ["--rm", "--init", "--network=none", f"--name={self.container}"]
        options.append(f"--user={os.getuid()}:{os.getgid()}")
        options += [f"--volume={folder}:{folder}:ro" for folder in _own_folders()]
        if run := environment.get(RUN_FOLDER):
            options.append(f"--volume={Path(run).parent}:{Path(run).parent}")
        options += [f"--env={name}" for name in HANDED_OVER if name in environment]
        options.append(f"--env=SAMEBITS_ROOT={find_root()}")
        inside = [launch.entrypoint(), sys.executable, *arguments]
        return [self.client, "run", *options, self.name, *inside]

    def end(self) -> None:
        super().end()
        container_engine.ask(self.client, "rm", "--force", self.container)


def emulated(cpu: str) -> Machine:
    """A CPU that qemu knows.

    Raises:
        UsageError: there is no qemu, or it does not know it.
    """
    if shutil.which(QEMU) is None:
        raise UsageError(f"there is no {QEMU}, which emulates other CPUs: apt-get install qemu-user-static")
    if cpu not in subprocess.run([QEMU, "-cpu", "help"], capture_output=True, text=True).stdout.split():
        raise UsageError(f"{QEMU} emulates no CPU {cpu!r}: `{QEMU} -cpu help` lists them")
    version = emulator.version()
    wrong = emulator.WRONG if version < emulator.RIGHT_FROM else ()
    why = f"qemu {'.'.join(map(str, version))} computes them wrongly"
    return Machine(cpu, left_out=wrong, why=why, skipped=wrong)


def in_image(image: str) -> tuple[Machine, str]:
    """A container of that image, and which C library it has, such as "glibc 2.41".

    Raises:
        UsageError: no engine answers, there is no such image, or this Python does not run in it.
    """
    engine, asked = container_engine.find()
    if engine is None or engine.kind == "buildah":
        why = "; ".join(f"{engine.command}: {engine.complaint or 'it only builds'}" for engine in asked)
        raise UsageError(f"--image needs a container engine ({why or 'no docker, no podman on PATH'})")
    if container_engine.ask(engine.command, "image", "inspect", image)[0] != 0:
        raise UsageError(
            f"there is no image {image} here: `{Path(engine.command).name} pull {image}` fetches it"
        )
    why = "they follow the C library"
    container = Container(image, left_out=FOLLOW_THE_C_LIBRARY, why=why, client=engine.command)
    status, libc, complaint = container_engine.ask(*container.command(("-c", PROBE), {}), patience=120)
    container.end()
    if status != 0:
        said = (complaint.splitlines() or [f"status {status}"])[-1]
        raise UsageError(
            f"this Python does not run in {image} ({said}): it needs the system's libraries that "
            f"docs/portable.md lists"
        )
    return container, libc


def recorded(path: Path, profile: str) -> Machine:
    """What `samebits portable-proof --json` printed on some machine: the digests that it computed itself.

    Raises:
        UsageError: the file is not such output, or is of another profile.
    """
    try:
        content = json.loads(path.read_text())
        recorded_profile, libc, machines = content["profile"], content["libc"], content["machines"]
        digests, cpu = dict(machines[NATIVE]["digests"]), str(content["cpu"])
    except (OSError, ValueError, TypeError, KeyError):
        raise UsageError(f"{path} is not what `samebits portable-proof --here --json` prints") from None
    if recorded_profile != profile:
        raise UsageError(
            f"{path} is of the profile {recorded_profile}, not {profile}: give --profile {recorded_profile}"
        )
    same = libc == " ".join(platform.libc_ver())
    why = f"they follow the C library, which was {libc} there"
    return Machine(f"{path} ({cpu})", digests, left_out=() if same else FOLLOW_THE_C_LIBRARY, why=why)


def _own_folders() -> list[Path]:
    """The project's, samebits', the environment's and the interpreter's, none of them within another."""
    folders = {find_root(), package_file(TABLE).parent, Path(sys.prefix)}
    if sys.base_prefix == "/usr":  # the system's Python has no folder of its own
        folders |= {Path(sys.executable).resolve(), Path(sysconfig.get_path("stdlib"))}
    else:
        folders.add(Path(sys.base_prefix))
    return sorted(folder for folder in folders if not any(other in folder.parents for other in folders))
