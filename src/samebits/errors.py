"""The two ways in which a command of samebits ends badly, each one clear line."""

from samebits._printable import printable


class SamebitsError(Exception):
    """An error that a user can act on: its text is one line (what, where, what was expected, what to do)."""

    status = 1

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: in a notebook, too, it is one line."""
        return [f"samebits: {printable(self)}"]


class UsageError(SamebitsError):
    """A wrong option, file, folder or environment: exit status 2."""

    status = 2


class CheckFailed(SamebitsError):  # noqa: N818
    """A check ran and found a difference: exit status 1."""

    status = 1
