"""Orders that differ from run to run are named where something depends on them, and nowhere else."""

from tests.samebits.chance.conftest import marked

ORDERS = """
import asyncio, glob, os
from concurrent.futures import ThreadPoolExecutor, as_completed
from multiprocessing.pool import ThreadPool
from pathlib import Path
import numpy as np

async def later():
    tasks = [asyncio.ensure_future(asyncio.sleep(0, number)) for number in range(3)]
    rows = []
    for task in asyncio.as_completed(tasks):  #!
        rows.append(await task)
    return np.array(rows)

rows = []
with ThreadPoolExecutor(2) as pool:
    futures = [pool.submit(abs, number) for number in range(4)]
    for future in as_completed(futures):  #!
        rows.append(future.result())
    data = np.array(rows)
    waiting = as_completed(futures)
    data = np.stack([future.result() for future in waiting])  #!
with ThreadPool(2) as pool:
    data = np.array(list(pool.imap_unordered(abs, range(4))))  #!
asyncio.run(later())
names = os.listdir(".")  #!
train, test = names[:2], names[2:]
data = np.array([len(name) for name in glob.glob("*")])  #!
texts = []
for path in Path(".").iterdir():  #!
    texts.append(path.name)
data = np.array(texts)
"""

SORTED = """
import glob, os, shutil, tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from multiprocessing.pool import ThreadPool
from pathlib import Path
import numpy as np

results, rows, done = {}, [], 0
with ThreadPoolExecutor(2) as pool:
    futures = {pool.submit(abs, number): number for number in range(4)}
    for future in as_completed(futures):
        results[futures[future]] = future.result()
        rows.append(future.result())
        done += 1
        print(done)
    rows.sort()
    data = np.array(rows)
    most = max(future.result() for future in as_completed(futures))
    for future in futures:
        rows.append(future.result())
with ThreadPool(2) as pool:
    data = np.array(sorted(pool.imap_unordered(abs, range(4))))
    data = np.array(pool.map(abs, range(4)))
names = os.listdir(".")
names.sort()
train = names[:2]
data = np.array([len(name) for name in sorted(glob.glob("*"))])
for path in Path(".").iterdir():
    print(path, len(os.listdir(".")))
data = np.array(sorted(path.name for path in Path(".").rglob("*")))
shutil.rmtree(tempfile.mkdtemp())
"""


def test_an_order_that_differs_from_run_to_run_is_named(watched):
    named = watched(ORDERS)
    assert [row["where"] for row in named] == marked(ORDERS)
    assert [row["kind"] for row in named] == ["completion"] * 4 + ["listing"] * 3
    assert named[1]["source"] == "concurrent.futures.as_completed"


def test_an_order_that_is_sorted_or_not_used_is_not_named(watched):
    assert watched(SORTED) == []
