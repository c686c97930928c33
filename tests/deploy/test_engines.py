"""Compose, Kubernetes and Apptainer start the image as the hardened `docker run` of docs/container.md does.

That line itself is run by tests/image.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from spython.main.parse.parsers import get_parser
from tests.conftest import ROOT

ENTRYPOINT = "/opt/samebits/entrypoint"


def hardened() -> set[str]:
    """The options of the documented line, without the caller's own user and folder."""
    line = next(
        block.replace("\\\n", " ")
        for block in re.findall(r"docker run(?:.*\\\n)*.*", (ROOT / "docs/container.md").read_text())
        if "--read-only" in block
    )
    words = shlex.split(re.sub(r"(--(?:network|cap-drop|security-opt|tmpfs)) ", r"\1=", line))
    return {word for word in words if word.startswith("--")} - {"--rm", "--user", "--volume"}


def compose(service: str) -> dict[str, Any]:
    """A service of compose.yaml, with what it extends."""
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    own = services[service]
    return {**compose(own["extends"]["service"]), **own} if "extends" in own else own


def job() -> dict[str, Any]:
    (_, job) = yaml.safe_load_all((ROOT / "deploy/job.yaml").read_text())
    pod: dict[str, Any] = job["spec"]["template"]["spec"]
    assert job["spec"]["backoffLimit"] == 0
    return pod


def recipe() -> Any:
    return get_parser("singularity")(str(ROOT / "deploy/apptainer.def")).parse()["spython-base"]


def sections() -> dict[str, str]:
    """The scripts of apptainer.def by name."""
    parts = re.split(r"^%(\w+)\n", (ROOT / "deploy/apptainer.def").read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("service", ["cpu", "gpu"])
def test_compose_is_as_hardened(service: str) -> None:
    told = compose(service)
    options = {
        *(["--init"] * told["init"]),
        *(["--read-only"] * told["read_only"]),
        f"--network={told['network_mode']}",
        *(f"--cap-drop={capability}" for capability in told["cap_drop"]),
        *(f"--security-opt={option.removesuffix(':true')}" for option in told["security_opt"]),
        *(f"--tmpfs={mount}" for mount in told["tmpfs"]),
    }
    assert options == hardened()
    assert "entrypoint" not in told
    assert "privileged" not in told


def test_compose_asks_for_the_gpu() -> None:
    (device,) = compose("gpu")["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    assert "deploy" not in compose("cpu")


def test_the_job_is_as_hardened() -> None:
    pod = job()
    (container,) = pod["containers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume.pop("name"): volume for volume in pod["volumes"]}
    # Kubernetes shares the network among all pods; a cluster's NetworkPolicy decides who reaches what.
    options = {
        "--network=none",
        *(["--init"] * pod["shareProcessNamespace"]),
        *(["--read-only"] * container["securityContext"]["readOnlyRootFilesystem"]),
        *(f"--cap-drop={name}" for name in container["securityContext"]["capabilities"]["drop"]),
        *(
            ["--security-opt=no-new-privileges"]
            * (not container["securityContext"]["allowPrivilegeEscalation"])
        ),
        *(f"--tmpfs={path}" for path in mounts if path == "/tmp" and "emptyDir" in volumes[mounts[path]]),
    }
    assert options == hardened()
    assert volumes[mounts["/dev/shm"]]["emptyDir"]["medium"] == "Memory"
    assert "persistentVolumeClaim" in volumes[mounts["/workspace/runs"]]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert "command" not in container
    assert container["args"][0] == "train"


def test_apptainers_own_parser_reads_the_definition() -> None:
    assert recipe().fromHeader == "samebits:latest"
    assert recipe().cmd == f'exec {ENTRYPOINT} "${{@:-train}}"'  # as Docker's CMD


@pytest.mark.parametrize("name", ["runscript", "startscript", "test"])
def test_the_definitions_scripts_are_sh(name: str) -> None:
    tool = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([tool, "--shell=sh", "-"], input=sections()[name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    words = sections()[name].split("#")[0].split()
    assert ENTRYPOINT in words[:2]  # it, or exec and it
