"""The format of manifests, checkpoints and golden.toml; a reader refuses every other one."""

from samebits.errors import UsageError

FORMAT = 2
LAST_READER = {1: "e251841"}  # an older format, and samebits' last commit that reads it


def refuse_other(what: object, number: object, then: str = "") -> None:
    """Refuse a file of another format.

    Args:
        what: the file.
        number: the format that it names; None where it names none.
        then: what else the user can do.

    Raises:
        UsageError: it is not this version's format.
    """
    if number == FORMAT and not isinstance(number, bool):
        return
    commit = LAST_READER.get(number) if isinstance(number, int) else None
    reader = f": samebits' last commit that reads it is {commit}" if commit else ""
    raise UsageError(f"{what} has format {number!r}, this version of samebits reads {FORMAT}{reader}{then}")
