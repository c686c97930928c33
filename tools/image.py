#!/usr/bin/env python3
"""The image's commands, as `make` calls them: image.py build | run [ARG …] | commit | size | update-base |
test-base [trixie] | doctor.

Beside it: image_reproduce.py builds twice and compares, image_keep.py saves, loads and mirrors.

Needs Python and a container engine, and no environment. What can be chosen is read from variables, so that
`make image BASE=…` and `BASE=… tools/image.py build` are the same:

    IMAGE             the image's name (default: the project's, as pyproject.toml has it); `:compile` and
                      `:python` are beside it, or `:TAG-compile` and `:TAG-python` where it has a tag
    DOCKER            the client (default: the first docker on PATH whose engine answers and has BuildKit,
                      then podman; `buildah` builds, and does nothing else)
    BASE              the base image (default: the Dockerfile's)
    INTERPRETER       conda (default) or base: where Python 3.11 comes from (docker/base-python.Dockerfile)
    TARGET            image (default) or compile: with a C++ compiler, for torch.compile and Triton
                      (docker/compile.Dockerfile)
    CA                a CA bundle for the build's downloads (default: SSL_CERT_FILE); no layer keeps it
    UV_DEFAULT_INDEX  a PyPI mirror for the build; no layer keeps it
    SOURCE_DATE_EPOCH the time that is written into the image (default: 1980)
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))  # on the host the project need not be installed
from samebits import container_engine  # noqa: E402
from samebits.container_engine import Engine, ask  # noqa: E402
from samebits.doctor import host  # noqa: E402
from samebits.errors import SamebitsError  # noqa: E402

TEST_BASE = "samebits-base:bookworm"
LIBRARIES_OF_PYTHON = (
    "libbz2-1.0,libexpat1,libffi8,liblzma5,libncursesw6,"
    "libreadline8t64,libsqlite3-0,libssl3t64,libuuid1,zlib1g"
)
TEST_PACKAGES = {  # of each Debian: one to build on, one that has another C library and takes our Python in
    "bookworm": "python3,python3-venv,ca-certificates",
    "trixie": f"ca-certificates,{LIBRARIES_OF_PYTHON}",
}
# What `entrypoint` and the commands behind it read: a container gets it as the caller's shell has it.
PASSED_ON = (
    *("DEVICE", "FRAMEWORK", "JOBS", "JSON", "NET", "PROFILE", "RUNS"),
    *("SAMEBITS_ALLOW", "SAMEBITS_THREADS"),
)
LABELS = {"CUDA": "nvidia-cuda-runtime-cu12", "CUDNN": "nvidia-cudnn-cu12"}

# Runs inside the image. Each file of the wheels' RECORDs counts once, however many wheels list it.
SUM_OF_WHEELS = """
import csv, importlib.metadata
records = [wheel.read_text("RECORD") or "" for wheel in importlib.metadata.distributions()]
rows = [row for record in records for row in csv.reader(record.splitlines())]
print(sum({path: int(size) for path, _, size in rows if size}.values()))
"""


def fail(message: str, status: int = 1) -> NoReturn:
    """One line, and out."""
    print(f"samebits: {message}", file=sys.stderr)
    raise SystemExit(status)


class Parser(argparse.ArgumentParser):
    """Options for the tools beside this one; wrong use is one line, too."""

    def error(self, message: str) -> NoReturn:
        fail(f"{message}; see `tools/{self.prog.split()[0]} --help`", 2)


def find_engine(building: bool = False) -> Engine:
    """The engine to use, or one line that says what is missing and what works instead."""
    engine, asked = container_engine.find()
    if engine is not None and engine.kind == "buildah" and not building:
        fail(
            f"{engine.command} only builds; `make image-reproduce` uses it, all else needs docker or podman",
            2,
        )
    if engine is None:
        why = (
            "; ".join(f"{client.command}: {client.complaint}" for client in asked)
            or "no docker, no podman on PATH"
        )
        fail(f"no container engine ({why}); `make doctor` says what to install, `make train` needs none")
    return engine


def plain_name() -> str:
    """The name of the image without a compiler."""
    project = re.search(r'^name = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    return os.environ.get("IMAGE") or (project[1] if project else "samebits")


def beside(name: str, word: str) -> str:
    """The name of another image of the same repository: `it:compile`, or `it:1-compile` beside `it:1`."""
    return f"{name}-{word}" if ":" in name.rpartition("/")[2] else f"{name}:{word}"


def image_name() -> str:
    """The name of the image that is asked for."""
    return beside(plain_name(), "compile") if os.environ.get("TARGET") == "compile" else plain_name()


def find_image(docker: str) -> str:
    """The image's name; one line when it was not built."""
    name = image_name()
    if ask(docker, "image", "inspect", name)[0] != 0:
        fail(f"there is no image {name}; `make image` builds it")
    return name


