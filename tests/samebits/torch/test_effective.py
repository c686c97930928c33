"""What torch and MKL chose among the CPU's instructions, read back in processes of their own."""

import pytest
from tests.conftest import printed

from samebits.torch.effective import PORTABLE

CHOSEN = "import torch\nfrom samebits.torch import effective as i\nvalues = i.chosen(torch)\n"
FAULTS = "from samebits.process import check\nprint([fault.line for fault in check.faults()])"


def test_in_portable_all_is_in_force(start):
    (values,) = printed(start, f"{CHOSEN}print({{n: v for n, (_, v) in values.items()}})", PROFILE="portable")
    assert values == {name: value for name, value in PORTABLE.items() if name in values}
    assert printed(start, f"import torch\n{FAULTS}", PROFILE="portable") == [[]]


@pytest.mark.parametrize(
    ("name", "value", "now"),
    [
        ("MKL_VML_DEBUG_CPU_TYPE", "0", "0"),
        ("MKL_CBWR", "foo", "AUTO"),
        ("ATEN_CPU_CAPABILITY", "default", "default"),
    ],
)
def test_what_a_library_made_of_another_value_is_seen(start, name, value, now):
    code = f"{CHOSEN}print(repr(values[{name!r}][1]))"
    assert printed(start, code, PROFILE="portable", SAMEBITS_ALLOW=name, **{name: value}) == [now]


def test_torch_that_does_not_heed_its_variable_is_a_fault(start):
    code = f"{CHOSEN}i.chosen = lambda _: values | {{'ATEN_CPU_CAPABILITY': ('the set', 'avx512')}}\n{FAULTS}"
    assert printed(start, code, PROFILE="portable") == [
        ["the set is avx512, must be avx2 (ATEN_CPU_CAPABILITY)"]
    ]
    assert printed(start, code, PROFILE="run") == [[]]
