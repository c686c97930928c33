"""What NumPy chose among the CPU's instructions, read back in processes of its own."""

from tests.conftest import printed

from samebits.process.cpu_kernels import PORTABLE

CHOSEN = "import numpy\nfrom samebits.process import cpu_kernels as i\nvalues = i.chosen(numpy)\n"
FAULTS = "from samebits.process import check\nprint([fault.line for fault in check.faults()])"


def test_in_portable_all_is_in_force(start):
    (values,) = printed(start, f"{CHOSEN}print({{n: v for n, (_, v) in values.items()}})", PROFILE="portable")
    assert values == PORTABLE
    assert printed(start, f"import numpy\n{FAULTS}", PROFILE="portable") == [[]]


def test_a_library_that_does_not_heed_its_variable_is_a_fault(start):
    code = f"{CHOSEN}i.chosen = lambda *_: values | {{'OPENBLAS_CORETYPE': ('the kernels', 'Zen')}}\n{FAULTS}"
    assert printed(start, code, PROFILE="portable") == [
        ["the kernels is Zen, must be Haswell (OPENBLAS_CORETYPE)"]
    ]
    assert printed(start, code, PROFILE="run") == [[]]
