"""environment.yml edited in place: its comments, order and layout stay."""

import re
from collections.abc import Sequence

from samebits.bootstrap.environment_yml import COMMENT, ENTRY, ENVIRONMENT, KEY, PIP, read
from samebits.errors import UsageError


def added(text: str, rows: Sequence[str]) -> str:
    """The text with more entries at the end of its `pip:` list.

    Args:
        text: of an environment.yml that `read` reads.
        rows: requirements, as they are to stand there.

    Raises:
        UsageError: nobody knows where they belong, so that somebody must write them.
    """
    lines = text.splitlines(keepends=True)
    last, begins = _last_entry(lines)
    if last is None:
        raise _by_hand(rows)
    end = "" if lines[last].endswith("\n") else "\n"
    lines[last] += end + "".join(f"{begins}{row}\n" for row in rows)
    changed = "".join(lines)
    before, after = read(text), read(changed)
    if {**after, "pip": after["pip"][: -len(rows)]} != before or after["pip"][-len(rows) :] != list(rows):
        raise _by_hand(rows)
    return changed


def _last_entry(lines: Sequence[str]) -> tuple[int | None, str]:
    """The number of the last line of the `pip:` list, and what its entries begin with: `      - `."""
    last, begins, indent = None, "", None
    for number, whole in enumerate(lines):
        line = COMMENT.sub("", whole).rstrip()
        if match := PIP.fullmatch(line):
            last, indent, begins = number, len(match[1]), f"{match[1]}    - "
        elif indent is not None and line:
            match = ENTRY.fullmatch(line)
            if KEY.fullmatch(line) or (match and len(match[1]) <= indent):
                break  # the list has ended
            if match:
                last, begins = number, re.match(r" *- +", line)[0]  # type: ignore[index] # ENTRY begins so
    return last, begins


def _by_hand(rows: Sequence[str]) -> UsageError:
    wanted = " and ".join(f"`- {row}`" for row in rows)
    return UsageError(f"{ENVIRONMENT}: write {wanted} into its `pip:` list by hand, then `make lock`")
