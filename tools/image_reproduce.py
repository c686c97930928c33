#!/usr/bin/env python3
"""Build the image twice with buildah and compare: image_reproduce.py [--json].

Each build is what another person would do with the same commit: from a copy of its own in a folder of another
name, with other modes, file times and (as root) another owner, under another umask, with empty storage and
caches. The same digest twice, or the first file that differs is named, and the exit status is 1.

Reads the variables of tools/image.py. Needs buildah, and four times the image's size in TMPDIR (/var/tmp).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import image  # first: it lets samebits be found

# isort: split
from samebits import container_engine
from samebits._report import print_json
from samebits.container_engine import ask
from samebits.run.signals import terminating
from image_archive import Archive, Damaged, read

INSTALL = "building twice needs buildah: apt-get install buildah"
NAME = "localhost/samebits-reproduce"


@dataclass(frozen=True)
class Person:
    """Somebody who builds the image: what must not matter."""

    folder: str
    umask: int
    time: int  # of the files; seconds since 1970
    user: int  # who owns the files, if the caller may give them away


PEOPLE = (
    Person("a", umask=0o077, time=1_000_000_000, user=1001),
    Person("a folder of another name", umask=0o000, time=1_500_000_000, user=65534),
)


@dataclass
class Built:
    """What one build made."""

    digest: str  # of the manifest, whose layers buildah stores uncompressed
    manifest: dict[str, Any]
    archive: Archive


@dataclass(frozen=True)
class Difference:
    """The first thing in which two images differ."""

    where: str
    path: str
    what: str
    count: int  # of the paths in this layer that differ

    def __str__(self) -> str:
        more = f", and {self.count - 1} more in this layer" if self.count > 1 else ""
        return f"{self.where}: {self.path}: {self.what}{more}"


def copy_inputs(person: Person, folder: Path) -> Path:
    """What .dockerignore lets into a build, and the build's own files, as `person` would have them."""
    copy = folder / person.folder
    copy.mkdir(mode=0o700)
    allowed = (image.ROOT / ".dockerignore").read_text().splitlines()
    names = ["Dockerfile", "docker", ".dockerignore", *(line[1:] for line in allowed if line.startswith("!"))]
    for name in names:
        source, target = image.ROOT / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copyfile(source, target)
            target.chmod(source.stat().st_mode)
    for path in [copy, *copy.rglob("*")]:
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod((0o777 if executable else 0o666) & ~person.umask)
        os.utime(path, (person.time, person.time))
        if os.getuid() == 0:
            os.chown(path, person.user, person.user)
    return copy


class Storage:
    """A buildah storage of its own, empty at first, gone at the end, with what a build leaves in TMPDIR."""

    def __init__(self, buildah: str, folder: Path) -> None:
        self.folder = folder
        self.command = [buildah, "--root", f"{folder}/root", "--runroot", f"{folder}/run"]
        (folder / "tmp").mkdir(parents=True)
        self.environment = {**os.environ, "TMPDIR": f"{folder}/tmp"}

    def run(self, *arguments: str, umask: int = 0o022) -> None:
        """Run buildah, all that it says on stderr."""
        command = [*self.command, *arguments]
        with subprocess.Popen(command, env=self.environment, stdout=sys.stderr, umask=umask) as running:
            try:
                while running.poll() is None:
                    with suppress(subprocess.TimeoutExpired):
                        running.wait(5)
                    self.shed()
            except BaseException:  # a signal
                running.terminate()
                raise
        if running.returncode != 0:
            image.fail(f"buildah {arguments[0]} failed; the reason stands above")

    def shed(self) -> None:
        """Once the layer of the wheels is being stored, their cache is 9 GB that nobody needs."""
        temporary = self.folder / "tmp"
        with suppress(OSError):  # what buildah removes meanwhile
            if any(blob.stat().st_size > 1 << 30 for blob in temporary.glob("storage*/*")):
                shutil.rmtree(temporary / "buildah-cache", ignore_errors=True)

    def ask(self, *arguments: str) -> str:
        status, output, complaint = ask(*self.command, *arguments, patience=600)
        if status != 0:
            image.fail(f"buildah {arguments[0]} failed: {' '.join(complaint.split())}")
        return output

    def pull(self, reference: str) -> str:
        """Have an image here, from a Docker engine on this machine if it is there; its ID."""
        docker, _ = container_engine.find()
        here = docker is not None and docker.kind == "docker" and "@" not in reference
        if here and ask(docker.command, "image", "inspect", reference)[0] == 0:  # type: ignore[union-attr]
            self.run("pull", "--quiet", f"docker-daemon:{_with_tag(reference)}")
        else:
            self.run("pull", "--quiet", reference)
        return self.ask("images", "--quiet", "--no-trunc").split()[0].removeprefix("sha256:")

    def read(self, name: str, base: set[str]) -> Archive:
        """The image's layers with every path in them, but for those of the base, which nobody builds."""
        # The path of a pipe: nothing is stored.
        push = [*self.command, "push", "--quiet", name, "docker-archive:/dev/stdout"]
        with subprocess.Popen(push, env=self.environment, stdout=subprocess.PIPE) as sender:
            assert sender.stdout is not None
            try:
                return read(sender.stdout, lambda layer: f"sha256:{layer.removesuffix('.tar')}" not in base)
            except Damaged as error:
                sender.kill()
                image.fail(f"buildah push sent an archive that cannot be read: {error}")

    def remove(self) -> None:
        """Unmount what buildah left mounted, and delete everything."""
        if os.getuid() != 0:  # the files belong to numbers of a user namespace
            ask(self.command[0], "unshare", "rm", "-rf", str(self.folder), patience=600)
        ask(*self.command, "rmi", "--all", "--force", patience=600)
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for mount in sorted(mounts, reverse=True):
            if mount.startswith(f"{self.folder}/"):
                ask("umount", "--lazy", mount)
        shutil.rmtree(self.folder, ignore_errors=True)


