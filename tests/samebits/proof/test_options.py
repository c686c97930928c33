"""An option that a training's command does not have: refused by its parser, or not read."""

import pytest

from samebits.proof import options


@pytest.mark.parametrize(
    "line",
    [
        "train.py: error: unrecognized arguments: --batch-size=4",
        "samebits: No such option '--batch-size'.",
        "FATAL Flags parsing error: Unknown command line flag 'batch-size'. Did you mean: size ?",
        "ERROR: Could not consume arg: --batch-size=4",
        "ValueError: Some specified arguments are not used by the HfArgumentParser: ['--batch-size=4']",
        "│ Unrecognized options: --batch-size │",
        "Error: Got unexpected extra argument (--batch-size 4)",
    ],
)
@pytest.mark.parametrize("words", [("--batch-size=4",), ("--batch-size", "4")])
def test_every_parsers_refusal_is_known(line: str, words: tuple[str, ...]) -> None:
    with pytest.raises(options.Lacking, match=r"the command has no option --batch-size$") as refused:
        options.refuse_unknown(f"usage: train.py [--size SIZE]\n{line}\n", words)
    assert refused.value.option == "--batch-size"


@pytest.mark.parametrize(
    "line",
    [
        "samebits: --batch-size is 4, must be at least 8",
        "ValueError: batch-size 4 does not divide 10",
        "error: unrecognized arguments: --batch-size-limit=4",
        "error: unrecognized arguments: --size=4",
        "RuntimeError: unknown device",
    ],
)
def test_another_fault_is_left_alone(line: str) -> None:
    options.refuse_unknown(line, ("--batch-size=4",))


def test_a_setting_that_stays_as_it_was_was_not_read() -> None:
    before = {"batch_size": 8, "rate": 0.5, "name": "a"}
    with pytest.raises(options.Lacking, match="does not read --batch-size: batch_size is 8 with it, too"):
        options.refuse_unread(before, before, ("--rate", "0.50", "--batch-size", "4"))
    options.refuse_unread(before, before | {"batch_size": 4}, ("--batch-size=4", "--other=1"))
    options.refuse_unread(before, before, ("--rate=5e-1", "--name=a"))
