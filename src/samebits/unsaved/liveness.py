"""Which local variables will still be read, from where a frame stands.

A variable is *live* where some path from there reads it before it is written (Aho, Lam, Sethi, Ullman,
"Compilers", 9.2.5). The analysis goes backwards over the bytecode of CPython 3.11, 3.12 and 3.13.

A loop is taken to have an item when it begins: a training has batches.
Taken as live wherever the frame stands, as a function made inside may read them at any time: variables that
are shared with an inner or an outer function and, in a module's own code, names that its functions read.
"""

import dis
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType, FrameType

LEAVES = {"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"}  # no instruction comes after these
JUMPS_ALWAYS = {"JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"}
AT_ONCE = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}
LOCAL = re.compile("(LOAD|STORE|DELETE)_(?:FAST|DEREF|CLOSURE)")  # 3.13 has two of them in one instruction
GLOBAL = re.compile("(LOAD|STORE|DELETE)_(?:NAME|GLOBAL)")
SAVED = "saved "  # before a variable's name: the value that an inlined comprehension puts aside (3.12 on)


@dataclass
class Step:
    """One instruction.

    Attributes:
        actions: what it does to variables, in order: LOAD, STORE, DELETE, SAVE or RESTORE, and the name.
        follows: the instructions that may come next, by their place in the list.
        fails_to: those that an exception in it leads to.
    """

    offset: int
    name: str
    actions: list[tuple[str, str]]
    follows: list[int] = field(default_factory=list)
    fails_to: list[int] = field(default_factory=list)


def live_names(frame: FrameType) -> frozenset[str]:
    """The variables of a frame that will still be read, from where it stands.

    In a `for` that asks for its next item, an item is taken to come: a run is not saved after the last one.
    """
    return live_at(frame.f_code, frame.f_lasti)


def live_at(code: CodeType, offset: int) -> frozenset[str]:
    """`live_names` of a frame of this code whose latest instruction began at `offset`, in bytes."""
    steps, before, always = _analysed(code)
    here = max((at for at, step in enumerate(steps) if step.offset <= offset), default=None)
    if here is None:
        return always
    step = steps[here]
    follows = step.follows[-1:] if step.name == "FOR_ITER" else step.follows  # the last one is the next below
    return always.union(*(before[at] for at in (*follows, *step.fails_to)))


@functools.cache
def _analysed(code: CodeType) -> tuple[list[Step], list[frozenset[str]], frozenset[str]]:
    """The instructions, what is live before each, and what is live everywhere."""
    steps = _steps(code)
    before: list[frozenset[str]] = [frozenset()] * len(steps)
    changed = True
    while changed:
        changed = False
        for at in range(len(steps) - 1, -1, -1):
            step = steps[at]
            live = set().union(*(before[_entered(steps, at, next_)] for next_ in step.follows))
            for action, name in reversed(step.actions):
                _undo(action, name, live)
            live.update(*(before[handler] for handler in step.fails_to))
            if live != before[at]:
                before[at], changed = frozenset(live), True
    # A comprehension reads what it shares at once, an inner function at any time.
    always = set(code.co_freevars).union(
        *(inner.co_freevars for inner in _codes(code) if inner.co_name not in AT_ONCE)
    )
    if code.co_name == "<module>":
        always |= set(_names_inside(code))
    saved_too = (frozenset(name for name in live if not name.startswith(SAVED)) for live in before)
    return steps, list(saved_too), frozenset(always)


def _entered(steps: list[Step], at: int, next_: int) -> int:
    """The instruction that comes next: of a loop that begins, the first one inside, as it has an item."""
    if next_ == at + 1 and steps[next_].name == "FOR_ITER":
        return steps[next_].follows[-1]
    return next_


def _undo(action: str, name: str, live: set[str]) -> None:
    """From what is live after an action to what is live before it."""
    if action == "LOAD":
        live.add(name)
    elif action == "SAVE":  # and unbind, until it is restored: the value is read if it is read after that
        live.discard(name)
        if SAVED + name in live:
            live.discard(SAVED + name)
            live.add(name)
    else:
        if action == "RESTORE" and name in live:
            live.add(SAVED + name)
        live.discard(name)


def _steps(code: CodeType) -> list[Step]:
    places: dict[int, int] = {}
    instructions: list[dis.Instruction] = []
    for instruction in dis.get_instructions(code):
        places[instruction.offset] = len(instructions)
        if instruction.opname != "EXTENDED_ARG":  # belongs to the next one, and jumps lead to it
            instructions.append(instruction)
    kinds = GLOBAL if code.co_name == "<module>" else LOCAL
    steps = []
    leaves_with = False
    for at, instruction in enumerate(instructions):
        step = Step(instruction.offset, instruction.opname, list(_actions(instruction, kinds)))
        if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            step.follows.append(places[instruction.argval])
        if leaves_with and step.follows:
            step.follows.clear()  # a `with` that swallows an exception is taken for one that does not
        leaves_with = instruction.opname == "WITH_EXCEPT_START" or (
            leaves_with and instruction.opname == "TO_BOOL"
        )
        if instruction.opname not in LEAVES | JUMPS_ALWAYS and at + 1 < len(instructions):
            step.follows.append(at + 1)
        steps.append(step)
    for entry in dis.Bytecode(code).exception_entries:  # type: ignore[attr-defined]
        for step in steps:
            if entry.start <= step.offset < entry.end:
                step.fails_to.append(places[entry.target])
    _mark_restored(steps)
    return steps


def _actions(instruction: dis.Instruction, pattern: "re.Pattern[str]") -> Iterator[tuple[str, str]]:
    actions = pattern.findall(instruction.opname)
    if instruction.opname == "LOAD_FAST_AND_CLEAR":
        actions = ["SAVE"]
    value = instruction.argval
    yield from zip(actions, value if isinstance(value, tuple) else (value,), strict=False)


def _mark_restored(steps: list[Step]) -> None:
    """Find where inlined comprehensions give variables back what they had; else their saving is a reading.

    That is in the stores directly behind the loop's end, the first of each variable that was saved.
    """
    saved = {name for step in steps for action, name in step.actions if action == "SAVE"}
    restored: set[str] = set()
    for at, step in enumerate(steps):
        if step.name in ("END_FOR", "END_ASYNC_FOR"):
            restored |= _restore_behind(steps[at + 1 :], set(saved))
    for step in steps:
        step.actions = [
            ("LOAD" if action == "SAVE" and name not in restored else action, name)
            for action, name in step.actions
        ]


def _names_inside(code: CodeType) -> Iterator[str]:
    """The global names that a module's functions, classes and comprehensions read."""
    for inner in _codes(code):
        for instruction in dis.get_instructions(inner):
            yield from (name for action, name in _actions(instruction, GLOBAL) if action == "LOAD")
        yield from _names_inside(inner)


def _codes(code: CodeType) -> Iterator[CodeType]:
    return (inner for inner in code.co_consts if isinstance(inner, CodeType))


def _restore_behind(steps: list[Step], saved: set[str]) -> set[str]:
    restored: set[str] = set()
    for step in steps:
        if step.name in ("POP_TOP", "POP_ITER", "SWAP"):
            continue
        for number, (action, name) in enumerate(step.actions):
            if action == "STORE" and name in saved - restored:
                step.actions[number] = ("RESTORE", name)
                restored.add(name)
        if not step.actions or any(action == "LOAD" for action, _ in step.actions):
            break
    return restored
