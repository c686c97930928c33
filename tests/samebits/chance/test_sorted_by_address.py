"""Sorting by an address is named; by anything else it is not."""

from tests.samebits.chance.conftest import marked

SORTS = """
import numpy as np

class Layer:
    pass

layers = [Layer() for _ in range(4)]
words = ["b", "a"]
np.array(sorted(layers, key=id))  #!
layers.sort(key=lambda layer: hash(layer))  #!
np.array(sorted(words, key=hash))
print(len(sorted(layers, key=id)))
np.array(sorted(range(3), key=abs))
by_id = {id(layer): layer for layer in layers}
by_name = {name: layer for name, layer in zip("abcd", layers)}
np.array([by_id[key] for key in sorted(by_id)])  #!
np.array([by_name[key] for key in sorted(by_name)])
"""


def test_sorting_by_an_address_is_named(watched):
    named = watched(SORTS)
    assert [row["where"] for row in named] == marked(SORTS)
    assert [row["source"] for row in named] == [
        "an order by id(), which is an address",
        "an order by hash(), which is an address",
        "an order by id(), which is an address",
    ]
