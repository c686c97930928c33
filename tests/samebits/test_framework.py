"""The core names no framework, and both frameworks' rooms give what it asks of them."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import FRAMEWORKS, ROOT

from samebits import framework

PACKAGE = ROOT / "src/samebits"
ASKED = {  # by file of a room
    "": framework.Framework,
    "state": framework.State,
    "effective": framework.Effective,
    "tensor_bytes": framework.TensorBytes,
    "unsaved": framework.Unsaved,
}
# The files of a room that the other one lacks, and why.
OWN = {
    "torch": {
        "accelerate.py": "a library that wraps torch's optimisers and loaders",
        "base_loader.py": "a loader is a class here, a keras.utils.PyDataset there",
        "device_digest.py": "a part of record.py",
        "generators.py": "for every sample, as only a loader in Python can",
        "huggingface.py": "somebody else's training loop",
        "libm.py": "a portable kernel",
        "lightning.py": "somebody else's training loop",
        "optimizer_state.py": "Keras keeps an optimiser's state in its variables",
        "portable_matmul.py": "a portable kernel",
        "other_switches.py": "Keras and TensorFlow have few, which kernels.py reads",
        "record_samples.py": "a sampler of torch's gives indices; a tf.data pipeline has none",
        "operations.py": "operations within a graph of TensorFlow's cannot be reached",
        "record_epochs.py": "a loader of torch's is a pass through the data; Keras's loop counts itself",
        "streaming.py": "a loader without a length",
        "partly_written.py": "a part of operations.py",
        "record_gradients.py": "a part of record_layers.py",
        "record_layers.py": "layers within a graph of TensorFlow's cannot be reached",
        "record_memo.py": "a part of record_operations.py",
        "record_operations.py": "as operations.py",
        "twice.py": "as operations.py",
        "twice_compare.py": "a part of twice.py",
        "twice_copies.py": "a part of twice.py",
        "twice_excluded.py": "a part of twice.py",
        "twice_modules.py": "a part of twice.py",
        "trainer_loop.py": "what somebody else's training loops have in common",
    },
    "keras": {
        "callback.py": "Keras's own training loop",
        "keras2.py": "refuses what looks like Keras and is not",
        "libraries.py": "TensorFlow does not find all of CUDA by itself",
        "record_emit.py": "values of a graph are there only when it runs",
        "record_hooks.py": "record.py itself imports no TensorFlow, as Keras computes with others, too",
        "record_safe.py": "TensorFlow joins operations before a graph runs",
        "portable_allowlist.py": "TensorFlow's kernels can be refused, and not be replaced",
        "tensorflow_generators.py": "TensorFlow has generators of three kinds",
    },
}
NAME = re.compile("torch|keras|tensorflow", re.IGNORECASE)
ROOMS = (
    *("process", "rng", "hashing", "fingerprint", "installed", "doctor", "checkpoint", "unsaved"),
    *("run", "record"),
)
# Where the core may name a framework, and why.
MAY_NAME = {
    "framework.py": "the registry",
    "rng/generators.py": "the registry of generators: its rows are in the order of imports",
    "_extras.py": "what pip calls samebits' extras",
    "_instead.py": "names of operations, and what to use instead",
    "record/command.py": "says which framework has an option",
    "record/saved.py": "whether a file is complete, its format says",
}


@pytest.mark.parametrize("name", FRAMEWORKS)
@pytest.mark.parametrize("file", ASKED)
def test_a_room_gives_what_the_core_asks(name: str, file: str) -> None:
    module = importlib.import_module(".".join(filter(None, ("samebits", name, file))))
    protocol = ASKED[file]
    functions = {key: value for key, value in vars(protocol).items() if inspect.isfunction(value)}
    for key in functions.keys() - {"__init__", "__subclasshook__"}:
        asked = list(inspect.signature(functions[key]).parameters.values())[1:]  # without `self`
        given = inspect.signature(getattr(module, key)).parameters.values()
        assert [_plain(argument) for argument in given] == [_plain(argument) for argument in asked], (
            f"{name}.{file}.{key}"
        )
    missing = [key for key in getattr(protocol, "__annotations__", {}) if not hasattr(module, key)]
    assert missing == []


def _plain(parameter: inspect.Parameter) -> tuple[str, Any, Any]:
    return parameter.name, parameter.kind, parameter.default


def test_every_call_of_a_room_is_in_its_protocol() -> None:
    """mypy sees the calls; this sees that nobody goes around the protocols."""
    around = [
        place
        for place, node in _nodes()
        if place.partition(":")[0] not in MAY_NAME
        and isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("import_module")
        and node.args
        and isinstance(node.args[0], ast.JoinedStr)
        and ast.unparse(node.args[0]).startswith("f'samebits.")
    ]
    assert around == []


@pytest.mark.skipif(len(FRAMEWORKS) < 2, reason="a project of one framework has one room")
def test_the_same_file_names_stand_in_both_rooms() -> None:
    files = {name: {path.name for path in (PACKAGE / name).glob("*.py")} for name in FRAMEWORKS}
    shared = {name: files[name] - OWN[name].keys() for name in FRAMEWORKS}
    assert shared["torch"] == shared["keras"]


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_file_of_its_own_is_there(name: str) -> None:
    assert [file for file in OWN[name] if not (PACKAGE / name / file).exists()] == []


def test_the_core_names_no_framework() -> None:
    named = {
        f"{place}: {text}"
        for place, node in _nodes()
        for text in _texts(node)
        if NAME.search(text) and place.partition(":")[0] not in MAY_NAME
    }
    assert named == set()


@pytest.mark.parametrize("file", MAY_NAME)
def test_who_may_name_a_framework_does(file: str) -> None:
    assert any(
        NAME.search(text) for place, node in _nodes() for text in _texts(node) if place.startswith(f"{file}:")
    )


def _nodes() -> Iterator[tuple[str, ast.AST]]:
    """Every node of the core's files but docstrings, with its place."""
    for path in sorted(
        [*PACKAGE.glob("*.py"), *(p for room in ROOMS for p in (PACKAGE / room).rglob("*.py"))]
    ):
        yield from _code(path)


def _code(path: Path) -> Iterator[tuple[str, ast.AST]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and id(node) in documents):
            yield f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}", node


def _texts(node: ast.AST) -> list[str]:
    """The names and strings of a node itself."""
    texts = [value for _, value in ast.iter_fields(node) if isinstance(value, str)]
    return texts if not isinstance(node, ast.ImportFrom) else [node.module or ""]
