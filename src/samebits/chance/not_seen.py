"""What a run did not look at: its manifest names it, so that an empty list is not taken for more."""

lines: dict[str, None] = {}  # in words, each once, in the order in which they were noted


def not_seen(what: str) -> None:
    """Note something that is not looked at in this process."""
    lines[what] = None
