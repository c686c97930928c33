"""Where each sample is augmented at random, its number tells another order from other contents."""

from pathlib import Path

import pytest
from tests.samebits.diff import made
from tests.samebits.diff.made import digest

from samebits.diff.command import compare


def trainings(tmp_path: Path, *orders, steps=8):
    """The result of two trainings; a row of one is never a row of the other.

    Args:
        tmp_path: of the test.
        orders: for A and for B: gives the samples of each of its steps.
        steps: of each.
    """
    for name, order in zip("ab", orders, strict=True):
        events = made.another(made.training(steps))
        for event in events:
            if event["event"] == "step":
                number = event["step"]
                rows = digest("rows", name, number)
                event["calls"][0] |= {"arguments": digest(name, number), "rows": rows}
                event["samples"] = order(number)
        made.write(tmp_path / name, events)
    return compare(tmp_path / "a", tmp_path / "b")


CASES = {
    "epochs in another order": (
        lambda n: [[2 * (n % 4), 2 * (n % 4) + 1]],
        lambda n: [[2 * (-n % 4), 2 * (-n % 4) + 1]] if n != 4 else [[0, 1]],
        "order",
        "the samples of 3 steps together are the same in another order, the first: sample 2 in A, 6 in B",
    ),
    "swapped": (lambda n: [[2 * n, 2 * n + 1]], lambda n: [[2 * n + 1, 2 * n]], "order", "its 2 samples are"),
    "the same": (lambda n: [[2 * n, 2 * n + 1]],) * 2 + ("contents", "the same 2 samples were read in the"),
    "others": (
        lambda n: [[2 * n]],
        lambda n: [[99 - n]],
        "samples",
        "of the samples of 8 steps",
    ),
    "without numbers": (lambda n: [[f"{n:016}"]], lambda n: [[f"{8 - n:016}"]], "order", "the samples of 7"),
    "very large": (lambda n: [["a" * 32]], lambda n: [["b" * 32]], None, ""),
    "nobody knows": (lambda n: [], lambda n: [], "contents", "other contents"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_was_asked_for_decides(case: str, tmp_path: Path) -> None:
    first, second, kind, text = CASES[case]
    result = trainings(tmp_path, first, second)
    assert result.place is not None
    assert (result.place.what, result.place.step) == ("batch", 1)
    cause = next((cause for cause in result.causes if cause.kind in ("order", "samples", "contents")), None)
    assert (None if cause is None else cause.kind) == kind
    assert text in ("" if cause is None else cause.evidence[0])


def test_a_loop_that_reads_ahead_tells_its_order_a_step_earlier(tmp_path: Path) -> None:
    """At step 3 the batch differs; both have read step 4's sample there, which is the same."""
    orders = {"a": [1, 2, 3, 4, 5, 6], "b": [1, 2, 4, 4, 5, 6]}
    for name, order in orders.items():
        events = made.another(made.training(5))
        for event in events:
            if event["event"] == "step":
                at = event["step"]
                event["samples"] = [[each] for each in (order[:2] if at == 1 else order[at : at + 1])]
                if at >= 3:
                    event["calls"][0] |= {"arguments": digest(name, at), "rows": digest(name, at)}
        made.write(tmp_path / name, events)
    result = compare(tmp_path / "a", tmp_path / "b")
    assert (result.place and result.place.step, result.causes[0].kind) == (3, "order")