def default(argument: str) -> str:
    """An argument's default, from its only home."""
    match = re.search(rf"^ARG {argument}=(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    if match is None:
        fail(f"the Dockerfile gives no default for {argument}")
    return match.group(1)


def locked(wheel: str) -> str:
    """A wheel's version in requirements.lock."""
    try:
        lock = (ROOT / "requirements.lock").read_text()
    except OSError as error:
        fail(f"cannot read requirements.lock ({error.strerror}); `make lock` writes it")
    row = re.search(rf"^{wheel}==(\S+)", lock, re.MULTILINE)
    if row is None:
        fail(f"requirements.lock has no {wheel}, whose version the image is labelled with")
    return row.group(1)


def digest(lock: str) -> str:
    """A lock's sha256, for the image's labels."""
    try:
        return f"sha256:{hashlib.sha256((ROOT / lock).read_bytes()).hexdigest()}"
    except OSError as error:
        fail(f"cannot read {lock} ({error.strerror}); `make lock` writes it")


def commit() -> str:
    """The commit that is built, with `-dirty` when the tree differs from it; empty where git knows none."""
    status, sha, _ = ask("git", "-C", ROOT, "rev-parse", "HEAD")
    if status != 0:
        return ""
    return sha + ("-dirty" if ask("git", "-C", ROOT, "status", "--porcelain")[1] else "")


def epoch() -> str:
    """The time of everything in the image, in seconds since 1970: SOURCE_DATE_EPOCH, else the start of 1980.

    Not the commit's: with a constant, a commit that changes code shares every layer but the last with the one
    before it. 1980 is the first year that a zip archive can hold.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given and not re.fullmatch(r"[0-9]{1,11}", given):
        fail(f"SOURCE_DATE_EPOCH is {given!r}; it must be whole seconds since 1970, such as 1700000000", 2)
    return given or "315532800"


def arguments() -> dict[str, str]:
    """What the Dockerfiles are told; all of it given explicitly, as buildah wants it."""
    interpreter = os.environ.get("INTERPRETER") or "conda"
    if interpreter not in ("conda", "base"):
        fail(f"INTERPRETER is {interpreter!r}; it must be conda or base", 2)
    values = {name: os.environ.get(name) or default(name) for name in ("BASE", "MICROMAMBA")}
    values |= {"INTERPRETER": interpreter, "COMMIT": commit()}
    values |= {"REQUIREMENTS_LOCK": digest("requirements.lock")}
    values |= {"CONDA_LOCK": digest("conda-lock.yml") if interpreter == "conda" else ""}
    return values | {label: locked(wheel) for label, wheel in LABELS.items()}


def sources(values: dict[str, str]) -> list[str]:
    """The arguments whose values are images that a build starts from."""
    return ["BASE", "MICROMAMBA"] if values["INTERPRETER"] == "conda" else ["BASE"]


@contextmanager
def secrets() -> Iterator[list[str]]:
    """The options that hand the CA bundle and the mirror's address to a build, and to no layer."""
    options = []
    if bundle := os.environ.get("CA") or os.environ.get("SSL_CERT_FILE"):
        if not os.access(bundle, os.R_OK):
            fail(f"the CA bundle {bundle} cannot be read; CA or SSL_CERT_FILE names it", 2)
        options += ["--secret", f"id=ca,src={bundle}"]
    with tempfile.NamedTemporaryFile("w") as index:  # readable by its owner only: it may hold a password
        if mirror := os.environ.get("UV_DEFAULT_INDEX"):
            index.write(mirror)
            index.flush()
            options += ["--secret", f"id=index,src={index.name}"]
        yield options


@dataclass(frozen=True)
class Step:
    """One build.

    Attributes:
        file: the Dockerfile, from the project's root.
        name: of the image that it makes.
        arguments: that this Dockerfile has.
    """

    file: str
    name: str
    arguments: dict[str, str]


def steps(name: str, values: dict[str, str]) -> list[Step]:
    """What has to be built, in this order; the last one is the image that is asked for.

    Args:
        name: of the image without a compiler.
        values: of `arguments`.
    """
    target = os.environ.get("TARGET") or "image"
    if target not in ("image", "compile"):
        fail(f"TARGET is {target!r}; it must be image or compile", 2)
    made, python = [], "conda"
    if values["INTERPRETER"] == "base":
        python = beside(name, "python")
        made.append(Step("docker/base-python.Dockerfile", python, {"BASE": values["BASE"]}))
    own = {argument: value for argument, value in values.items() if argument != "INTERPRETER"}
    made.append(Step("Dockerfile", name, own | {"PYTHON_FROM": python}))
    if target == "compile":
        own = {argument: values[argument] for argument in ("MICROMAMBA", "INTERPRETER")}
        made.append(Step("docker/compile.Dockerfile", beside(name, "compile"), own | {"IMAGE": name}))
    return made


def build_options(kind: str, step: Step, root: Path = ROOT) -> list[str]:
    """What `build` is told: the file, the name, its arguments, and the one time of everything in the image.

    BuildKit 0.13 and buildah fix times, each in its own words; Debian's engine knows no way and ignores them.
    """
    options = ["--file", str(root / step.file), "--tag", step.name]
    for argument, value in step.arguments.items():
        options += ["--build-arg", f"{argument}={value}"]
    if kind == "docker":
        return [*options, "--build-arg", f"SOURCE_DATE_EPOCH={epoch()}"]
    options += ["--layers", "--timestamp", epoch()]
    if kind == "buildah":
        options.append("--identity-label=false")  # it tells buildah's own version
    return options


def fetch(engine: Engine, reference: str) -> None:
    """Have a base here before the build starts, so that a registry out of reach is told as such."""
    look = ["inspect", "--type=image"] if engine.kind == "buildah" else ["image", "inspect"]
    if ask(engine.command, *look, reference)[0] == 0:
        return
    if subprocess.run([engine.command, "pull", reference]).returncode != 0:
        fail(
            f"cannot fetch {reference}; without a registry: `tools/image.py test-base`, then "
            f"`make image BASE={TEST_BASE} INTERPRETER=base`"
        )


def build(options: Sequence[str]) -> int:
    """Build the image; `options` are for its own build, the last one, after those that this tool gives."""
    engine = find_engine(building=True)
    values = arguments()
    todo = steps(plain_name(), values)
    for name in sources(values):
        fetch(engine, values[name])
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    with secrets() as handed_over:
        for step in todo:
            command = [engine.command, "build", *build_options(engine.kind, step), *handed_over]
            command += options if step is todo[-1] else []
            if subprocess.run([*command, str(ROOT)], env=environment).returncode != 0:
                fail("the image was not built; the reason stands above")
    return 0


def run(arguments: Sequence[str]) -> int:
    """Run the image, with the GPU where there is one; its runs come out into ./runs, owned by the caller."""
    engine = find_engine()
    name = find_image(engine.command)
    gpu = container_engine.gpu_flags(engine)
    if not gpu:
        print("samebits: no NVIDIA driver with its container toolkit: running on the CPU", file=sys.stderr)
    runs = ROOT / "runs"
    runs.mkdir(exist_ok=True)  # or the engine makes it, and root owns it
    # --init: a first process that passes signals on and reaps what data workers leave behind.
    command = [engine.command, "run", "--rm", "--init", f"--user={os.getuid()}:{os.getgid()}"]
    if engine.kind == "podman":
        command.append("--userns=keep-id")  # rootless: the caller has the same number inside and outside
    if sys.stdin.isatty() and sys.stdout.isatty():
        command.append("-it")
    for variable in PASSED_ON:
        if os.environ.get(variable):
            command += ["--env", variable]
    # An image cannot know its own id; the run's fingerprint has it from here.
    identity = ask(engine.command, "image", "inspect", "--format", "{{.Id}}", name)[1]
    command += ["--env", f"SAMEBITS_IMAGE={identity}"]
    command += [*gpu, f"--volume={runs}:/workspace/runs", name, *arguments]
    os.execv(command[0], command)


def commit_of_image() -> int:
    """Print the commit that the image was built from; one line where it is not the tree's."""
    docker = find_engine().command
    name = find_image(docker)
    variables = ask(docker, "image", "inspect", "--format", '{{join .Config.Env "\\n"}}', name)[1]
    match = re.search(r"^SAMEBITS_COMMIT=(.*)$", variables, re.MULTILINE)
    built, here = match[1] if match else "", commit()
    if built != here:
        fail(f"{name} was built from commit {built or 'unknown'}, here is {here or 'none'}: `make image`")
    print(built)
    return 0


def size() -> int:
    """Print the image's size, its wheels' unpacked size, and the one over the other."""
    docker = find_engine().command
    name = find_image(docker)
    whole = int(ask(docker, "image", "inspect", "--format", "{{.Size}}", name)[1])
    inside = ("--rm", "--network=none", "--entrypoint=python", name, "-I", "-c", SUM_OF_WHEELS)
    status, wheels, complaint = ask(docker, "run", *inside, patience=600)
    if status != 0:
        fail(f"the wheels inside {name} could not be counted: {' '.join(complaint.split())}")
    ratio = whole / int(wheels)
    print(f"{name}: {whole / 1e9:.2f} GB, its wheels unpacked {int(wheels) / 1e9:.2f} GB: ratio {ratio:.3f}")
    return 0


def test_base(release: str) -> int:
    """Make a Debian base from Debian's packages, where no registry is reachable."""
    if release not in TEST_PACKAGES:
        fail(f"test-base {release}: it must be {' or '.join(TEST_PACKAGES)}", 2)
    docker, name = find_engine().command, f"{TEST_BASE.partition(':')[0]}:{release}"
    if ask(docker, "image", "inspect", name)[0] != 0:
        if ask("mmdebstrap", "--version")[0] != 0:
            fail("making a Debian base needs mmdebstrap: apt-get install mmdebstrap")
        with tempfile.TemporaryDirectory() as folder:
            archive = f"{folder}/base.tar"
            packages = f"--include={TEST_PACKAGES[release]}"
            make = ["mmdebstrap", "--quiet", "--variant=minbase", packages, release, archive]
            if subprocess.run(make).returncode != 0:
                fail("mmdebstrap made no base; the reason stands above")
            status, _, complaint = ask(docker, "import", archive, name, patience=600)
        if status != 0:
            fail(f"{docker} could not import the base: {complaint}")
    print(name)
    return 0


def update_base() -> int:
    """Say what the newest image of the base's tag would change; WRITE=1 writes its digest down."""
    from update_base import update

    try:
        update(find_engine().command, ROOT / "Dockerfile", write=os.environ.get("WRITE") == "1")
    except SamebitsError as error:
        fail(str(error), error.status)
    return 0


def doctor() -> int:
    """`samebits doctor --host` for a machine that has no environment yet."""
    findings = host.report()
    for finding in findings:
        print(
            f"{finding.outcome}: {finding.subject}: {finding.found}"
            + (f"; {finding.fix}" if finding.fix else "")
        )
    return int(any(finding.outcome == "fail" for finding in findings))


def main() -> int:
    word, rest = "".join(sys.argv[1:2]), sys.argv[2:]
    if word == "build":
        return build(rest)
    if word == "run":
        return run(rest)
    if word == "commit" and not rest:
        return commit_of_image()
    if word == "size" and not rest:
        return size()
    if word == "update-base" and not rest:
        return update_base()
    if word == "test-base" and len(rest) < 2:
        return test_base(*(rest or ["bookworm"]))
    if word == "doctor" and not rest:
        return doctor()
    words = "build [BUILD OPTION …] | run [ARG …] | commit | size | update-base | test-base [trixie] | doctor"
    fail(f"usage: image.py {words}", 2)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        fail("interrupted", 130)
