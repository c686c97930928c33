"""A batch's digest sees whatever may differ, and a chain of them the order."""

import numpy as np

from samebits.hashing.batches import NONE, batch_digest, chained


def test_a_batchs_digest_sees_values_order_shape_and_type():
    x = np.arange(6, dtype=np.float32)
    y = np.arange(3)
    batches = [
        (x, y),
        (y, x),
        (x[::-1], y),
        (x.reshape(2, 3), y),
        (x.astype(np.float64), y),
        {"x": x, "y": y},
    ]
    assert len({batch_digest(batch) for batch in batches}) == len(batches)
    assert batch_digest((x, y)) == batch_digest((x.copy(), y.copy()))


def test_a_chain_sees_the_order():
    a, b = batch_digest([1]), batch_digest([2])
    chain, other = chained(chained(NONE, a), b), chained(chained(NONE, b), a)
    assert chain != other
    assert len(chain) == len(NONE)
