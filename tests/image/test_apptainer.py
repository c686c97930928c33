"""What Apptainer would start, started by Docker: by sh, past the entrypoint, as the caller."""

from collections.abc import Callable

import pytest
from tests.deploy.test_engines import sections

from .conftest import Done

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]

OPTIONS = ("--entrypoint=sh", "--read-only", "--tmpfs=/tmp", "--user=4711:4711")


def test_the_runscript_goes_through_the_entrypoint(contain: Callable[..., Done]) -> None:
    command = ("sh", "-c", "echo $PYTHONHASHSEED; exit 7")
    done = contain("-c", sections()["runscript"], "sh", *command, options=OPTIONS)
    assert (done.returncode, done.stdout) == (7, "0\n"), done.stderr


def test_the_builds_own_test_passes(contain: Callable[..., Done]) -> None:
    done = contain("-c", sections()["test"], options=OPTIONS)
    assert done.returncode == 0, done.stderr
