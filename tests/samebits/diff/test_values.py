"""Elements and ULPs of the first difference, where both records hold the tensors of its step."""

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner
from tests.samebits.diff import made
from tests.samebits.diff.made import from_step, put

from samebits.diff.command import command, compare, lines
from samebits.hashing.weights import describe_array, save_tensors
from samebits.process.command_line import hint
from samebits.record.format import AFTER_BACKWARD, AT_OPTIMIZER
from samebits.record.values import file_name

STEP, NAME = 4, "2.weight"
MORE = hint("samebits", "record", "--values", "4:4", "--", "python", "train.py")


def records(tmp_path: Path, change: Any) -> list[Path]:
    """Two records that differ from a step on."""
    first = made.training(6)
    second = made.another(first)
    from_step(second, STEP, change)
    return [made.write(tmp_path / "a", first), made.write(tmp_path / "b", second)]


def gradient(event: dict[str, Any]) -> None:
    event["gradients"] = {when: put(text, NAME) for when, text in event["gradients"].items()}


def hold(folder: Path, step: int = STEP, **arrays: Any) -> Path:
    """The tensors of a step, by the names in its file: dots stand for slashes, underscores for spaces."""
    (jsonl,) = folder.glob("*.jsonl")
    path = folder / file_name(jsonl.stem, 0, step)
    save_tensors(dict(describe_array(name, np.asarray(array)) for name, array in arrays.items()), path)
    return path


def further(array: np.ndarray, *at: int, by: int = 2) -> np.ndarray:
    """The same with some elements so many floats further."""
    there = array.copy()
    there.reshape(-1).view(f"u{(array.real if array.dtype.kind == 'c' else array).itemsize}")[list(at)] += by
    return there


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64", "complex128"])
def test_elements_and_ulps_stand_in_the_verdict(tmp_path: Path, dtype: str) -> None:
    folders = records(tmp_path, gradient)
    name = f"gradients/{AFTER_BACKWARD}/{NAME}"
    array = np.ones((8, 4), dtype=getattr(ml_dtypes, dtype, dtype))
    for folder, content in zip(folders, (array, further(array, 3, 7, 9)), strict=True):
        hold(folder, **{name: content, "losses/0/0": np.float32(1)})
    result = compare(*folders)
    elements = 64 if array.dtype.kind == "c" else 32  # a complex number counts as two
    assert result.verdict == (
        "first difference: step 4, gradient of `2.weight`: loss, batch, weights and generators equal; "
        f"3 of {elements} elements differ, by at most 2 ULPs"
    )
    assert result.more == ()
    told = CliRunner().invoke(command, [*map(str, folders), "--json"], standalone_mode=False)
    said = json.loads(told.output)["first_difference"]["values"]
    assert said["name"].removesuffix(f":{dtype}") == name
    assert (said["elements"], said["of"], said["distance"], said["unit"]) == (3, elements, 2, "ULP")


def test_not_numbers_and_infinities_are_named(tmp_path: Path) -> None:
    folders = records(tmp_path, gradient)
    name = f"gradients/{AFTER_BACKWARD}/{NAME}"
    array = np.ones(9, dtype="f4")
    other = array.copy()
    other[[0, 1, 2]] = np.nan, np.inf, -np.inf
    for folder, content in zip(folders, (array, other), strict=True):
        hold(folder, **{name: content})
    said = compare(*folders).verdict.partition("; ")[2]
    assert said.startswith("3 of 9 elements differ, by at most ")
    assert said.endswith(" ULPs, and 1 of them NaN, and 2 of them infinite")


def test_integers_differ_by_their_difference(tmp_path: Path) -> None:
    def change(event: dict[str, Any]) -> None:
        event["calls"][0]["arguments"] = made.digest("other", event["step"])

    folders = records(tmp_path, change)
    for folder, word in zip(folders, (7, 3), strict=True):
        names = {f"calls/0/arguments/{number}": np.arange(4) for number in (0, 1, 11)}
        hold(folder, **{**names, "calls/0/arguments/2": np.array([1, 2, word])})
    assert compare(*folders).verdict.endswith("; 1 of 3 elements differ, by at most 4")


@pytest.mark.parametrize("clipped", [0, 1])
def test_gradients_that_only_one_has_changed_are_compared_with_those_before(
    tmp_path: Path, clipped: int
) -> None:
    first = made.training(6)
    both = [first, made.another(first)]
    from_step(
        both[clipped],
        STEP,
        lambda event: event["gradients"].update(
            {AT_OPTIMIZER: put(event["gradients"][AFTER_BACKWARD], NAME)}
        ),
    )
    folders = [made.write(tmp_path / name, events) for name, events in zip("ab", both, strict=True)]
    array = np.ones((8, 4), dtype="f4")
    for number, folder in enumerate(folders):
        after = {f"gradients/{AFTER_BACKWARD}/{NAME}": array}
        at = {f"gradients/{AT_OPTIMIZER}/{NAME}": further(array, 5)} if number == clipped else {}
        hold(folder, **after, **at)
    result = compare(*folders)
    assert result.place is not None
    assert result.place.what == "clipping"
    assert result.verdict.endswith("; 1 of 32 elements differ, by at most 2 ULPs")


