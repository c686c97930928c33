"""Which container engine answers here, and whether it can hand over a GPU, as their own commands say it.

Standard library only: tools/image.py uses this on machines that have Python and an engine and nothing else.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

DRIVER = "/proc/driver/nvidia/version"  # written by the kernel module
CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi")  # the Container Device Interface's two homes
PATIENCE = 20  # seconds; an engine that is starting, or a driver that wakes a GPU, takes a few


@dataclass(frozen=True)
class Engine:
    """One container client on PATH, and what stands behind it.

    Attributes:
        command: the client's path.
        kind: "docker", "podman" (its stand-in named `docker` too), or "buildah", which builds and cannot run.
        client: the client's version.
        server: the engine's version; empty when no engine answers. Podman is its own engine.
        buildkit: it builds Dockerfiles with mounts: BuildKit, or podman's buildah.
        runtimes: the OCI runtimes that the engine knows, such as "nvidia".
        complaint: why it cannot be used, in its own words; empty when it can.
    """

    command: str
    kind: str
    client: str
    server: str
    buildkit: bool
    runtimes: tuple[str, ...] = ()
    complaint: str = ""

    @property
    def usable(self) -> bool:
        """It can build this project's image and run it."""
        return bool(self.server) and self.buildkit


def ask(*command: str | os.PathLike[str], patience: float = PATIENCE) -> tuple[int, str, str]:
    """Run a command; its exit status (127: not there, 124: no answer in time), stdout and stderr."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=patience,
        )
    except subprocess.TimeoutExpired:
        return 124, "", f"no answer in {patience} s"
    except OSError as error:
        return 127, "", error.strerror or str(error)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def clients() -> list[str]:
    """Every `docker` on PATH in PATH's order, then `podman`; or those that the variable DOCKER names.

    The first is not always the right one: a client without BuildKit may stand before Debian's.
    """
    chosen = os.environ.get("DOCKER")
    if chosen and os.path.sep in chosen:
        return [chosen]
    names = [chosen] if chosen else ["docker", "podman"]
    paths = [shutil.which(name, path=folder) for name in names for folder in os.get_exec_path()]
    different: dict[str, str] = {}
    for path in paths:
        if path is not None:
            different.setdefault(os.path.realpath(path), path)
    return list(different.values()) or ([chosen] if chosen else [])


def probe(command: str) -> Engine:
    """Ask one client who it is and whether its engine answers."""
    status, output, complaint = ask(command, "--version")
    if status != 0:
        complaint = _last_line(complaint) or f"exit status {status}"
        return Engine(command, "docker", "", "", buildkit=False, complaint=complaint)
    client = output.partition("version ")[2].partition(",")[0].partition(" (")[0] or output
    for kind in ("podman", "buildah"):
        if kind in output.lower():
            status, _, complaint = ask(command, "info")
            if status != 0:
                return Engine(command, kind, client, "", buildkit=True, complaint=_last_line(complaint))
            return Engine(command, kind, client, client, buildkit=True)
    buildkit = _has_buildkit(command, client)
    _, answer, complaint = ask(command, "info", "--format", "{{json .}}")
    try:
        engine = json.loads(answer)
        server = engine.get("ServerVersion", "")
    except (json.JSONDecodeError, AttributeError):
        engine, server = {}, ""
    if not server:
        told_why = "; ".join(engine.get("ServerErrors") or []) or complaint or answer
        return Engine(command, "docker", client, "", buildkit, complaint=_last_line(told_why))
    runtimes = tuple(engine.get("Runtimes") or ())
    complaint = "" if buildkit else "it has no BuildKit: its buildx component is missing"
    return Engine(command, "docker", client, server, buildkit, runtimes, complaint)


def _has_buildkit(command: str, client: str) -> bool:
    """Clients before 23 carry BuildKit's front in themselves; later ones need the buildx plugin."""
    major = client.partition(".")[0]
    return (major.isdigit() and int(major) < 23) or ask(command, "buildx", "version")[0] == 0


def _last_line(text: str) -> str:
    return " ".join(text.splitlines()[-1:])


def find() -> tuple[Engine | None, list[Engine]]:
    """The first usable engine, if any, and every client that was asked on the way."""
    asked = []
    for command in clients():
        asked.append(probe(command))
        if asked[-1].usable:
            return asked[-1], asked
    return None, asked


def driver() -> str:
    """The NVIDIA driver's version; empty when the kernel module is not loaded."""
    try:
        text = Path(DRIVER).read_text()
    except OSError:
        status, output, _ = ask("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
        return output.splitlines()[0].strip() if status == 0 and output else ""
    words = text.splitlines()[0].split()
    return next((word for word in words if word[0].isdigit() and "." in word), "")


def gpu_without_driver() -> bool:
    """Whether the PCI bus shows an NVIDIA GPU; asked where no driver answers."""
    for device in Path("/sys/bus/pci/devices").glob("*"):
        try:
            vendor, kind = (device / "vendor").read_text().strip(), (device / "class").read_text().strip()
        except OSError:
            continue
        if vendor == "0x10de" and kind.startswith("0x03"):  # NVIDIA; display or 3D controller
            return True
    return False


def cdi_devices() -> list[str]:
    """The files that describe NVIDIA devices to podman (CDI)."""
    files = [path for folder in CDI_FOLDERS for path in sorted(Path(folder).glob("*nvidia*"))]
    return [str(path) for path in files if path.is_file()]


def gpu_flags(engine: Engine) -> list[str]:
    """The options that hand every GPU to a container; empty when driver or toolkit is missing."""
    if not driver():
        return []
    if engine.kind == "podman":
        return ["--device", "nvidia.com/gpu=all"] if cdi_devices() else []
    toolkit = "nvidia" in engine.runtimes or shutil.which("nvidia-container-runtime-hook") is not None
    return ["--gpus", "all"] if toolkit else []
