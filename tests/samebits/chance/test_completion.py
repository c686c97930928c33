"""Results in the order of completion are named where something depends on it, and nowhere else."""

from tests.samebits.chance.conftest import marked

READY_FIRST = """
import multiprocessing, queue, threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
import numpy as np

def fill(results, number):
    results.put((number, number * number))

def keep(result):
    called.append(result)

called, rows, third, words = [], [], [], []
results = queue.Queue()
threads = [threading.Thread(target=fill, args=(results, number)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for _ in range(2):
    number, row = results.get()  #!
    rows.append(row)
while not results.empty():
    rows.append(results.get_nowait())  #!
np.array(rows, dtype=object)
with ThreadPool(2) as pool:
    for number in range(3):
        pool.apply_async(abs, (number,), callback=keep)  #!
        pool.apply_async(abs, (number,), {}, words.append)  #!
    pool.close()
    pool.join()
np.array(called), np.array(words)
with ThreadPoolExecutor(2) as pool:
    for number in range(3):
        pool.submit(abs, number).add_done_callback(lambda future: third.append(future.result()))  #!
np.stack(third)
processes = multiprocessing.get_context("fork")
results = processes.Queue()
workers = [processes.Process(target=fill, args=(results, number)) for number in range(3)]
for worker in workers:
    worker.start()
values = np.array([results.get()[1] for _ in workers])  #!
for worker in workers:
    worker.join()
"""

IN_ORDER = """
import multiprocessing, queue, threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
import numpy as np

def fill(results, numbers):
    for number in numbers:
        results.put((number, number * number))

def keep(result):
    kept[result] = 2 * result

kept, table, rows, done = {}, np.zeros(8), [], []
results = queue.Queue()
threads = [threading.Thread(target=fill, args=(results, (number, number + 4))) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for _ in range(4):
    number, row = results.get()
    table[number] = row
for _ in range(4):
    rows.append(results.get())
rows.sort()
np.array(rows)
alone = queue.Queue()
fill(alone, range(3))
np.array([alone.get()[1] for _ in range(3)])
best = queue.PriorityQueue()
for thread in [threading.Thread(target=fill, args=(best, (number,))) for number in range(3)]:
    thread.start(), thread.join()
np.array([best.get()[1] for _ in range(3)])
with ThreadPool(2) as pool:
    waiting = [pool.apply_async(abs, (number,), callback=done.append) for number in range(3)]
    np.array([each.get() for each in waiting])
    pool.apply_async(abs, (5,), callback=keep).wait()
    print(len(done))
processes = multiprocessing.get_context("fork")
results = processes.Queue()
workers = [processes.Process(target=fill, args=(results, (number,))) for number in range(3)]
for worker in workers:
    worker.start()
print(sum(results.get()[1] for _ in workers))
for worker in workers:
    worker.join()
"""


def test_what_comes_in_the_order_of_completion_is_named(watched):
    named = watched(READY_FIRST)
    assert [row["where"] for row in named] == marked(READY_FIRST)
    assert {row["kind"] for row in named} == {"completion"}
    assert named[0]["source"] == "a queue that several threads fill"
    assert named[-1]["source"] == "a queue that several processes fill"


def test_what_is_put_in_order_or_counted_is_not_named(watched):
    assert watched(IN_ORDER) == []
