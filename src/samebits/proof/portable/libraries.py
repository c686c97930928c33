"""The libraries whose operations are compared, and where their tables are."""

from samebits import framework

TABLES = {  # a process for each: TensorFlow and torch are not imported together
    "numpy": "samebits.proof.portable.numpy_operations",
    "torch": "samebits.proof.portable.torch_operations",
    "keras": "samebits.proof.portable.keras_operations",
}
DIGITS = 16  # hexadecimal ones, of an operation's digest: 64 bits tell two results apart

# NumPy calls the C library for these, and glibc 2.41 has other float32 functions than those before it.
FOLLOW_THE_C_LIBRARY = (
    *("numpy.arccos f32", "numpy.arccosh f32", "numpy.arcsin f32", "numpy.arcsinh f32", "numpy.arctan f32"),
    *("numpy.arctan2 f32", "numpy.arctanh f32", "numpy.cbrt f32", "numpy.cosh f32", "numpy.expm1 f32"),
    *("numpy.log10 f32", "numpy.log1p f32", "numpy.logaddexp f32", "numpy.sinh f32", "numpy.tan f32"),
    "numpy complex",
)


def installed() -> list[str]:
    """The tables whose libraries are there."""
    return [name for name in TABLES if name == "numpy" or name in framework.installed()]
