"""The rows of a lock of wheels: which packages it has, in which versions. Standard library alone."""

import re

ROW = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
# A wheel of the project's own folder: `./vendor/NAME-VERSION-py3-none-any.whl`, whose name says the same.
WHEEL = re.compile(r"^\./(?:\S*/)?([^/\s-]+)-([^/\s-]+)-[^/\s]+\.whl(?=\s|$)", re.MULTILINE)


def plain(name: str) -> str:
    """A package's name as all spellings of it are compared: `Ruamel.yaml` is `ruamel-yaml`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    """The versions in a lock, by package.

    Args:
        text: the lock's; `NAME==VERSION …` or the path of a wheel at a line's start is a row.
    """
    return {plain(name): version for kind in (ROW, WHEEL) for name, version in kind.findall(text)}
