"""The libraries whose operations are compared, and where their tables are."""

from importlib.util import find_spec

TABLES = {  # a process for each: TensorFlow and torch are not imported together
    "numpy": "samebits.portable.numpy_operations",
    "torch": "samebits.torch.portable_operations",
    "keras": "samebits.keras.portable_operations",
}


def installed() -> list[str]:
    """The tables whose libraries are there."""
    needs = {"torch": "torch", "keras": "tensorflow"}
    return [
        name
        for name in TABLES
        if name == "numpy" or (find_spec(f"samebits.{name}") and find_spec(needs[name]))
    ]
