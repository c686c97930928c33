"""What the libraries chose among the CPU's instructions, read back in processes of their own."""

import pytest  # only: torch
from tests.conftest import printed

from samebits.process.cpu_kernels import PORTABLE

IMPORTS = "import numpy\ntorch = None\n"
IMPORTS += "import torch\n"  # only: torch
CHOSEN = f"{IMPORTS}from samebits.process import cpu_kernels as i\nfound = i.chosen(torch, numpy)\n"
FAULTS = "from samebits.process import check\nprint([fault.line for fault in check.faults()])"


def test_in_portable_all_is_in_force(start):
    (found,) = printed(start, f"{CHOSEN}print({{n: v for n, (_, v) in found.items()}})", PROFILE="portable")
    assert found == {name: value for name, value in PORTABLE.items() if name in found}
    assert {"NPY_DISABLE_CPU_FEATURES", "OPENBLAS_CORETYPE"} <= set(found)
    assert printed(start, f"{IMPORTS}{FAULTS}", PROFILE="portable") == [[]]


# only: torch
@pytest.mark.parametrize(
    ("name", "value", "now"),
    [
        ("MKL_VML_DEBUG_CPU_TYPE", "0", "0"),
        ("MKL_CBWR", "foo", "AUTO"),
        ("ATEN_CPU_CAPABILITY", "default", "default"),
    ],
)
def test_what_a_library_made_of_another_value_is_seen(start, name, value, now):
    code = f"{CHOSEN}print(found[{name!r}][1])".replace("print(", "print(repr(").replace("[1])", "[1]))")
    assert printed(start, code, PROFILE="portable", SAMEBITS_ALLOW=name, **{name: value}) == [now]


# only: end
def test_a_library_that_does_not_heed_its_variable_is_a_fault(start):
    code = f"{CHOSEN}i.chosen = lambda *_: found | {{'OPENBLAS_CORETYPE': ('the kernels', 'Zen')}}\n{FAULTS}"
    assert printed(start, code, PROFILE="portable") == [
        ["the kernels is Zen, must be Haswell (OPENBLAS_CORETYPE)"]
    ]
    assert printed(start, code, PROFILE="run") == [[]]
