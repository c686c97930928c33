"""What is said of a value that changes and is in no checkpoint: name, kind, where it is set, the fix."""

from collections.abc import Iterable
from types import CodeType
from typing import Any

from samebits.unsaved import source
from samebits.unsaved.about import About

CONTAINERS = ("list", "dict", "tuple", "deque", "set", "frozenset", "OrderedDict", "defaultdict", "Counter")


def row(about: About) -> dict[str, Any]:
    """A table for the manifest.

    `name`, `kind`, `where`, `fix`, whether it is only `shown`, and whether it lives `within_epochs` only: it
    does until an epoch's end has shown otherwise.
    """
    return {
        "name": about.name,
        "kind": about.kind,
        "where": where(about),
        "fix": fix(about),
        "shown": about.shown or (about.root == "attribute" and only_shown(about.owner, about.base)),
        "within_epochs": True,
    }


def only_shown(kind: Any, name: str) -> bool:
    """Whether a class has an attribute that only the user's own code reads, and only to show it.

    Args:
        kind: the class of the object that has the attribute; anything else sets none.
        name: of the attribute.
    """
    if not isinstance(kind, type):
        return False
    ours = all(source.is_users_class(base) or base.__module__ in ("builtins", "abc") for base in kind.__mro__)
    return ours and source.only_shown_attribute(name)


def affects_no_weight(name: str) -> str:
    """What the user writes to say so, of a name in a line."""
    return f"run.checkpoint({name!r}, affects_weights=False)"


def matching(name: str, ignored: Iterable[str]) -> bool:
    """Whether a name or something that has it, such as `a` for `a.b`, is among the ignored ones."""
    return any(name == whole or name.startswith((f"{whole}.", f"{whole}[")) for whole in ignored)


def where(about: About) -> str:
    """The file and the line that set a value again; else where it is made; empty where that is not known."""
    attribute = about.root in ("attribute", "class")
    owner = about.owner
    if isinstance(owner, CodeType):
        scopes = () if owner.co_name == "<module>" else _scopes(owner)
        there = [(owner.co_filename, scopes)]
    elif isinstance(owner, str):
        there = [(owner, ())]
    elif isinstance(owner, type):
        there = [
            (str(source.file_of(kind)), (kind.__qualname__,))
            for kind in owner.__mro__
            if source.is_users_class(kind) and source.file_of(kind)
        ]
    else:
        there = []
    places = []
    if attribute:
        everywhere = [(str(module.__file__), ()) for module in source.users_modules()]
        places = [*there, *everywhere]
    for path, scopes in places or there:
        line = source.source(path).where(about.base, attribute, scopes)
        if line is None and about.root == "class":
            line = source.source(path).where(about.base, False, scopes)
        if line is not None:
            return source.place(path, line)
    return ""


def _scopes(code: CodeType) -> tuple[str, ...]:
    """A function, and those around it, in which a variable that they share may be set."""
    parts = code.co_qualname.split(".<locals>.")
    return tuple(".<locals>.".join(parts[:number]) for number in range(len(parts), 0, -1))


def fix(about: About) -> str:
    """What to do, in words."""
    name, last = about.name, about.base
    if about.root == "fix":
        return about.base
    if about.root == "loop":
        return "it counts from this process's first batch: count in run.state, or use run.step"
    if about.root == "cache":
        return "a resumed run computes it anew: keep what decides in run.state"
    if about.root == "library":
        return f"add it: run.checkpoint(…, {_word(name)}={name})"
    if about.kind == "generator":
        return f"add it: run.checkpoint(…, {_word(last)}={name})"
    if about.kind == "iterator" or about.root == "iterator":
        return "its place cannot be saved: make it anew in each epoch, or count in run.state"
    if about.fixed and about.kind not in CONTAINERS:
        return f"add it: run.checkpoint(…, {_word(name)}={name})"
    if about.root == "attribute":
        module = any("register_buffer" in vars(kind) for kind in getattr(about.owner, "__mro__", ()))
        if about.held:  # so something beside it cannot be saved
            own = "register_buffer" if module else "give its object state_dict and load_state_dict"
            return f"run.state, or {own}"
        return f"add its object to run.checkpoint, or {'register_buffer' if module else 'run.state'}"
    return f"use run.state.{_word(last)} in its place"


def _word(name: str) -> str:
    word = name.rpartition(".")[2]
    return word if word.isidentifier() else "value"
