"""The controls show what they claim, and the command fails when one does not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from tests.conftest import FRAMEWORKS, ROOT, Started, one_line

from samebits.errors import UsageError
from samebits.proof import controls
from samebits.proof.controls.perturb import order_from_set
from samebits.proof.controls.table import Control, Variant, environment

Start = Callable[..., Started]
CLEAN = {"JOBS": "2", "DEVICE": None, "FRAMEWORK": None, "SAMEBITS_ALLOW": None}

# Every control there is, and its outcome on a CPU.
SHOWN = ["again", "seed", "evaluation", "workers", "draw-python", "draw-numpy", "set-order", "threads"]
ON_CPU = {
    "torch": {
        **dict.fromkeys([*SHOWN, "draw-torch"], "ok"),
        "keras-json": "skipped",
        "atomics": "skipped",
    },
    "keras": {
        **dict.fromkeys([*SHOWN, "draw-keras", "draw-tensorflow", "keras-json"], "ok"),
        "atomics": "skipped",
    },
}


@pytest.mark.slow  # README.md's test has `--only seed`
def test_a_control(start: Start, tmp_path: Path) -> None:
    chosen = ["set-order"]
    only = [word for name in chosen for word in ("--only", name)]
    done = start("samebits", "smoke-controls", "--device", "cpu", "--json", *only, cwd=tmp_path, **CLEAN)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(done.stdout)["controls"]
    assert {result["name"]: result["outcome"] for result in results} == dict.fromkeys(chosen, "ok")
    for result in results:
        assert result["baseline"] == result["protected"]
        assert result["plain_baseline"] != result["unprotected"]
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_all_controls(start: Start, tmp_path: Path, framework: str) -> None:
    arguments = ("--framework", framework, "--device", "cpu", "--json")
    done = start("samebits", "smoke-controls", *arguments, cwd=tmp_path, timeout=1800, **CLEAN)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(done.stdout)["controls"]
    outcomes = {result["name"]: result["outcome"] for result in results}
    expected = dict(ON_CPU[framework])
    if not (ROOT / "cookiecutter.json").exists():  # a project's own training can be too small for threads
        assert outcomes["threads"] in (expected.pop("threads"), "skipped")
        del outcomes["threads"]
    assert outcomes == expected


# A training that nothing reaches, neither a seed nor a thread: every control that must bite fails on it.
DEAF = """
import json, os
from pathlib import Path
from samebits.hashing.weights import Tensor, save_tensors

folder = Path(os.environ["SAMEBITS_RUN_FOLDER"])
folder.mkdir()
save_tensors({"w": Tensor("F32", (1,), lambda: CONTENT)}, folder / "weights.safetensors")
(folder / "manifest.json").write_text(json.dumps({"device": "cpu"}))
"""


@pytest.mark.parametrize(
    ("content", "control", "says"),
    [
        (
            "bytes(4)",
            "draw-python",
            "without the protection the weights are the baseline's: it shows nothing",
        ),
        ("bytes(4)", "seed", "with the protection the weights are the baseline's, but must differ"),
        ("os.urandom(4)", "workers", "with the protection the weights are not the baseline's"),
    ],
)
def test_a_control_that_shows_nothing_fails(
    start: Start, tmp_path: Path, content: str, control: str, says: str
) -> None:
    (tmp_path / "deaf.py").write_text(DEAF.replace("CONTENT", content))
    done = start("samebits", "smoke-controls", "--only", control, "deaf", cwd=tmp_path, **CLEAN)
    assert done.returncode == 1, done.stdout + done.stderr
    line = one_line(done.stderr)
    assert f"1 of 1 controls failed: {control}: {says}" in line
    kept = line.partition("runs kept in ")[2].rstrip(")")
    assert (tmp_path / kept / "0-baseline.log").exists() or (tmp_path / kept / "1-baseline.log").exists()
    assert f"fail: {says}"[:30] in done.stdout


def test_an_unknown_control_is_wrong_use(start: Start, tmp_path: Path) -> None:
    done = start("samebits", "smoke-controls", "--only", "draws", cwd=tmp_path, **CLEAN)
    assert done.returncode == 2
    assert "there is no control 'draws' for this framework; there are again, seed," in one_line(done.stderr)


class Known:
    """Trainings whose hashes are known already."""

    device = "cpu"

    def __init__(self, control: Control, hashes: str) -> None:
        self.hashes = dict(zip(control.runs(), hashes, strict=True))


@pytest.mark.parametrize(
    ("expected", "hashes", "outcome"),
    [
        ("protected", "aabc", "ok"),
        ("protected", "aabb", "fail"),
        ("protected", "abcd", "fail"),
        ("always", "abcd", "ok"),
        ("always", "aacd", "fail"),
        ("always", "abcc", "fail"),
        ("may", "abcd", "ok"),
        ("may", "aacc", "skipped"),
        ("may", "aacd", "fail"),
        ("may", "abcc", "fail"),
        ("never", "aacc", "ok"),
        ("never", "abcc", "fail"),
        ("never", "aacd", "fail"),
    ],
)
def test_outcomes(expected: str, hashes: str, outcome: str) -> None:
    control = Control("one", "something", Variant(arguments=("--perturbed",)), expected=expected)
    assert controls._judge(control, Known(control, hashes)).outcome == outcome  # type: ignore[arg-type]


def test_what_cannot_bite_is_not_run() -> None:
    control = Control("one", "something", Variant(), cannot_bite=lambda device: f"nothing on a {device}")

    class Nothing:
        device = "cpu"
        hashes: ClassVar[dict[Variant, str]] = {}

        def run(self, named: dict[Variant, str]) -> None:
            assert list(named.values()) in (["baseline"], [])

    result = controls.run_controls([control], Nothing())  # type: ignore[arg-type]
    assert (result[0].outcome, result[0].says) == ("skipped", "nothing on a cpu")


def test_what_the_user_allows_stays_allowed() -> None:
    variant = Variant(environment=(("SAMEBITS_ALLOW", "KERAS_HOME"),))
    assert environment(variant, {"SAMEBITS_ALLOW": "TZ"}) == {"SAMEBITS_ALLOW": "KERAS_HOME,TZ"}
    assert environment(Variant(), {"SAMEBITS_ALLOW": "TZ"}) == {}


def test_the_order_from_a_set_is_an_order() -> None:
    order = order_from_set(500)
    assert sorted(order) == list(range(500))
    assert order != sorted(order)


def test_names_are_checked_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="no control 'x'"):
        controls._choose([], ["x"])
