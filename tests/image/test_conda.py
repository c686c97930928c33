"""What needs conda-forge, with a stand-in for micromamba, whose prefix has the base's Python and a uv."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import NAME, ROOT, Done, run

pytestmark = [pytest.mark.image, pytest.mark.timeout(900)]

STAND_IN = "FROM {base}\nCOPY micromamba uv /usr/local/bin/\n"
MICROMAMBA = """#!/bin/sh
set -eu
[ "$1 $2 $3 $5" = "create --yes --prefix --file" ] && grep -q '^package:' "$6"
case $6 in *-lock.yml) ;; *) exit 2 ;; esac
mkdir -p "$4/bin" "$4/conda-meta"
case $4 in
/opt/python) ln -s /usr/bin/python3.11 "$4/bin" && cp /usr/local/bin/uv "$4/bin/uv" && touch "$4/bin/uvx" ;;
/opt/compiler) printf '#!/bin/sh\\necho compiled\\n' >"$4/bin/a-compiler" && chmod 755 "$4/bin/a-compiler" ;;
esac
"""


@pytest.fixture
def micromamba(docker: str, base: str, tmp_path: Path):
    """An image that has the stand-in."""
    name, folder = f"{NAME}/micromamba:one", tmp_path / "micromamba"
    folder.mkdir()
    (folder / "Dockerfile").write_text(STAND_IN.format(base=base))
    (folder / "micromamba").write_text(MICROMAMBA)
    (folder / "micromamba").chmod(0o755)
    shutil.copy(ROOT / ".venv/bin/uv", folder)
    made = run(docker, "build", "--tag", name, folder, DOCKER_BUILDKIT="1")
    assert made.returncode == 0, made.stderr
    yield name
    run(docker, "rmi", name)


def test_condas_python_and_compiler_come_into_the_image(
    docker: str, small: Path, micromamba: str, build: Callable[..., Done]
) -> None:
    image, compiling = f"{NAME}-conda:one", f"{NAME}-conda:one-compile"
    given = {"INTERPRETER": "conda", "MICROMAMBA": micromamba, "IMAGE": image, "TARGET": "compile"}
    try:
        built = build(tool=small / "tools/image.py", **given)
        assert built.returncode == 0, built.stderr[-3000:]
        look = ("--rm", "--entrypoint=sh", compiling, "-c")
        inside = run(docker, "run", *look, "a-compiler; ls /opt/python/bin; ls /opt; id -u")
        assert inside.stdout.split() == [
            *("compiled", "python3.11"),  # and neither uv nor uvx
            *("compiler", "python", "samebits"),
            "1000",
        ]
        wheel = run(docker, "run", *look, "/opt/samebits/.venv/bin/python -c 'import packaging'")
        assert wheel.returncode == 0, wheel.stderr
        labels = json.loads(run(docker, "inspect", "--format", "{{json .Config.Labels}}", compiling).stdout)
        sha256 = hashlib.sha256((small / "conda-lock.yml").read_bytes()).hexdigest()
        assert labels["samebits.lock.conda"] == f"sha256:{sha256}"
    finally:
        run(docker, "rmi", compiling, image)
