"""Orders that no seed decides: of results as they come, of what a folder lists, where nobody sorts them."""

import ast
import functools
import sys
from collections.abc import Collection
from types import FrameType
from typing import Any

from samebits.chance import calls
from samebits.chance.never_fails import never_fails
from samebits.chance.places import outwards
from samebits.chance.records import RECORDS, Source
from samebits.process.code_owner import owner
from samebits_lint.module import attribute
from samebits_lint.order import Order
from samebits_lint.rules.draws import DRAWS

# What is given to these, in an order, has it.
IN_PLACE = ("normal_", "uniform_", "random_", "bernoulli_", "trunc_normal_", "reset_parameters")
FRAMEWORKS = ("torch", "numpy", "tensorflow", "keras", "jax", "pandas", "sklearn", "datasets")


class Used(Order):
    """Whether the order of something matters where a program used it: the linter's answer, and a bit more.

    The linter cannot know whether code takes part in a training; here it ran in one.
    """

    def _is_data(self, node: ast.AST) -> bool:
        return True

    def _matters(self, node: ast.AST, sequence: bool, numbered: bool) -> bool:
        parent = self.module.parents[node]
        if isinstance(parent, ast.Dict) and sequence:  # `{"params": [layer.weight for layer in layers]}`
            return self._matters(parent, True, numbered)
        return super()._matters(node, sequence, numbered)

    def _given(self, call: ast.Call, node: ast.AST, sequence: bool, numbered: bool) -> bool:
        given = call.func is not node and sequence
        if given and self.module.called(call).partition(".")[0] in FRAMEWORKS:
            return True
        return super()._given(call, node, sequence, numbered)

    def _loop(self, loop: ast.For | ast.AsyncFor, numbered: bool) -> bool:
        inside = (node for statement in loop.body for node in ast.walk(statement))
        return any(map(self._draws, inside)) or super()._loop(loop, numbered)

    def taken(self, call: ast.Call) -> bool:
        """Whether anything depends on which of several elements a call gives, another each time."""
        for outer in self.module.around(call):
            if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                break
            if isinstance(outer, ast.For | ast.AsyncFor | ast.While):
                turns = ast.For(ast.Name("_"), call, outer.body, [])
                self._asked = set()
                if self._loop(turns, numbered=False):
                    return True
        return self.matters(call, sequence=True)

    def _draws(self, node: ast.AST) -> bool:
        """Whether a call draws from a global generator: each turn of a loop then gets other numbers."""
        if not isinstance(node, ast.Call):
            return False
        called = self.module.called(node)
        initialises = called.startswith("torch.nn.init.") or attribute(node) in IN_PLACE
        return called in DRAWS or initialises or super()._draws(node)


def matters(frame: FrameType, names: Collection[str]) -> bool:
    """Whether the order of what a frame of the user's goes through matters, as far as its file tells.

    Args:
        frame: in a call, or at the head of a loop.
        names: the last names of the calls that give it, such as "as_completed".
    """
    module = calls.module(frame.f_code.co_filename)
    node = calls.given_by(frame, names)
    return module is not None and node is not None and Used(module).matters(node, sequence=True)


@never_fails
def note(
    kind: str, source: str, fix: str, frame: FrameType | None, names: Collection[str], ours: tuple[str, ...]
) -> None:
    """Count an order that the user's own code took, if anything depends on it.

    Args:
        kind, source, fix: see `Source`.
        frame: what asked for it, or goes through it.
        names: the last names of the calls that give it.
        ours: the files of Python's through which it is asked for; another file's use is not the user's.
    """
    for each in outwards(frame):
        if owner(each.f_code.co_filename) == "user":
            if _matters_here(each.f_code, each.f_lasti, frozenset(names), each):
                RECORDS.add(Source(kind, source, each.f_code.co_filename, each.f_lineno, "", fix))
            return
        if not each.f_code.co_filename.endswith(ours):
            return


_answers: dict[Any, bool] = {}


def _matters_here(code: Any, place: int, names: frozenset[str], frame: FrameType) -> bool:
    key = (code, place, names)
    if key not in _answers:
        _answers[key] = matters(frame, names)
    return _answers[key]


# ---------------------------------------------------------------- results in the order of completion


def watch_futures() -> None:
    """`as_completed` asks one function of its module for what waits: only that one is replaced."""
    base: Any = sys.modules["concurrent.futures._base"]
    original = base._create_and_install_waiters

    @functools.wraps(original)
    def create(futures: Any, return_when: Any) -> Any:
        frame = sys._getframe(1)
        if return_when is base._AS_COMPLETED:
            _completed("concurrent.futures.as_completed", frame.f_back, "as_completed")
        return original(futures, return_when)

    base._create_and_install_waiters = create


def watch_pools() -> None:
    """The pools of `multiprocessing`, which torch's and others are made of."""
    pool: Any = sys.modules["multiprocessing.pool"].Pool
    original = pool.imap_unordered

    @functools.wraps(original)
    def imap_unordered(self: Any, *arguments: Any, **named: Any) -> Any:
        _completed("Pool.imap_unordered", sys._getframe(1), "imap_unordered")
        return original(self, *arguments, **named)

    pool.imap_unordered = imap_unordered


def watch_asyncio() -> None:
    """`asyncio.as_completed`, under both of its names."""
    tasks: Any = sys.modules["asyncio.tasks"]
    original = tasks.as_completed

    @functools.wraps(original)
    def as_completed(*arguments: Any, **named: Any) -> Any:
        _completed("asyncio.as_completed", sys._getframe(1), "as_completed")
        return original(*arguments, **named)

    tasks.as_completed = as_completed
    if (package := sys.modules.get("asyncio")) is not None:
        package.as_completed = as_completed  # type: ignore[attr-defined]


FIXES = {
    "concurrent.futures.as_completed": "go through the futures in the order in which they were submitted",
    "Pool.imap_unordered": "Pool.imap(…) gives the results in their order",
    "asyncio.as_completed": "asyncio.gather(…) gives the results in their order",
}


def _completed(source: str, frame: FrameType | None, name: str) -> None:
    ours = ("concurrent/futures/_base.py", "tqdm/std.py", "tqdm/asyncio.py", "rich/progress.py")
    note("completion", source, FIXES[source], frame, (name,), ours)


# ---------------------------------------------------------------- listings

LISTS = ("listdir", "scandir", "glob", "iglob", "rglob", "iterdir", "walk", "fwalk")


def watch_listings() -> None:
    """Python announces `os.listdir` and `os.scandir` to audit hooks; all else lists folders through these."""
    sys.addaudithook(_listed)


def _listed(event: str, arguments: Any) -> None:
    if event in ("os.listdir", "os.scandir"):
        ours = ("/glob.py", "/pathlib.py", "/os.py", "pathlib/_local.py", "pathlib/_abc.py", "/fnmatch.py")
        note("listing", "a folder's listing", "wrap it in sorted(…)", sys._getframe(1), LISTS, ours)
