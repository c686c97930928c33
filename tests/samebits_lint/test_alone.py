"""The linter without samebits: a copy of its folder works where no package is installed."""

import shutil
import subprocess
import sys

from tests.conftest import ROOT

from samebits.process import variables
from samebits_lint.rules.variables import AT_IMPORT, AT_START

LINT = """
import importlib.util, pathlib, sys
sys.path.append(sys.argv[1])
assert not any(map(importlib.util.find_spec, ("samebits", "click", "numpy", "torch", "tensorflow")))
from samebits_lint import rules
from samebits_lint.check import check
for problem in check([pathlib.Path(path) for path in sys.argv[2:]], rules.load()):
    print(problem.file, problem.line, problem.rule)
"""


def test_it_needs_no_other_package(tmp_path):
    shutil.copytree(ROOT / "src/samebits_lint", tmp_path / "samebits_lint")
    (tmp_path / "train.py").write_text(
        "import os\nimport numpy as np\n"
        "os.environ['LD_PRELOAD'] = 'x'\n"
        "rng = np.random.default_rng()\n"
        "seed = 1  # samebits: ignore[SB999]\n"
    )
    (tmp_path / "bad.ipynb").write_text("{}")
    # Without site-packages (-S): what this environment has installed cannot be imported.
    command = [sys.executable, "-I", "-S", "-c", LINT, tmp_path, "bad.ipynb", "gone.py", "train.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "bad.ipynb 1 SB001",
        "gone.py 1 SB001",
        "train.py 3 SB306",
        "train.py 4 SB303",
        "train.py 5 SB002",
    ]


def test_its_variables_are_those_of_determinism_env():
    """Each is in that file, and none of that file's is missing that such a library or the loader reads."""
    known = {row.name for row in variables.read()}
    listed = AT_START | AT_IMPORT.keys()
    assert listed <= known
    read_early = ("PYTHON", "LD_", "GLIBC_", "OMP_", "GOMP_", "OPENBLAS_", "NPY_", "KERAS_BACKEND")
    assert {name for name in known if name.startswith(read_early)} <= listed
