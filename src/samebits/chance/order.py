"""Orders that no seed decides: whether anything depends on them, and what a folder lists, unsorted."""

import ast
import sys
from collections.abc import Callable, Collection
from types import FrameType
from typing import Any

from samebits.chance import calls
from samebits.chance.never_fails import never_fails
from samebits.chance.places import outwards
from samebits.chance.records import RECORDS, Source
from samebits.process.code_owner import owner
from samebits_lint.module import attribute
from samebits_lint.names import spelled
from samebits_lint.order import Order
from samebits_lint.rules.draws import DRAWS

# What is given to these, in an order, has it.
IN_PLACE = ("normal_", "uniform_", "random_", "bernoulli_", "trunc_normal_", "reset_parameters")
POPS = ("pop", "popleft", "popitem")
FRAMEWORKS = ("torch", "numpy", "tensorflow", "keras", "jax", "pandas", "sklearn", "datasets")


class Used(Order):
    """Whether the order of something matters where a program used it: the linter's answer, and a bit more.

    The linter cannot know whether code takes part in a training; here it ran in one.
    """

    _takes = False  # whether what is asked about is one of several elements

    def _is_data(self, node: ast.AST) -> bool:
        return True

    def _matters(self, node: ast.AST, sequence: bool, numbered: bool) -> bool:
        parent = self.module.parents[node]
        if isinstance(parent, ast.Dict) and sequence:  # `{"params": [layer.weight for layer in layers]}`
            return self._matters(parent, True, numbered)
        if self._takes and isinstance(parent, ast.Subscript) and parent.value is node:  # a part of it
            return self._matters(parent, sequence, numbered)
        if self._takes and isinstance(parent, ast.ListComp | ast.GeneratorExp):  # one for each turn
            return self._matters(parent, True, numbered)
        if sequence and isinstance(parent, ast.Attribute) and parent.attr in POPS:
            call = self.module.parents[parent]
            return isinstance(call, ast.Call) and call.func is parent and self._taken(call)
        return super()._matters(node, sequence, numbered)

    def _given(self, call: ast.Call, node: ast.AST, sequence: bool, numbered: bool) -> bool:
        given = call.func is not node and sequence
        if given and self.module.called(call).partition(".")[0] in FRAMEWORKS:
            return True
        return super()._given(call, node, sequence, numbered)

    def _loop(self, loop: ast.For | ast.AsyncFor, numbered: bool) -> bool:
        inside = [node for statement in loop.body for node in ast.walk(statement)]
        return (
            any(map(self._draws, inside))
            or super()._loop(loop, numbered)
            or any(map(self._fills_part, inside))
        )

    def _fills_part(self, node: ast.AST) -> bool:
        """`groups["decay"].append(parameter)`, where it matters what is in which place of a part of it."""
        if not isinstance(node, ast.Call) or attribute(node) not in ("append", "extend"):
            return False
        part = node.func.value if isinstance(node.func, ast.Attribute) else None
        if not isinstance(part, ast.Subscript):
            return False
        self._takes = True
        return self._named(part.value, True, False)

    def taken(self, call: ast.Call) -> bool:
        """Whether anything depends on which of several elements a call gives, another each time."""
        self._asked, self.feeds = set(), True
        return self._taken(call)

    def _taken(self, call: ast.Call) -> bool:
        self._takes = True
        for outer in self.module.around(call):
            if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                break
            if isinstance(outer, ast.For | ast.AsyncFor | ast.While):
                turns = ast.For(ast.Name("_"), call, outer.body, [])
                if self._loop(turns, numbered=False):
                    return True
        return self._matters(call, True, numbered=False)

    def called_in_turn(self, callback: ast.expr) -> bool:
        """Whether anything depends on the order in which a function is called with its arguments."""
        self._asked, self.feeds = set(), True
        if isinstance(callback, ast.Attribute):  # `rows.append`
            return callback.attr in ("append", "extend") and self._named(callback.value, True, False)
        if isinstance(callback, ast.Lambda):
            body: list[ast.stmt] = [ast.Expr(callback.body)]
        else:
            function = self.module.functions.get(spelled(callback) or "")
            body = function.body if function is not None else []
        return self._loop(ast.For(ast.Name("_"), callback, body, []), numbered=False)

    def _named(self, target: ast.expr, sequence: bool, numbered: bool) -> bool:
        if self._takes and isinstance(target, ast.Tuple):  # `number, row = queue.get()`
            return any(self._named(element, sequence, numbered) for element in target.elts)
        return super()._named(target, sequence, numbered)

    def _comes_later(self, use: ast.expr, target: ast.expr) -> bool:
        """In the text, or in the next turn of a loop around both."""
        around = (node for node in self.module.around(target) if isinstance(node, ast.For | ast.While))
        return super()._comes_later(use, target) or any(loop.lineno <= use.lineno for loop in around)

    def _scope(self, target: ast.expr, written: str) -> ast.AST:
        """Where it is bound: what a function appends to may be its caller's."""
        for scope in self.module.scopes(target):
            if isinstance(scope, ast.Module) or written in self.module.bound_in(scope):
                return super()._scope(target, written) if "." in written else scope
        return super()._scope(target, written)

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
    kind: str,
    source: str,
    fix: str,
    frame: FrameType | None,
    names: Collection[str],
    ours: tuple[str, ...],
    asked: Callable[[FrameType, Collection[str]], bool] = matters,
) -> None:
    """Count an order that the user's own code took, if anything depends on it.

    Args:
        kind, source, fix: see `Source`.
        frame: what asked for it, or goes through it.
        names: the last names of the calls that give it.
        ours: the files of Python's through which it is asked for; another file's use is not the user's.
        asked: whether anything depends on it.
    """
    for each in outwards(frame):
        if owner(each.f_code.co_filename) == "user":
            key = (asked, each.f_code, each.f_lasti, frozenset(names))
            if key not in _answers:
                _answers[key] = asked(each, names)
            if _answers[key]:
                RECORDS.add(Source(kind, source, each.f_code.co_filename, each.f_lineno, "", fix))
            return
        if not each.f_code.co_filename.endswith(ours):
            return


_answers: dict[Any, bool] = {}


THROUGH = ("/glob.py", "/pathlib.py", "/os.py", "pathlib/_local.py", "pathlib/_abc.py", "/fnmatch.py")
LISTS = ("listdir", "scandir", "glob", "iglob", "rglob", "iterdir", "walk", "fwalk")


def watch_listings() -> None:
    """Python announces `os.listdir` and `os.scandir` to audit hooks; all else lists folders through these."""
    sys.addaudithook(_listed)


def _listed(event: str, arguments: Any) -> None:
    if event in ("os.listdir", "os.scandir"):
        note("listing", "a folder's listing", "wrap it in sorted(…)", sys._getframe(1), LISTS, THROUGH)
