"""Several processes read parts of the data and put them into one queue."""

import multiprocessing

from torch.utils.data import TensorDataset


def read(paths, results):
    for path in paths:
        results.put(path.read_bytes())


def instances(parts):
    results = multiprocessing.Queue()
    for part in parts:
        multiprocessing.Process(target=read, args=(part, results)).start()
    rows = []
    while len(rows) < sum(map(len, parts)):
        rows.append(results.get())
    return TensorDataset(rows)