def test_without_values_the_command_that_records_them_is_the_last_line(tmp_path: Path) -> None:
    folders = records(tmp_path, gradient)
    result = compare(*folders)
    assert result.values is None
    assert list(lines(result))[-2:] == [
        "how many elements differ, and by how much: record both again, and compare",
        f"  {MORE}",
    ]
    hold(folders[0], **{f"gradients/{AFTER_BACKWARD}/{NAME}": np.ones(3, "f4")})  # only one holds them
    assert compare(*folders).more == (MORE,)


def test_other_commands_are_told_apart(tmp_path: Path) -> None:
    first = made.training(6)
    second = made.another(first)
    second[0]["command"] = ["python", "train.py", "--name", "a b"]
    from_step(second, STEP, gradient)
    folders = [
        made.write(tmp_path / name, events) for name, events in zip("ab", (first, second), strict=True)
    ]
    assert compare(*folders).more == (f"{MORE}   # A", f"{MORE} --name 'a b'   # B")


@pytest.mark.parametrize(
    ("variables", "profile", "before"),
    [
        ({"PYTHONHASHSEED": "7"}, "run", "SAMEBITS_ALLOW=PYTHONHASHSEED PYTHONHASHSEED=7 "),
        ({"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "3", "LC_ALL": "C.UTF-8"}, "run", "SAMEBITS_THREADS=3 "),
        ({"TZ": "x;rm -r *", "IPYTHONDIR": "/tmp", "LD_PRELOAD": "x.so"}, "portable", "PROFILE=portable "),
        ({"OMP_NUM_THREADS": None, "TZ": 3}, "unknown", ""),
    ],
)
def test_the_command_has_the_variables_that_the_record_was_made_with(
    tmp_path: Path, variables: dict[str, Any], profile: str, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMEBITS_ENTRYPOINT", "1")  # the hint goes through it
    first = made.training(6)
    (settings,) = (event for event in first if event["event"] == "settings")
    settings["fingerprint"] |= {"variables": variables, "profile": profile}
    second = made.another(first)
    from_step(second, STEP, gradient)
    folders = [made.write(tmp_path / name, each) for name, each in (("a", first), ("b", second))]
    words = ("samebits", "record", "--values", "4:4", "--", "python", "train.py")
    assert compare(*folders).more == (before + hint(*words),)


def test_a_command_with_a_secret_is_not_printed(tmp_path: Path) -> None:
    first = made.training(6)
    first[0]["command"] = ["python", "train.py", "--token=***"]
    second = made.another(first)
    from_step(second, STEP, gradient)
    folders = [made.write(tmp_path / name, each) for name, each in (("a", first), ("b", second))]
    assert compare(*folders).more == ()


@pytest.mark.parametrize("kind", ["jax", "a run"])
def test_where_no_command_would_write_them_none_is_given(tmp_path: Path, kind: str) -> None:
    first = made.training(6)
    if kind == "jax":
        (settings,) = (event for event in first if event["event"] == "settings")
        settings["framework"] = kind
    else:
        first[0]["command"] = []
    second = made.another(first)
    from_step(second, STEP, gradient)
    a, b = (made.write(tmp_path / name, each) for name, each in zip("ab", (first, second), strict=True))
    result = compare(a, b)
    assert result.place is not None
    assert result.more == ()


def test_a_command_that_is_not_known_as_a_whole_is_not_printed(tmp_path: Path) -> None:
    first, second = made.training(6), made.training(6)
    from_step(second, STEP, gradient)
    others = made.training(1, pid=70)  # as of `sh -c "python a.py && python b.py"`
    folders = [
        made.write(tmp_path / name, events, others)
        for name, events in zip("ab", (first, second), strict=True)
    ]
    assert compare(*folders).more == ()


def test_where_values_say_nothing_no_command_is_given(tmp_path: Path) -> None:
    folders = records(tmp_path, lambda event: event.update(lrs=[0.01]))
    assert compare(*folders).more == ()


def test_a_damaged_file_is_a_note(tmp_path: Path) -> None:
    folders = records(tmp_path, gradient)
    for folder in folders:
        path = hold(folder, **{f"gradients/{AFTER_BACKWARD}/{NAME}": np.ones(3, "f4")})
    path.write_bytes(path.read_bytes()[:-4])
    result = compare(*folders)
    assert result.values is None
    (note,) = result.notes
    assert note.startswith(f"{path} is not a complete safetensors file")
    assert note.endswith(": its elements are not counted")
