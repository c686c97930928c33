"""What threads append or draw at the same time is named; what each does for itself is not."""

from tests.samebits.chance.conftest import marked

AT_ONCE = """
import threading, time
from concurrent.futures import ThreadPoolExecutor
import numpy as np

np.random.seed(0)
rows = []

def work(number):
    time.sleep(0.05)
    rows.append(number)  #!

def draw(number):
    time.sleep(0.02)
    return np.random.rand()  #!

threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
data = np.array(rows)
with ThreadPoolExecutor(4) as pool:
    noise = np.array(list(pool.map(draw, range(8))))
"""

EACH = """
import threading, time
from concurrent.futures import ThreadPoolExecutor
import numpy as np

np.random.seed(0)
rows, later, alone = [], [], []

def work(number):
    time.sleep(0.02)
    rows.append(number)
    own = []
    own.append(np.random.default_rng(number).random())
    return own[0]

def one_by_one(number):
    alone.append(np.random.rand())

with ThreadPoolExecutor(4) as pool:
    noise = np.array(list(pool.map(work, range(8))))
rows.sort()
data = np.array(rows)
for number in range(3):
    thread = threading.Thread(target=one_by_one, args=(number,))
    thread.start()
    thread.join()
data = np.array(alone)
"""


def test_what_threads_do_at_the_same_time_is_named(watched):
    named = watched(AT_ONCE)
    assert [row["where"] for row in named] == marked(AT_ONCE)
    assert [row["source"] for row in named] == [
        "the order in which threads append",
        "the order in which threads draw from a global generator",
    ]


def test_what_a_thread_does_alone_or_for_itself_is_not_named(watched):
    assert watched(EACH) == []
