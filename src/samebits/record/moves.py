"""Between which places of a training generators moved: by their states at each look, with the lines."""

from collections.abc import Mapping
from types import FrameType

from samebits.chance.places import users
from samebits.process.code_owner import owner
from samebits.record.places import shown

MOST_MOVES = 64  # of one event that are listed; of more, the first ones
CODE = "code"

Spot = tuple[str, int]  # a file and a line
Move = list[str]  # the generator, its new state's digest, during what it moved, the line


class Moves:
    """How generators moved.

    Only differences between two looks are known. So a move is told with what was done between them, in
    whichever thread.
    """

    def __init__(self) -> None:
        self._moves: list[Move] = []
        self._last: Spot | None = None

    def here(self, frame: FrameType | None) -> Spot | None:
        """The user's line: in a frame, or above it; that of the last look where there is no frame."""
        user = None if frame is None else _users(frame)
        return (user.f_code.co_filename, user.f_lineno) if user is not None else self._last

    def arrive(self, here: Spot | None) -> None:
        """A look ends at a line: the next one begins there."""
        self._last = here

    def add(self, name: str, digest: str, during: str, here: Spot | None) -> None:
        """A generator is in another state than at the last look.

        Args:
            name: its name.
            digest: of its state.
            during: what was done since the last look; CODE: nothing that is known, so lines are told.
            here: the user's line.
        """
        line = "" if here is None else shown(*here)
        if during == CODE and self._last not in (None, here):
            assert self._last is not None
            during = f"code from {shown(*self._last)} to {line}"
        move = [name, digest, during, line]
        for last in reversed(self._moves):
            if last[0] == name:
                if last[2:] == move[2:]:
                    last[1] = move[1]
                    return
                break
        if len(self._moves) < MOST_MOVES:
            self._moves.append(move)

    def take(self) -> list[Move]:
        """How they moved since this was called last, in order."""
        moves, self._moves = self._moves, []
        return moves


class Looks(Moves):
    """The same of generators whose states are known as digests."""

    def __init__(self) -> None:
        super().__init__()
        self._digests: dict[str, str] = {}

    def look(self, digests: Mapping[str, str], during: str, frame: FrameType | None) -> None:
        """Compare the states with those of the last look.

        Args:
            digests: of the states, by generator. One that is seen for the first time has not moved.
            during: what was done since the last look, or CODE.
            frame: the user's code is in it, or above it; None: nobody knows.
        """
        here = self.here(frame)
        for name, digest in digests.items():
            if self._digests.get(name, digest) != digest:
                self.add(name, digest, during, here)
            self._digests[name] = digest
        self.arrive(here)


def _users(frame: FrameType) -> FrameType | None:
    return frame if owner(frame.f_code.co_filename) == "user" else users(frame)
