"""A loader for a training loop that is somebody else's, such as Lightning's or Hugging Face's."""

from collections.abc import Iterator
from typing import Any

from samebits.errors import UsageError
from samebits.run.run import Run


class Steps:
    """What `Loop.steps` gives, as something with a length that can be gone through again.

    Args:
        run: an open run that holds what the loop trains before the first batch is asked for.
        loader: one from `samebits.torch.loader`.
        size: how many batches the loop fetches for a step.

    Raises:
        UsageError: another kind of loader, which could not begin where a run stopped.
    """

    def __init__(self, run: Run, loader: Any, size: int = 1) -> None:
        if not hasattr(loader, "begin_at"):
            raise UsageError(
                f"the training's loader is a {type(loader).__name__}, which cannot begin where a run "
                "stopped: give one that samebits.torch.loader made"
            )
        self.run, self.loader, self.size = run, loader, size

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        return self.run.loop.steps(self.loader, self.size)


def kept(callback: Any, known: tuple[str, ...]) -> str | None:
    """The attributes of a callback that may decide how the training continues; None when nothing does.

    Args:
        callback: one of the user's or of the library's.
        known: the library's classes of which it is known that they decide nothing.
    """
    if getattr(callback, "stateless", False) or type(callback).__name__ in known:
        return None
    names = [name for name in vars(callback) if name not in GIVEN]
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "") or None


GIVEN = ("log", "log_dict")  # by Lightning, to every callback
