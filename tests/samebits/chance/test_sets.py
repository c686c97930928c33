"""Sets of objects are ordered by address: named where that order is used. Other sets are not."""

from tests.samebits.chance.conftest import marked

SETS = """
import numpy as np

class Layer:
    def __init__(self, name):
        self.name = name

layers = [Layer(name) for name in "abcdef"]
every = set(layers)
head = {layers[0], layers[1]}
rest = every - head
names = []
for layer in rest:  #!
    names.append(layer.name)
names = np.array(names)
values = np.array([layer.name for layer in every.difference(head)])  #!
groups = [{"params": [layer.name for layer in every]}]  #!
np.array(groups)
np.array(list(set(layers)), dtype=object)  #!
"""

ORDERED = """
import numpy as np

class Layer:
    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return self.number

layers = [Layer(number) for number in range(6)]
objects = {object() for _ in range(6)}
numbers, words = {1, 2, 3}, {"a", "b"}
np.array([layer.number for layer in set(layers)])
np.array([number for number in numbers])
np.array([word for word in words])
np.array([str(each) for each in dict.fromkeys(layers)])
np.array(sorted(id(each) for each in objects))
for each in objects:
    print(each)
total = len(objects), any(each is None for each in objects)
alone = {object()}
np.array([each for each in alone], dtype=object)
"""


def test_a_set_of_objects_is_named_where_its_order_is_used(watched):
    named = watched(SETS)
    assert [row["where"] for row in named] == marked(SETS)
    assert {row["kind"] for row in named} == {"set"}
    assert named[0]["source"] == "the order of the set rest, whose members hash by address"
    assert [row["count"] for row in named] == [1, 1, 1, 1]


def test_other_sets_and_unused_orders_are_not_named(watched):
    assert watched(ORDERED) == []
