"""The packages export what they say, and importing them imports no framework."""

import importlib
import subprocess
import sys

import pytest

PACKAGES = [
    "samebits",
    "samebits.torch",
    "samebits.keras",
]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there(package):
    module = importlib.import_module(package)
    assert sorted(module.__all__) == dir(module)
    for name in module.__all__:
        exported = getattr(module, name)
        # Not a module of the same name, which an import would have put in its place.
        assert exported.__name__ == name


def test_the_frameworks_offer_the_same_names_with_the_same_meaning():
    torch, keras = (set(importlib.import_module(f"samebits.{name}").__all__) for name in ("torch", "keras"))
    own = {
        "Loader",
        "loader",
        "RunLog",
        "build",
        "dataset",
        "require_keras3",
    }  # what their data and models call for
    assert torch - own == keras - own


def test_an_unknown_name_is_an_attribute_error():
    samebits = importlib.import_module("samebits")
    with pytest.raises(AttributeError, match="module 'samebits' has no attribute 'sede'"):
        _ = samebits.sede


@pytest.mark.parametrize("use", ["import samebits", "from samebits.cli import group; group.get_help"])
def test_importing_it_imports_no_framework(use):
    code = (
        f"import sys; {use}; print({{'torch', 'tensorflow', 'keras', 'numpy'}} & set(sys.modules) or 'none')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "none\n"


def test_help_imports_no_framework():
    code = (
        "import sys; from samebits.cli import group; from samebits.process.program import run_command; "
        "run_command(group, 'samebits', ['--help']); "
        "print({'torch', 'tensorflow', 'keras'} & set(sys.modules) or 'none')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\nnone\n")
    assert "smoke" in done.stdout
