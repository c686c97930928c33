"""What the newest image of the base's tag would change, for tools/image.py."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from samebits._files import write_whole
from samebits._report import print_json
from samebits.container_engine import ask
from samebits.errors import CheckFailed
from samebits.lock.differences import changes, table

BASE = re.compile(r"^(ARG BASE=)((\S+)@(sha256:[0-9a-f]{64}))$", re.MULTILINE)
TELLING = re.compile(r"CUDA|NVIDIA|^NV_|^LD_")  # variables of a base that reach the training


def update(docker: str, dockerfile: Path, *, write: bool) -> None:
    """Compare the Dockerfile's base with the newest image of its tag, and say what is different.

    Args:
        docker: the engine's client. Both images are pulled.
        dockerfile: its `ARG BASE=NAME:TAG@sha256:…` is the base's only home.
        write: put the newest digest there. Nothing else is ever written.

    Raises:
        CheckFailed: the base has no digest, or the registry cannot be reached.
    """
    text = dockerfile.read_text()
    match = BASE.search(text)
    if match is None:
        raise CheckFailed(f"{dockerfile} has no `ARG BASE=NAME:TAG@sha256:DIGEST` to compare with")
    base, tag, old = match[2], match[3], match[4]
    new = _newest(docker, tag)
    report = {"tag": tag, "old": old, "new": new, "packages": [], "variables": []}
    lines = [f"{tag}\n  now     {old}\n  newest  {new}"]
    if new != old:
        if _pull(docker, base):
            lines.append("a registry no longer has the base of now, so the two cannot be compared")
        else:
            packages = changes(_packages(docker, base), _packages(docker, f"{tag}@{new}"))
            variables = changes(_variables(docker, base), _variables(docker, f"{tag}@{new}"))
            report |= {"packages": packages, "variables": variables}
            for name, what in (("packages", packages), ("variables", variables)):
                lines.append(f"{name} that differ: {len(what)}\n{table(what)}".rstrip())
        if write:
            write_whole(dockerfile, text[: match.start(4)] + new + text[match.end(4) :])
        done = "written into" if write else "nothing was written; `make update-base WRITE=1` puts it into"
        lines.append(
            f"{done} {dockerfile.name}; then `make image` and `make docker-smoke` say whether bits moved"
        )
    if os.environ.get("JSON"):
        print_json(report | {"written": write and new != old})
    else:
        print("\n".join(lines))


def _newest(docker: str, tag: str) -> str:
    """The digest that the registry has for a tag today."""
    if complaint := _pull(docker, tag):
        raise CheckFailed(f"cannot ask the registry for {tag}: {complaint}")
    _, digests, _ = ask(docker, "image", "inspect", "--format", "{{json .RepoDigests}}", tag)
    name = tag.rpartition(":")[0] or tag
    for reference in json.loads(digests or "[]"):
        if _short(reference.partition("@")[0]) == _short(name):
            return str(reference.partition("@")[2])
    raise CheckFailed(f"{docker} does not tell the digest of {tag}")


def _short(name: str) -> str:
    """Docker leaves its own registry's name out, podman does not."""
    return name.removeprefix("docker.io/").removeprefix("library/")


def _pull(docker: str, reference: str) -> str:
    """Fetch an image; what the engine complained of, in one line."""
    done = subprocess.run([docker, "pull", reference], stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
    complaint = " ".join(done.stderr.split())
    return (complaint or f"exit status {done.returncode}") if done.returncode else ""


def _packages(docker: str, image: str) -> dict[str, str]:
    """Debian's or Ubuntu's packages in an image, by name."""
    query = (
        "--entrypoint=dpkg-query",
        image,
        "--show",
        "--showformat=${Package}:${Architecture} ${Version}\\n",
    )
    status, rows, complaint = ask(docker, "run", "--rm", "--network=none", *query, patience=120)
    if status != 0:
        raise CheckFailed(f"{image} does not tell its packages: {' '.join(complaint.split())}")
    return dict(row.split(" ", 1) for row in rows.splitlines())


def _variables(docker: str, image: str) -> dict[str, str]:
    """What an image's variables say about CUDA and the driver."""
    _, rows, _ = ask(docker, "image", "inspect", "--format", "{{json .Config.Env}}", image)
    pairs = (row.partition("=") for row in json.loads(rows or "null") or [])
    return {name: value for name, _, value in pairs if TELLING.search(name)}
