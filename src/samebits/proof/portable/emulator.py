"""What the emulator itself computes wrongly: shown by results that no CPU could give, left out of the table.

qemu 7.2, Debian 12's, takes the indices of a gather (`vgatherdps` and its like) from beside the register if
that is %ymm4: numbers come out wrong, or the process dies. 10.0, Debian 13's and in Debian 12's backports,
takes them from the register; the versions between were not tried.
"""

import functools
import re
import subprocess

QEMU = "qemu-x86_64-static"
RIGHT_FROM = (10,)
WRONG = (  # before that: rows of the tables
    *("numpy.tanh f64", "numpy.argsort f32", "numpy.argsort f64"),  # NumPy's own code
    *("LSTM f32", "LSTM deep f32", "LSTM wide f32"),  # oneDNN's kernels: the process dies
    *("grid_sample f32", "grid_sample f64"),  # the same of torch's
)


@functools.cache
def version() -> tuple[int, ...]:
    """The version of qemu on PATH."""
    said = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"version (\d+)\.(\d+)", said)
    assert match is not None, said
    return tuple(map(int, match.groups()))


def wrong() -> list[str]:
    """Those of NumPy's rows that contradict themselves in this process; none on a CPU."""
    import numpy as np

    from samebits.proof.portable import inputs

    names = []
    x = inputs.numbers(4099, salt=1, scale=3)
    if not np.allclose(np.tanh(x[::3]), np.tanh(x[::3].copy())):  # apart and side by side
        names.append("numpy.tanh f64")
    for name, values in (("f32", x.astype(np.float32)), ("f64", x)):
        if not (np.diff(values[np.argsort(values)]) >= 0).all():  # sorted, by what argsort says
            names.append(f"numpy.argsort {name}")
    return names
