"""docs/why.md: its script and its commands, one after the other, print what the page shows."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.test_readme import pattern

from samebits.process.variables import read

PAGE = (ROOT / "docs/why.md").read_text()
BLOCK = re.compile(r"^<!-- why -->\n```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
PLACE = re.compile(
    r"^first difference: step 1 \(epoch 1\), backward of `3` \(Conv2d\), aten::convolution_backward, "
    r"train.py:39: inputs equal, output `grad_weight` differs in ",
    re.MULTILINE,
)


def commands() -> list[tuple[str, list[str]]]:
    """Each command of the page, and the lines that it shows below it."""
    shown: list[tuple[str, list[str]]] = []
    for block in BLOCK.findall(PAGE):
        for line in block.splitlines():
            if line.startswith("$ "):
                shown.append((line.removeprefix("$ "), []))
            else:
                shown[-1][1].append(line)
    return shown


def test_the_page_shows_smoke_record_diff_and_bisect() -> None:
    named = {
        word
        for command, _ in commands()
        for word in command.split()
        if word in ("smoke", "record", "diff", "bisect")
    }
    assert named == {"smoke", "record", "diff", "bisect"}


@pytest.mark.slow
@pytest.mark.skipif(os.cpu_count() == 1, reason="two threads are needed")
def test_the_page_shows_what_its_commands_print(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (script,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (tmp_path / "train.py").write_text(script)
    ours = {row.name for row in read()}  # as from a shell that no entrypoint was in
    shell = {name: text for name, text in os.environ.items() if name not in ours and "SAMEBITS" not in name}
    shell["PATH"] = f"{ROOT}/.venv/bin:{shell['PATH']}"
    for command, lines in commands():
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env=shell,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = re.sub(r"(runs/\w+-)[a-z0-9_]{8}", r"\1NAME", done.stdout)
        wanted = [re.sub(r"(runs/\w+-)[a-z0-9_]{8}", r"\1NAME", line) for line in lines]
        assert pattern(wanted).match(said), f"$ {command}\n{done.stdout}"
        if "bisect" in command:
            assert PLACE.search(said), said
