"""What the hazards of both frameworks share: sizes, settings, and the trial of each operation by itself."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from samebits.errors import CheckFailed
from samebits.run.option import option
from samebits.run.options import RunSettings

WIDTH = 16  # features of a state
LENGTH = 16  # states in a sequence, which the image operations see as 4×4
WORDS = 50
CLASSES = 4
TRIES = 3  # of each operation, by which one that claims to repeat and does not is caught


@dataclass(frozen=True)
class Settings(RunSettings):
    steps: int = option(30, "batches to train on", minimum=1)
    batch_size: int = option(32, "sequences in a step", minimum=1)


def probe(
    names: Iterable[str],
    tries: Callable[[str], set[str]],
    explain: Callable[[BaseException], str | None],
    *,
    device: str,
    deterministic: bool,
) -> dict[str, str]:
    """Try each operation forward and backward, alone, several times from one seed, and print what it does.

    Args:
        names: the operations.
        tries: the hashes of an operation's output and gradients; one, unless it moves.
        explain: what an error says about an operation without a deterministic kernel; None for another error.
        device: where they run, for the message.
        deterministic: whether other bits are an error, or what was to be shown.

    Returns:
        The operations that are refused here, each with the reason and what to use in its place.

    Raises:
        CheckFailed: an operation ran in deterministic mode and gave different bits.
    """
    refused: dict[str, str] = {}
    moving = []
    for name in names:
        try:
            hashes = tries(name)
        except Exception as error:  # TensorFlow's own errors have no ancestor more special
            reason = explain(error)
            if reason is None:
                raise
            refused[name] = reason
            print(f"{name:30} refused: {reason}")
            continue
        print(f"{name:30} {'the same bits' if len(hashes) == 1 else 'OTHER BITS'} in {TRIES} tries")
        if len(hashes) > 1:
            moving.append(name)
    if moving and deterministic:
        raise CheckFailed(f"on {device} these give other results in deterministic mode: {', '.join(moving)}")
    return refused
