"""What `samebits doctor --host` makes of a machine, told by stand-ins for the commands that it asks."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from samebits import container_engine
from samebits._report import Finding
from samebits.doctor import host

DOCKER = """
case "$1" in
  --version) echo "Docker version {client}, build 297e128" ;;
  info) echo '{info}' ;;
  *) exit 1 ;;
esac
"""
Machine = Callable[..., dict[str, Finding]]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with nothing but the given commands (name: body of a shell script) and files; its report."""

    def machine(driver: str = "", cdi: bool = False, **commands: str) -> dict[str, Finding]:
        for name, body in commands.items():
            path = tmp_path / "bin" / name.replace("_", "-")
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/bin/sh\n{body}\n")
            path.chmod(0o755)
        (tmp_path / "cdi").mkdir()
        if cdi:
            (tmp_path / "cdi" / "nvidia.yaml").touch()
        if driver:
            (tmp_path / "version").write_text(driver)
        monkeypatch.setattr(container_engine, "DRIVER", str(tmp_path / "version"))
        monkeypatch.setattr(container_engine, "CDI_FOLDERS", (str(tmp_path / "cdi"),))
        monkeypatch.setattr(container_engine, "gpu_without_driver", lambda: False)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.delenv("DOCKER", raising=False)
        return {finding.subject.partition(" at ")[0]: finding for finding in host.report()}

    return machine


def docker(client: str = "20.10.24", **info: object) -> str:
    return DOCKER.format(
        client=client, info=json.dumps({"ServerVersion": "20.10.24", "Runtimes": {}, **info})
    )


NVRM = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {}  Release Build  (builder@host)\n"
SMI = 'echo "NVIDIA H100 80GB HBM3"'
CTK = 'echo "NVIDIA Container Toolkit CLI version 1.17.8"'


def test_a_bare_machine_is_not_wrong(machine: Machine) -> None:
    report = machine()
    assert report["container engine"].outcome == "warn"
    assert "apt-get install docker.io" in report["container engine"].fix
    assert report["NVIDIA driver"].outcome == "ok"
    assert "CPU" in report["NVIDIA driver"].found
    assert report["nvidia-container-toolkit"].outcome == "ok"


def test_an_old_client_has_buildkit_in_itself(machine: Machine) -> None:
    finding = machine(docker=docker())["docker"]
    assert finding.outcome == "ok"
    assert "client 20.10.24, engine 20.10.24, BuildKit" in finding.found


def test_a_new_client_without_buildx_cannot_build(machine: Machine) -> None:
    finding = machine(docker=docker(client="28.2.2"))["docker"]
    assert finding.outcome == "warn"
    assert "buildx" in finding.found


@pytest.mark.parametrize(
    ("complaint", "fix"),
    [
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "systemctl start docker"),
        ("Got permission denied while trying to connect to the Docker daemon socket", "usermod -aG docker"),
    ],
)
def test_an_engine_that_does_not_answer(machine: Machine, complaint: str, fix: str) -> None:
    info = {"ServerVersion": "", "ServerErrors": [complaint]}
    finding = machine(docker=docker(**info))["docker"]
    assert finding.outcome == "warn"
    assert complaint in finding.found
    assert fix in finding.fix


def test_an_engine_that_complains_on_stderr_only(machine: Machine) -> None:
    body = (
        'test "$1" = --version && echo "Docker version 20.10.24, build 1" || { echo no route >&2; exit 1; }'
    )
    finding = machine(docker=body)["docker"]
    assert (finding.outcome, "no engine answers: no route" in finding.found) == ("warn", True)


def test_podman_is_found_even_under_dockers_name(machine: Machine) -> None:
    finding = machine(docker='test "$1" = info || echo "podman version 4.3.1"')["podman"]
    assert finding.outcome == "ok"
    assert "engine 4.3.1, buildah" in finding.found


@pytest.mark.parametrize(
    ("version", "state"), [("570.86.15", "ok"), ("535.104.05", "warn"), ("470.82.01", "fail")]
)
def test_the_driver_must_be_new_enough(machine: Machine, version: str, state: str) -> None:
    finding = machine(driver=NVRM.format(version), nvidia_smi=SMI)["NVIDIA driver"]
    assert (finding.outcome, version in finding.found) == (state, True)
    assert ("570" in finding.fix) == (state != "ok")


def test_a_driver_updated_under_a_running_kernel(machine: Machine) -> None:
    smi = 'echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18'
    finding = machine(nvidia_smi=smi)["NVIDIA driver"]
    assert finding.outcome == "fail"
    assert "restart the machine" in finding.fix


def test_a_gpu_without_the_toolkit(machine: Machine) -> None:
    finding = machine(driver=NVRM.format("570.86.15"), nvidia_smi=SMI, docker=docker())[
        "nvidia-container-toolkit"
    ]
    assert finding.outcome == "warn"
    assert "install nvidia-container-toolkit" in finding.fix


def test_a_toolkit_that_docker_does_not_know(machine: Machine) -> None:
    finding = machine(nvidia_ctk=CTK, docker=docker())["nvidia-container-toolkit"]
    assert (finding.outcome, "1.17.8" in finding.found) == ("warn", True)
    assert "nvidia-ctk runtime configure" in finding.fix


def test_docker_with_its_toolkit(machine: Machine) -> None:
    info = {"Runtimes": {"nvidia": {}, "runc": {}}}
    report = machine(driver=NVRM.format("570.86.15"), nvidia_smi=SMI, nvidia_ctk=CTK, docker=docker(**info))
    assert {finding.outcome for finding in report.values()} == {"ok"}
    assert "NVIDIA H100" in report["NVIDIA driver"].found
    usable, _ = container_engine.find()
    assert usable is not None
    assert container_engine.gpu_flags(usable) == ["--gpus", "all"]


@pytest.mark.parametrize("cdi", [True, False])
def test_podman_finds_gpus_by_cdi(machine: Machine, cdi: bool) -> None:
    podman = 'test "$1" = info || echo "podman version 4.3.1"'
    report = machine(driver=NVRM.format("570.86.15"), cdi=cdi, nvidia_smi=SMI, nvidia_ctk=CTK, podman=podman)
    usable, _ = container_engine.find()
    assert usable is not None
    assert container_engine.gpu_flags(usable) == (["--device", "nvidia.com/gpu=all"] if cdi else [])
    toolkit = report["nvidia-container-toolkit"]
    assert (toolkit.outcome, "cdi generate" in toolkit.fix) == (("ok", False) if cdi else ("warn", True))


def test_no_driver_no_gpu_flags(machine: Machine) -> None:
    machine(nvidia_ctk=CTK, docker=docker(Runtimes={"nvidia": {}}))
    usable, _ = container_engine.find()
    assert usable is not None
    assert container_engine.gpu_flags(usable) == []
