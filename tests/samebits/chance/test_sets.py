"""Sets of objects are ordered by address: named where that order is used. Other sets are not."""

import os
import subprocess
import sys

import pytest
from tests.conftest import ROOT, interpreter
from tests.samebits.chance.conftest import marked

SETS = """
import weakref
import numpy as np

class Layer:
    def __init__(self, name):
        self.name = name

np.random.seed(0)
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

def with_names():
    return {(layer, layer.name) for layer in layers}

held = {"all": every}
np.array([name for _, name in with_names()])  #!
for layer in held["all"]:  #!
    layer.weight = np.random.normal()
alive = weakref.WeakSet(layers)
np.array([layer.name for layer in alive])  #!
np.array(list({layers[0], "a", "b"}), dtype=object)  #!
np.stack([*map(id, every)])  #!
np.array(list(dict.fromkeys(every)), dtype=object)  #!
groups = {"decay": [], "none": []}
for layer in every:  #!
    groups["decay" if layer.name < "c" else "none"].append(layer.name)
np.array(groups["decay"])
stack, walked = [layers[0]], []
while stack:
    layer = stack.pop()
    if layer not in walked:
        walked.append(layer)
        stack.extend(every)  #!
np.array(walked, dtype=object)
todo, order = {*layers}, []
while todo:
    order.append(todo.pop())  #!
np.array(order, dtype=object)
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
stack, seen = [], set()
stack.extend(objects)
while stack:
    seen.add(stack.pop())
groups = {"all": []}
for each in objects:
    groups["all"].append(each)
print(len(groups["all"]))
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
    assert [row["count"] for row in named] == [1] * 11 + [6, 5], "a set of one object has no order"


def test_other_sets_and_unused_orders_are_not_named(watched):
    assert watched(ORDERED) == []


SIGNAL = """
import ctypes, os, signal, time
from samebits.chance import sets

class Interrupted(BaseException):
    pass

def stop(number, frame):
    raise Interrupted(number)

def look(members, each, frame):
    os.kill(os.getpid(), signal.SIGUSR1)

signal.signal(signal.SIGUSR1, stop)
slot = sets.Slot(set, look)
try:
    for member in set([1, 2]):
        slot.off()
    time.sleep(0.3)
except Interrupted as error:
    print(error)
for member in set([1, 2]):
    print(member)
"""


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_a_signal_that_arrives_while_a_set_is_looked_at_is_not_lost(version):
    if (python := interpreter(version)) is None:
        pytest.skip(f"there is no Python {version} here")
    done = subprocess.run(
        [python, "-B", "-c", SIGNAL],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert (done.stdout, done.stderr) == ("10\n1\n2\n", "")


def test_from_some_number_on_sets_are_as_they_were(tmp_path):
    script = """
import samebits.chance.sets as sets
from samebits.chance.begin import begin
from samebits.chance.not_seen import lines
sets.LOOKS = 100
begin()
numbers = {1, 2}
for _ in range(200):
    list(iter(numbers))
print(sets.slots, list(lines))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[] ['the order of sets, after the first 100 that the process went through']\n"