def _with_tag(reference: str) -> str:
    return reference if ":" in reference.rpartition("/")[2] else f"{reference}:latest"


def build(buildah: str, person: Person, folder: Path, values: dict[str, str]) -> Built:
    """Build the image as `person`, read it, and remove it."""
    storage = Storage(buildah, folder / "storage")
    try:
        copy = copy_inputs(person, folder)
        bases = {argument: storage.pull(values[argument]) for argument in image.sources(values)}
        inside = json.loads(storage.ask("inspect", "--type=image", bases["BASE"]))
        base = set(inside["OCIv1"]["rootfs"]["diff_ids"])
        steps = image.steps(NAME, values | bases)
        with image.secrets() as handed_over:
            for step in steps:
                options = [*image.build_options("buildah", step, copy), *handed_over]
                storage.run("build", "--no-cache", *options, str(copy), umask=person.umask)
        name = steps[-1].name
        made = json.loads(storage.ask("inspect", "--type=image", name))
        shutil.rmtree(folder / "storage" / "tmp", ignore_errors=True)  # uv's cache
        (folder / "storage" / "tmp").mkdir(exist_ok=True)
        archive = storage.read(name, base)
        return Built(made["FromImageDigest"], json.loads(made["Manifest"]), archive)
    finally:
        storage.remove()
        shutil.rmtree(folder / person.folder, ignore_errors=True)


def difference(left_build: Built, right_build: Built) -> Difference | None:
    """The first path that differs, in the order of the layers and of their paths; None when nothing does."""
    if left_build.digest == right_build.digest:
        return None
    pairs = zip(left_build.archive.layers, right_build.archive.layers, strict=False)
    for number, (first, second) in enumerate(pairs, 1):
        if first != second:
            left, right = (
                left_build.archive.entries.get(first, {}),
                right_build.archive.entries.get(second, {}),
            )
            return _first_path(f"layer {number} of {len(left_build.archive.layers)}", left, right)
    for where, left, right in (
        ("the configuration", left_build.archive.configuration, right_build.archive.configuration),
        ("the manifest", left_build.manifest, right_build.manifest),
    ):
        if left != right:
            key, what = _first_key(left, right)
            return Difference(where, key, what, 1)
    return Difference("the manifest", "its bytes", f"{left_build.digest} and {right_build.digest}", 1)


def _first_path(where: str, left: dict[str, Any], right: dict[str, Any]) -> Difference:
    """Say of the first path that differs what differs: content, mode, owner, time …"""
    differing = sorted(path for path in left.keys() | right.keys() if left.get(path) != right.get(path))
    if not differing:
        for first, second in zip(left, right, strict=True):
            if first != second:
                return Difference(where, _rooted(first), f"order: the other has {_rooted(second)} here", 1)
        return Difference(where, "its tar headers", "the paths and their contents are equal", 1)
    path = differing[0]
    if path not in left or path not in right:
        what = f"only the {'first' if path in left else 'second'} build has it"
    else:
        fields = left[path].differs_in(right[path])
        shown = [f"{field} {_short(left[path], field)} and {_short(right[path], field)}" for field in fields]
        what = ", ".join(shown)
    return Difference(where, _rooted(path), what, len(differing))


def _rooted(path: str) -> str:
    return f"/{path.removeprefix('./')}"


def _short(entry: Any, name: str) -> str:
    value = getattr(entry, name)
    return str(value)[:12] if name == "content" else repr(value) if value == "" else str(value)


def _first_key(left: Any, right: Any, key: str = "") -> tuple[str, str]:
    """Where two JSON documents first differ, as `history.3.created`, and how."""
    if isinstance(left, list) and isinstance(right, list):
        left, right = (dict(enumerate(side)) for side in (left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        for name in [*left, *(other for other in right if other not in left)]:
            if left.get(name) != right.get(name):
                return _first_key(left.get(name), right.get(name), f"{key}.{name}" if key else str(name))
    return key, f"{str(left)[:80]!r} and {str(right)[:80]!r}"


def main() -> int:
    parser = image.Parser(prog="image_reproduce.py", description="Build the image twice and compare.")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    buildah = shutil.which("buildah")
    if buildah is None:
        image.fail(INSTALL)
    signal.signal(signal.SIGTERM, terminating())  # so that the storage is removed
    values, epoch = image.arguments(), image.epoch()
    parent = os.environ.get("TMPDIR") or "/var/tmp"
    built = []
    with tempfile.TemporaryDirectory(prefix="samebits-reproduce-", dir=parent) as folder:
        for person in PEOPLE:
            built.append(build(buildah, person, Path(folder), values))
    first = difference(*built)
    made = {"digest": [build.digest for build in built], "image": [build.archive.image for build in built]}
    if options.json:
        result = {"same": first is None, "commit": values["COMMIT"], "epoch": int(epoch), **made}
        print_json(result | {"first_difference": first})
    elif first is None:
        print(f"the same image twice: {built[0].digest}, its ID {built[0].archive.image}")
    if first is not None:
        image.fail(f"two builds, two images ({' and '.join(made['digest'])}); the first difference: {first}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        image.fail("interrupted", 130)
