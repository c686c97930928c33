"""Begins to record Keras, where it computes with TensorFlow; nothing else is imported for it."""

from typing import Any

import keras


def attach(process: Any) -> None:
    """Record Keras in this process from now on.

    Args:
        process: a `samebits.record.begin.Process`.
    """
    if (backend := keras.backend.backend()) != "tensorflow":
        process.writer.write({"event": "unseen", "what": f"Keras on {backend}: steps of its optimisers"})
        return
    from samebits.keras import record_hooks

    record_hooks.attach(process)
