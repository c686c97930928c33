"""Generators of torch and TensorFlow that took a seed of the operating system's."""

import functools
import sys
from types import FrameType
from typing import Any

from samebits.chance.made import source_at
from samebits.chance.methods import set_method
from samebits.chance.places import place
from samebits.chance.records import RECORDS, Source

KERAS = "Keras's global generator before it had a seed"


def watch_torch() -> None:
    """`torch.Generator` is a class of C, whose methods cannot be set from outside: its table is changed."""
    torch: Any = sys.modules["torch"]
    original = torch.Generator.seed
    ours = (torch.random.__file__, torch.cuda.random.__file__)

    @functools.wraps(original)
    def seed(self: Any) -> int:
        number: int = original(self)
        if (where := place(_past(sys._getframe(1), ours))) is not None:
            if self is torch.default_generator:
                what, fix = "torch.seed()", "torch.manual_seed(seed)"
            else:
                what, fix = "torch.Generator.seed()", "generator.manual_seed(seed)"
            RECORDS.add(source_at(where, what, fix))
        return number

    set_method(torch.Generator, "seed", seed)


def watch_tensorflow() -> None:
    """`tf.random.Generator` is a class of Python's."""
    kind: Any = sys.modules["tensorflow"].random.Generator
    original = kind.__dict__["from_non_deterministic_state"].__func__
    ours = (sys.modules[kind.__module__].__file__,)

    @functools.wraps(original)
    def from_non_deterministic_state(cls: Any, *arguments: Any, **named: Any) -> Any:
        if (where := place(_past(sys._getframe(1), ours))) is not None:
            what = "tf.random.Generator.from_non_deterministic_state()"
            RECORDS.add(source_at(where, what, "tf.random.Generator.from_seed(seed)"))
        return original(cls, *arguments, **named)

    kind.from_non_deterministic_state = classmethod(from_non_deterministic_state)


def watch_tensorflow_global() -> None:
    """Each operation that draws asks one function for its seeds; without any it cannot be deterministic."""
    seeds: Any = sys.modules["tensorflow.python.framework.random_seed"]
    original = seeds.get_seed

    @functools.wraps(original)
    def get_seed(op_seed: Any) -> Any:
        if op_seed is None and _has_no_seed():
            where = place(_past_package(sys._getframe(1)))
            if where is not None and where.user is not None:
                what = "TensorFlow's global generator before it had a seed"
                fix = "tf.random.set_seed(seed) before it"
                RECORDS.add(Source("global generator", what, where.file, where.line, where.library, fix))
        return original(op_seed)

    seeds.get_seed = get_seed


def keras_was_drawn_from() -> bool:
    """Whether somebody drew from `keras.random`'s own generator, and nobody had given Keras a seed.

    Keras makes this generator with the first draw, and takes it away with `keras.utils.set_random_seed`.
    """
    kept: Any = sys.modules.get("keras.src.backend.common.global_state")
    if kept is None:
        return False
    generator, seed = map(kept.get_global_attribute, ("global_seed_generator", "global_random_seed"))
    return generator is not None and seed is None


def _has_no_seed() -> bool:
    """Whether nobody gave TensorFlow a seed: a function that it traces has the seed in its graph."""
    context: Any = sys.modules["tensorflow.python.eager.context"]
    if context.executing_eagerly():
        return context.global_seed() is None
    graphs: Any = sys.modules["tensorflow.python.framework.ops"]
    return graphs.get_default_graph().seed is None


def _past_package(frame: FrameType | None) -> FrameType | None:
    """The first frame outside of TensorFlow, and of the code that it writes for a function that it traces."""
    ours = ("-packages/tensorflow/", "__autograph_generated_file")
    while frame is not None and any(part in frame.f_code.co_filename for part in ours):
        frame = frame.f_back
    return frame


def _past(frame: FrameType | None, files: tuple[str | None, ...]) -> FrameType | None:
    """The first frame outside of these files, which belong to what was asked."""
    while frame is not None and frame.f_code.co_filename in files:
        frame = frame.f_back
    return frame
