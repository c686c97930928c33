"""What a training can reach around a step, less what its checkpoints hold: a cheap digest of each value.

Nothing is called that a user wrote but `state_dict` of what the run holds, which each checkpoint calls, too.
"""

import gc
import types
from collections.abc import Set
from types import CodeType, FrameType
from typing import Any

from samebits.rng import generators
from samebits.unsaved import source
from samebits.unsaved.about import About
from samebits.unsaved.frames import innermost, local_names, variables
from samebits.unsaved.in_states import saved_whole
from samebits.unsaved.liveness import live_names
from samebits.unsaved.training import Training
from samebits.unsaved.within import Within


class Walk(Within):
    """One look at what is alive.

    Args:
        training: what is looked at.
        epoch: the one that runs, which the run itself gives back.
        until: when looking must end, by `time.thread_time`.
        carried: the attributes that checkpoints hold by themselves: identities of their objects, and names.
    """

    def __init__(
        self, training: Training, epoch: int, until: float, carried: Set[tuple[int, str]] = frozenset()
    ) -> None:
        objects = training.objects
        super().__init__(training.toolkit, objects, until, carried)
        self._objects, self._epoch = objects, epoch
        whole = [part for target in objects.values() for part in saved_whole(target)]
        for target in (*training.ours, *_global_generators(), *whole, objects):
            self._seen[id(target)] = target
        self._in_libraries = training.in_libraries

    # ------------------------------------------------------------ where looking begins

    def run(self, frames: list[FrameType], loader: Any) -> None:
        """Everything: what is held, the loader, the user's frames, the user's modules."""
        names = self._names = local_names(frames)
        for held, target in self._objects.items():
            name = names.get(id(target), held)
            about = About(name, "", None, "local", name, innermost(frames), held=True)
            self._look(about, f"held {held}", target, 0)
        if loader is not None:
            name = names.get(id(loader), "loader")
            self._look(About(name, "", None, "local", name, innermost(frames)), "loader", loader, 0)
        shown: dict[int, frozenset[str]] = {}
        for frame in reversed(frames):  # whether what a function returns is only shown, its caller says
            caller = frame.f_back
            only = caller is not None and source.shows_result(caller, shown.get(id(caller)))
            shown[id(frame)] = source.shown_names(frame.f_code, not only)
        for frame in frames:
            if frame.f_code.co_name != "<module>":
                self._frame(frame, shown[id(frame)])
        running = {id(frame.f_globals): frame for frame in frames if frame.f_code.co_name == "<module>"}
        for module in source.users_modules():
            self._module(module, running.get(id(vars(module))))
        for name, generator in self._in_libraries:
            self._look(About(name, "", None, "library", name), name, generator, 0)
        for name, fix in self._toolkit.between_steps().items():
            self._leaf(About(name, "cache", None, "fix", fix), f"framework {name}", self._count)

    def iterators(self, generator: Any, frame: FrameType | None) -> None:
        """What goes through the run's batches: the count of an `enumerate`, the other parts of a `zip`."""
        code = variable = None
        if frame is not None:
            code = frame.f_code
            variable = source.loop_variable(code, frame.f_lineno)
        for around in _around(generator):
            if type(around) is enumerate:
                shown = code is not None and variable in source.shown_names(code)
                name = f"{variable or 'the count'} of enumerate"
                about = About(name, "int", None, "loop", variable or "", code, shown)
                self._leaf(about, "enumerate", around.__reduce__()[1][1])
            else:
                name = type(around).__name__
                self._look(About(f"{name}(…)", "", None, "iterator", variable or "", code), name, around, 0)

    def _frame(self, frame: FrameType, shown: frozenset[str]) -> None:
        live, code = live_names(frame), frame.f_code
        for name, value in variables(frame):
            if name in live and not name.startswith(".") and not self._is_epoch(code, name, value):
                root = "closure" if name in code.co_freevars else "local"
                about = About(name, "", None, root, name, code, name in shown)
                self._look(about, f"{code.co_qualname}:{name}", value, 0)

    def _module(self, module: types.ModuleType, frame: FrameType | None) -> None:
        live = live_names(frame) if frame is not None else None
        shown = source.shown_names(frame.f_code) if frame is not None else frozenset()
        prefix = "" if module.__name__ in ("__main__", "__mp_main__") else f"{module.__name__}."
        for name, value in list(vars(module).items()):
            if not name.startswith("__") and (live is None or name in live):
                if frame is not None and self._is_epoch(frame.f_code, name, value):
                    continue
                about = About(prefix + name, "", None, "global", name, module.__file__, name in shown)
                self._look(about, f"{module.__name__}.{name}", value, 0)

    def _is_epoch(self, code: CodeType, name: str, value: Any) -> bool:
        """Whether it is the variable of `for epoch in run.epochs(…)`, which the run gives back."""
        return type(value) is int and value == self._epoch and source.is_loop_variable(code, name)


def _global_generators() -> list[Any]:
    return [generator for _, row in generators.imported() for generator in row.shared()]


def _around(generator: Any) -> list[Any]:
    """The iterators of Python's that go through a generator, and those around these."""
    iterators: list[Any] = []
    level = [generator]
    for _ in range(4):
        level = [
            referrer
            for referrer in gc.get_referrers(*level)
            if type(referrer).__module__ in ("builtins", "itertools")
            and hasattr(type(referrer), "__next__")
            and not isinstance(referrer, types.GeneratorType)
        ]
        if not level:
            break
        iterators += level
    return iterators
