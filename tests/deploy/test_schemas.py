"""What another program reads is accepted by that program's own validator, and refused when it is broken."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT

BIN = Path(sys.executable).parent
BUILTIN = (BIN / "check-jsonschema", "--builtin-schema")
KUBERNETES = (BIN / "kubernetes-validate", "--strict")
SHELLCHECK = (BIN / "shellcheck",)

# The file, its validator, and what is changed to see it refused: (what, by what).
CHECKED = [
    (".github/workflows/test.yml", (*BUILTIN, "vendor.github-workflows"), ("runs-on:", "run-on:")),
    (
        ".github/workflows/image.yml",
        (*BUILTIN, "vendor.github-workflows"),
        ("packages: write", "packages: all"),
    ),
    (".github/workflows/test.yml", (*BUILTIN, "custom.github-workflows-require-timeout"), ("timeout-", "# ")),
    (
        ".github/workflows/image.yml",
        (*BUILTIN, "custom.github-workflows-require-timeout"),
        ("timeout-", "# "),
    ),
    (".github/dependabot.yml", (*BUILTIN, "vendor.dependabot"), ("monthly", "always")),
    ("CITATION.cff", (*BUILTIN, "vendor.citation-file-format"), ("license: MIT", "license: ours")),
    ("deploy/compose.yaml", (*BUILTIN, "vendor.compose-spec"), ("read_only:", "readonly:")),
    ("deploy/job.yaml", KUBERNETES, ("readOnlyRootFilesystem", "readonlyRootFilesystem")),
    ("deploy/slurm.sh", SHELLCHECK, ('"$@"', "$@")),
    ("deploy/slurm.sh", ("/bin/sh", "-n"), ("fi\n", "\n")),
]


@pytest.mark.parametrize(
    ("file", "tool", "broken"), CHECKED, ids=[f"{file}-{Path(tool[-1]).name}" for file, tool, _ in CHECKED]
)
def test_its_own_tool_accepts_it(
    file: str, tool: tuple[str | Path, ...], broken: tuple[str, str], tmp_path: Path
) -> None:
    def check(path: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*tool, path], capture_output=True, text=True)

    accepted = check(ROOT / file)
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    other = tmp_path / Path(file).name
    other.write_text((ROOT / file).read_text().replace(*broken))
    assert other.read_text() != (ROOT / file).read_text()
    refused = check(other)
    assert refused.returncode not in (0, 126, 127), refused.stdout
