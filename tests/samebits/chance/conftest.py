"""What these tests share: a script that `samebits watch` runs, and what it names."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def watched(start: Callable[..., Any], tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Run a script under `samebits watch` and return what it names, each with the text of its line.

    The scripts mark a line that must be named with `#!`.
    """

    def watched(script: str, *arguments: str, **variables: str | None) -> list[dict[str, Any]]:
        path = tmp_path / "train.py"
        path.write_text(script)
        command = ["samebits", "watch", "--json", "--", "python", "train.py", *arguments]
        done = start(*command, cwd=tmp_path, **variables)
        assert done.returncode == 0, done.stderr
        assert "samebits.chance" not in done.stderr, done.stderr
        return json.loads(done.stdout)

    return watched


def marked(script: str) -> list[str]:
    """The places in a script whose lines end with `#!`."""
    return [f"train.py:{number}" for number, line in enumerate(script.splitlines(), 1) if line.endswith("#!")]
