"""Begins to record Keras, where it computes with TensorFlow; nothing else is imported for it."""

from typing import Any

import keras

from samebits.record.format import STEP

BELOW_THE_STEP = "layers and operations of Keras: in graph mode nothing can be placed below the step"


def attach(process: Any) -> None:
    """Record Keras in this process from now on.

    Args:
        process: a `samebits.record.begin.Process`.
    """
    if (backend := keras.backend.backend()) != "tensorflow":
        process.writer.write({"event": "unseen", "what": f"Keras on {backend}: steps of its optimisers"})
        return
    if process.writer.level != STEP:
        process.writer.write({"event": "unseen", "what": BELOW_THE_STEP})
    from samebits.keras import record_hooks

    record_hooks.attach(process)
