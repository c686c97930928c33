"""`samebits doctor --host`: what of Docker, the NVIDIA driver and its container toolkit is on this machine.

A machine without a GPU or without an engine is no failure: training works there too. "fail" is what stops a
GPU that is there.
"""

import re

from samebits import container_engine
from samebits._report import Finding
from samebits.container_engine import Engine, ask

# CUDA 12.8's own driver, and the oldest that runs CUDA 12 at all (NVIDIA's minor version compatibility).
DRIVER_OF_CUDA = (570, 26)
OLDEST_DRIVER = (525, 60)


def report() -> list[Finding]:
    """What was found, in the order in which one would install it. Takes about a second, changes nothing."""
    usable, asked = container_engine.find()
    version = container_engine.driver()
    return [*_engines(usable, asked), _driver(version), _toolkit(usable, gpu=bool(version))]


def _engines(usable: Engine | None, asked: list[Engine]) -> list[Finding]:
    if not asked:
        return [
            Finding(
                "container engine",
                "warn",
                "no docker and no podman on PATH; `make train` works without",
                "for the image: apt-get install docker.io (or podman)",
            )
        ]
    return [_engine(engine, usable) for engine in asked]


def _engine(engine: Engine, usable: Engine | None) -> Finding:
    subject = engine.kind if engine is usable else f"{engine.kind} at {engine.command}"
    versions = f"client {engine.client}, engine {engine.server}"
    if engine.usable:
        builder = "buildah" if engine.kind == "podman" else "BuildKit"
        return Finding(subject, "ok", f"{engine.command}: {versions}, {builder}")
    if not engine.client:
        return Finding(subject, "warn", engine.complaint, "set DOCKER to a client that runs, or unset it")
    if not engine.server:
        fix = "start it: systemctl start docker"
        if "permission denied" in engine.complaint.lower():
            fix = 'add yourself to its group: usermod -aG docker "$USER", then log in again'
        return Finding(subject, "warn", f"client {engine.client}; no engine answers: {engine.complaint}", fix)
    fix = "install its buildx plugin, or Debian's docker.io"
    if usable is not None:
        fix = f"nothing: {usable.command} is used"
    return Finding(subject, "warn", f"{versions}: {engine.complaint}", fix)


def _driver(version: str) -> Finding:
    subject, newer = "NVIDIA driver", "install 570 or newer"
    status, output, complaint = ask("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    word = " ".join((complaint or output).splitlines()[:1])  # nvidia-smi complains on stdout
    if not version:
        if "mismatch" in word:  # the kernel's module is of another version than the libraries
            return Finding(subject, "fail", word, "restart the machine: its driver was updated while it ran")
        if container_engine.gpu_without_driver():
            state = "none, though an NVIDIA GPU is there: training runs on the CPU"
            return Finding(subject, "warn", state, newer)
        return Finding(subject, "ok", "none, and no NVIDIA GPU: training runs on the CPU")
    number = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if number < OLDEST_DRIVER:
        return Finding(subject, "fail", f"{version}: too old for CUDA 12", newer)
    if status != 0:
        fix = "restart the machine, or install the driver's user space (nvidia-smi) in the same version"
        return Finding(subject, "fail", f"{version}, but nvidia-smi fails: {word}", fix)
    state = f"{version} ({', '.join(output.splitlines())})"
    if number < DRIVER_OF_CUDA:
        state += ": runs CUDA 12.8 by minor version compatibility only"
        return Finding(subject, "warn", state, newer)
    return Finding(subject, "ok", state)


def _toolkit(usable: Engine | None, *, gpu: bool) -> Finding:
    subject = "nvidia-container-toolkit"
    status, output, _ = ask("nvidia-ctk", "--version")
    if status != 0:
        if not gpu:
            return Finding(subject, "ok", "not installed, and without a GPU not needed")
        fix = "install nvidia-container-toolkit from NVIDIA's package repository"
        return Finding(subject, "warn", "not installed: containers train on the CPU", fix)
    version = re.search(r"\d+\.\d+\S*", output)
    release = version.group() if version else "of unknown version"
    if usable is None:
        fix = "install or start an engine"
        return Finding(subject, "warn", f"{release}; no container engine uses it", fix)
    devices = container_engine.cdi_devices()
    if usable.kind == "docker" and "nvidia" in usable.runtimes:
        return Finding(subject, "ok", f"{release}; Docker's runtimes: {', '.join(usable.runtimes)}")
    if devices and usable.kind == "podman":
        return Finding(subject, "ok", f"{release}; CDI: {', '.join(devices)}")
    if usable.kind == "docker":
        fix = "nvidia-ctk runtime configure --runtime=docker, then restart Docker"
        return Finding(subject, "warn", f"{release}; Docker does not know its runtime", fix)
    fix = "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
    return Finding(subject, "warn", f"{release}; no CDI specification, by which podman finds GPUs", fix)
