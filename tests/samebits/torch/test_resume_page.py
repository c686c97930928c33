"""docs/resume_torch.md shows what the tests run."""

import re

from tests.conftest import ROOT

SCRIPTS = [
    *sorted((ROOT / "tests/samebits/torch/elsewhere").glob("train_*.py")),
    ROOT / "src/starter/train_torch.py",
]


def test_every_line_of_code_in_the_page_is_in_a_script_that_runs():
    page = (ROOT / "docs/resume_torch.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 5
    scripts = [script.read_text() for script in SCRIPTS]
    for block in blocks:
        assert any(block in script for script in scripts), block
