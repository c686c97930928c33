"""What the emulator itself computes wrongly: shown by results that no CPU could give, left out of the table.

qemu 7.2 is Debian 12's. Both operations below are NumPy's own code, which takes the same instructions on
every CPU with AVX2; natively both give what they must.
"""

import numpy as np

from samebits.portable import inputs


def wrong() -> list[str]:
    """The operations that contradict themselves in this process; none on a CPU."""
    found = []
    x = inputs.numbers(4099, salt=1, scale=3)
    if not np.allclose(
        np.tanh(x[::3]), np.tanh(x[::3].copy())
    ):  # of the same numbers, apart and side by side
        found.append("numpy.tanh of a strided float64 array")
    if not (np.diff(x[np.argsort(x)]) >= 0).all():  # sorted, by what argsort says
        found.append("numpy.argsort of float64 (kind='quicksort')")
    return found
