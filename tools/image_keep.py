#!/usr/bin/env python3
"""Keep the image when its sources vanish: image_keep.py save [FOLDER] | load FILE | mirror REGISTRY/PATH.

    save     write the image into one file, IMAGE-sha256-DIGEST.tar, named by the digest of its configuration
    load     check such a file, every layer against its digest, and load it into the engine
    mirror   push the image, and the images that it is built from, to a registry of your own

Reads the variables of tools/image.py.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import image  # first: it lets samebits be found

# isort: split
from samebits._files import cannot_write, write_whole
from samebits.container_engine import ask
from samebits.errors import SamebitsError
from samebits.run.signals import terminating
from image_archive import CHUNK, Archive, Damaged, read


def _saved(docker: str, name: str) -> Iterator[bytes]:
    """What the engine writes, as it comes."""
    with subprocess.Popen([docker, "save", name], stdout=subprocess.PIPE) as saving:
        assert saving.stdout is not None
        while chunk := saving.stdout.read(CHUNK):
            yield chunk
    if saving.returncode != 0:
        image.fail(f"{docker} save failed; the reason stands above")


def _check(file: Path) -> Archive:
    """Read the archive to its end; one line when it is damaged or cannot be read."""
    try:
        with open(file, "rb") as stream:
            return read(stream)
    except OSError as error:
        image.fail(f"cannot read {file}: {error.strerror}; FILE= names what `make image-save` wrote", 2)
    except Damaged as error:
        image.fail(f"{file} is damaged: {error}; copy it again")


def save(folder: Path) -> int:
    """Write the image into `folder`, whole or not at all; its name and digests are printed."""
    docker = image.find_engine().command
    name = image.find_image(docker)
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    unnamed = folder / f".{plain}.{os.getpid()}.tar"
    try:
        sha256 = write_whole(unnamed, _saved(docker, name))
        archive = _check(unnamed)  # as it lies on the disk
        file = folder / f"{plain}-{archive.image.replace(':', '-')}.tar"
        try:
            unnamed.replace(file)
        except OSError as error:
            raise cannot_write(file, error) from None
    finally:
        unnamed.unlink(missing_ok=True)
    print(f"{file}: image {archive.image}, sha256sum {sha256}")
    return 0


def load(file: Path) -> int:
    """Load a file that `save` wrote, if it is whole and holds the image that its name says."""
    docker = image.find_engine().command
    archive = _check(file)
    named = re.search(r"sha256-([0-9a-f]{64})", file.name)
    if named and archive.image != f"sha256:{named[1]}":
        image.fail(f"{file} holds another image than its name says: {archive.image}")
    with open(file, "rb") as stream:
        if subprocess.run([docker, "load"], stdin=stream, stdout=sys.stderr).returncode != 0:
            image.fail(f"{docker} load failed; the reason stands above")
    print(f"loaded: image {archive.image}")
    return 0


def _in_registry(reference: str, registry: str) -> str:
    """The reference without its digest and its registry, in another registry."""
    name = reference.partition("@")[0]
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        name = rest
    return f"{registry}/{name.removeprefix('library/')}"


def _push(docker: str, reference: str, registry: str) -> str:
    """Push one image; its reference by digest, as the registry has it."""
    target = _in_registry(reference, registry)
    status, _, complaint = ask(docker, "tag", reference, target)
    if status != 0:
        image.fail(f"cannot name {reference} {target}: {complaint}", 2)
    with subprocess.Popen([docker, "push", target], stdout=subprocess.PIPE, text=True) as pushing:
        assert pushing.stdout is not None
        said = [line for line in pushing.stdout if print(line, end="", file=sys.stderr) is None]
    if pushing.returncode != 0:
        image.fail(f"cannot push {target}; see above (is the registry reachable, `docker login` done?)")
    repository = target if ":" not in target.rpartition("/")[2] else target.rpartition(":")[0]
    # Docker says it at the end of a push, podman tells it of the image.
    output = ask(
        docker, "image", "inspect", "--format", "{{range .RepoDigests}}{{println .}}{{end}}", target
    )[1]
    known = [
        reference.partition("@")[2] for reference in output.split() if reference.startswith(f"{repository}@")
    ]
    digests = re.findall(r"digest: (sha256:[0-9a-f]{64})", "".join(said)) or known
    if not digests:
        image.fail(f"{target} was pushed, and {docker} tells no digest for it")
    return f"{repository}@{digests[-1]}"


def mirror(registry: str) -> int:
    """Push the image and what it is built from; print the lines that use the mirror."""
    if not re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*", registry):
        image.fail(
            f"REGISTRY is {registry!r}; it must be a host and a path, such as registry.example/team", 2
        )
    engine = image.find_engine()
    name = image.find_image(engine.command)
    values = image.arguments()
    pushed = {}
    for argument in image.sources(values):
        image.fetch(engine, values[argument])
        pushed[argument] = _push(engine.command, values[argument], registry)
    own = _push(engine.command, name, registry)
    chosen = {**pushed, "INTERPRETER": values["INTERPRETER"]}
    print("make image " + " ".join(f"{argument}={value}" for argument, value in chosen.items()))
    print(f"docker run --rm --init --gpus all {own} train")
    return 0


def main() -> int:
    parser = image.Parser(prog="image_keep.py", description="Keep the image when its sources vanish.")
    words = parser.add_subparsers(dest="word", required=True)
    words.add_parser("save").add_argument("folder", nargs="?", type=Path, default=Path())
    words.add_parser("load").add_argument("file", type=Path)
    words.add_parser("mirror").add_argument("registry")
    given = parser.parse_args()
    if given.word == "save":
        return save(given.folder)
    if given.word == "load":
        return load(given.file)
    return mirror(given.registry)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, terminating())  # so that nothing half-written stays
    try:
        sys.exit(main())
    except SamebitsError as error:
        image.fail(str(error), error.status)
    except KeyboardInterrupt:
        image.fail("interrupted", 130)
