"""Write sbom.cdx.json, the bill of materials of a release in CycloneDX, out of the locks.

    part        from                where it is
    wheels      requirements.lock   in every image
    conda       conda-lock.yml      in images with INTERPRETER=conda; uv builds them and is left out of them
    base image  Dockerfile, BASE    in images that are built on no other

The locks say nothing about licences, and neither does it. The same locks give the same bytes: no time, and a
serial number that is derived from the content. Works on the current folder.
"""

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from samebits import __version__
from samebits._files import write_whole
from samebits.errors import CheckFailed, UsageError
from samebits.process.program import run_command

SBOM = Path("sbom.cdx.json")
PIP, CONDA, DOCKERFILE, PROJECT = map(
    Path, ("requirements.lock", "conda-lock.yml", "Dockerfile", "pyproject.toml")
)
WHEEL = re.compile(r"^([\w.-]+)==(\S+) --hash=sha256:([0-9a-f]{64})$", re.MULTILINE)
BASE = re.compile(
    r"^ARG BASE=(?P<name>[^@:\s]+):(?P<tag>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})$", re.MULTILINE
)
# The property of components that only some images have: those with conda's interpreter, or on this very base.
ONLY = "samebits:only"


def component(purl: PackageURL, sha256: str, only: str = "", **more: Any) -> Component:
    """One part, optional where `only` says in which images it is."""
    return Component(
        name=purl.name,
        version=purl.version,
        purl=purl,
        bom_ref=purl.to_string(),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
        properties=[Property(name=ONLY, value=only)] if only else [],
        **{"scope": ComponentScope.OPTIONAL if only else ComponentScope.REQUIRED, **more},
    )


def wheels() -> Iterator[Component]:
    """The rows of requirements.lock; the hash is the wheel's."""
    for name, version, sha256 in WHEEL.findall(PIP.read_text()):
        yield component(PackageURL("pypi", name=name, version=version), sha256)


def conda() -> Iterator[Component]:
    """The rows of conda-lock.yml; the hash is the archive's."""
    for row in yaml.safe_load(CONDA.read_text())["package"]:
        *_, channel, subdir, archive = row["url"].split("/")
        stem, kind = re.fullmatch(r"(.*)\.(conda|tar\.bz2)", archive).groups()  # type: ignore[union-attr]
        build = stem.removeprefix(f"{row['name']}-{row['version']}-")
        more = {"build": build, "channel": channel, "subdir": subdir, "type": kind}
        purl = PackageURL("conda", name=row["name"], version=row["version"], qualifiers=more)
        scope = {"scope": ComponentScope.EXCLUDED} if row["name"] == "uv" else {}
        yield component(purl, row["hash"]["sha256"], "INTERPRETER=conda", **scope)


def base() -> Component:
    """The base image that the Dockerfile names, by digest."""
    match = BASE.search(DOCKERFILE.read_text())
    if match is None:
        raise UsageError(f"{DOCKERFILE}: `ARG BASE=` names no NAME:TAG@sha256:DIGEST")
    where = {"repository_url": match["name"], "tag": match["tag"]}
    purl = PackageURL("oci", name=match["name"].rpartition("/")[2], version=match["digest"], qualifiers=where)
    sha256 = match["digest"].removeprefix("sha256:")
    return component(purl, sha256, "BASE as in the Dockerfile", type=ComponentType.CONTAINER)


def made() -> str:
    """The text of sbom.cdx.json.

    Raises:
        UsageError: a file that it is made of is missing or malformed.
    """
    try:
        project = tomllib.loads(PROJECT.read_text())["project"]
        name, version = project["name"], project.get("version", __version__)
        parts = [base(), *conda(), *wheels()]
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}; run this in the project's folder") from None
    except (
        tomllib.TOMLDecodeError,
        yaml.YAMLError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        raise UsageError(
            f"{PROJECT} or {CONDA} cannot be read: {error}; `make lock` writes the locks"
        ) from None
    bom = Bom(components=parts)
    root = Component(name=name, version=version, type=ComponentType.APPLICATION, bom_ref=name)
    bom.metadata.component = root
    bom.register_dependency(root, parts)
    content = json.loads(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string())
    del content["metadata"]["timestamp"], content["serialNumber"]
    serial = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(content, sort_keys=True))
    return json.dumps({**content, "serialNumber": f"urn:uuid:{serial}"}, indent=1, sort_keys=True) + "\n"


@click.command()
def command() -> None:
    """Write the bill of materials of the project in the current folder."""
    text = made()
    try:
        write_whole(SBOM, text)
    except OSError as error:
        raise CheckFailed(f"{SBOM} cannot be written: {error.strerror}") from None
    click.echo(f"{SBOM}: written")


if __name__ == "__main__":
    sys.exit(run_command(command, "tools/sbom.py"))
