"""The files that the root and the template both have: the root's are the source, the template's are copies.

    template_files.py            names each copy that is not what the root gives, status 1 if there is one
    template_files.py --write    writes them

They are real files on both sides, so that a template works from a zip and without symbolic links. A project
of one framework has no framework in the names of its files: train_torch.py is train.py there.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import yaml

from samebits._files import write_whole
from samebits.errors import CheckFailed, UsageError
from samebits.process.program import run_command

ROOT = Path(__file__).parents[1]
TEMPLATE = "{{cookiecutter.__slug}}"
PACKAGE = "src/{{cookiecutter.package_name}}"
FRAMEWORKS = ("torch", "keras")
KINDS = (*FRAMEWORKS, "both")
COMMON = ("__init__.py", "data.py", "settings.py")  # of the starter
OF_FRAMEWORK = ("model", "train")
TOOLS = ("pytest", "ruff")  # of this project's developers, that a generated project has, too
PIN = re.compile(r"^(?P<before> *- )(?P<name>[\w.-]+)(?P<equals>==?)(?P<version>[\w.]+)$", re.MULTILINE)
BASES = re.compile(r"^ARG (?P<name>BASE|MICROMAMBA)=.*$", re.MULTILINE)


def copies(root: Path) -> Iterator[tuple[Path, bytes]]:
    """Each file of the template that repeats something of the root, with the content that it must have.

    Raises:
        UsageError: the template names a package that the root does not pin, or the other way round.
    """
    template, starter = root / TEMPLATE, root / "src" / "starter"
    for name in COMMON:
        yield template / PACKAGE / name, (starter / name).read_bytes()
    for framework in FRAMEWORKS:
        for stem in OF_FRAMEWORK:
            text = (starter / f"{stem}_{framework}.py").read_text(encoding="utf-8")
            alone = re.sub(rf"\b(model|train)_{framework}\b", r"\1", text)
            yield template / "choices" / framework / PACKAGE / f"{stem}.py", alone.encode()
            yield template / "choices" / "both" / PACKAGE / f"{stem}_{framework}.py", text.encode()
    yield template / "conda-lock.yml", (root / "conda-lock.yml").read_bytes()
    yield template / "environment.yml", _environment(root).encode()
    yield template / "Dockerfile", _dockerfile(root).encode()


def _environment(root: Path) -> str:
    """The template's environment.yml with the versions of the root: a version is written once."""
    asked = yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    (pip,) = (part["pip"] for part in asked if isinstance(part, dict))
    conda = [part for part in asked if isinstance(part, str)]
    versions = dict(re.split("==?", pin, maxsplit=1) for pin in (*conda, *pip))
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    tools = (pin.split("==") for pin in project["dependency-groups"]["dev"])
    versions |= {name: version for name, version in tools if name in TOOLS}
    text = (root / TEMPLATE / "environment.yml").read_text(encoding="utf-8")
    names = {match["name"] for match in PIN.finditer(text)}
    # What samebits declares comes with its wheel.
    declared = {re.split(r"[^\w.-]", need)[0] for need in project["project"]["dependencies"]}
    if odd := sorted((names - set(versions)) | (set(versions) - names - declared)):
        raise UsageError(
            f"environment.yml of the root and of the template must name the same packages: {', '.join(odd)}"
        )
    return PIN.sub(lambda m: f"{m['before']}{m['name']}{m['equals']}{versions[m['name']]}", text)


def _dockerfile(root: Path) -> str:
    """The template's Dockerfile with the images that the root's starts from."""
    source = (root / "Dockerfile").read_text(encoding="utf-8")
    lines = {match["name"]: match[0] for match in BASES.finditer(source)}
    text = (root / TEMPLATE / "Dockerfile").read_text(encoding="utf-8")
    return BASES.sub(lambda match: lines[match["name"]], text)


def stale(root: Path) -> list[Path]:
    """The copies that are not what the root gives today."""
    return [path for path, content in copies(root) if not path.is_file() or path.read_bytes() != content]


def write(root: Path) -> list[Path]:
    """Write the copies that differ; returns them."""
    written = []
    for path, content in list(copies(root)):
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
            written.append(path)
    return written


@click.command()
@click.option("--write", "write_", is_flag=True, help="Write them.")
def command(write_: bool) -> None:
    """Compare the template's copies of the root's files with the root, or write them."""
    paths = write(ROOT) if write_ else stale(ROOT)
    for path in paths:
        click.echo(path.relative_to(ROOT))
    if paths and not write_:
        raise CheckFailed(
            f"{len(paths)} files of the template are not what the root has: "
            "`./entrypoint python tools/template_files.py --write`"
        )


if __name__ == "__main__":
    sys.exit(run_command(command, "tools/template_files.py"))
