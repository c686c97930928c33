"""Sorting random names is an order by chance, where the program itself made the names and reads the files."""

import json
import uuid

from tests.samebits.chance.conftest import marked

SORTED = """
import glob, os, secrets, shutil, subprocess, sys, tempfile, uuid
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
import numpy as np

def write(folder, name):
    os.makedirs(folder, exist_ok=True)
    np.save(f"{folder}/{name}.npy", np.ones(3))

def four(folder, make):
    for number in range(4):
        write(folder, make())
    return folder

def four_temporary(folder):
    os.makedirs(folder)
    for number in range(4):
        handle, path = tempfile.mkstemp(dir=folder, suffix=".npy")
        os.close(handle)
        np.save(path, np.ones(3))

def moved(folder):
    four_temporary(f"{folder}-before")
    os.makedirs(folder)
    for path in Path(f"{folder}-before").iterdir():
        shutil.move(path, f"{folder}/{path.name}")

def read(path):
    return np.load(path)

if __name__ == "__main__":
    uuids = four("uuids", uuid.uuid4)
    short = four("short", lambda: "sample-" + uuid.uuid4().hex[:8])
    tokens = four("tokens", lambda: secrets.token_hex(8))
    bytes_ = four("bytes", lambda: os.urandom(6).hex())
    numbers = four("numbers", iter(range(4)).__next__)
    four_temporary("temporary")
    moved("moved")
    code = "import uuid, train; train.four('child', uuid.uuid4)"
    subprocess.run([sys.executable, "-c", code], check=True)

    data = np.stack([np.load(f"uuids/{name}") for name in sorted(os.listdir(uuids))])  #!
    names = glob.glob("short/*.npy")  #!
    names = sorted(names)
    data = np.stack([np.load(name) for name in names])
    rows = []
    for path in sorted(Path(tokens).glob("*.npy")):  #!
        rows.append(np.load(path))
    data = np.array(rows)
    files = os.listdir(bytes_)  #!
    files.sort()
    train, test = files[:2], files[2:]
    loaded = [np.load(f"bytes/{name}") for name in files]
    data = np.stack([np.load(name) for name in sorted(glob.glob("temporary/*"), key=str)])  #!
    data = np.stack([np.load(name) for name in sorted(glob.glob("moved/*"))])  #!
    data = np.stack([np.load(name) for name in sorted(glob.glob("child/*"))])  #!
    in_workers = sorted(glob.glob("uuids/*"))  #!
    with ProcessPoolExecutor(2) as pool:
        data = np.stack(list(pool.map(read, in_workers)))

    data = np.stack([np.load(name) for name in sorted(glob.glob("numbers/*"))])
    by_time = np.stack([np.load(name) for name in sorted(glob.glob("short/*"), key=os.path.getmtime)])
    for path in sorted(Path(uuids).iterdir()):
        print(np.load(path).shape)
    total = sum(np.load(path).sum() for path in sorted(Path(uuids).iterdir()))
    write("constant", uuid.uuid5(uuid.NAMESPACE_DNS, "a"))
    write("constant", uuid.UUID(int=2**127 + 5, version=4))
    data = np.stack([np.load(path) for path in sorted(Path("constant").iterdir())])
    one = four("one", iter(range(4)).__next__)
    write("one", uuid.uuid4())
    lengths = np.array([len(name) for name in sorted(os.listdir("one")) if len(name) < 6])
    read(f"one/{sorted(os.listdir(one))[0]}")
"""


def test_sorted_random_names_are_named_and_others_are_not(watched) -> None:
    named = [row for row in watched(SORTED) if row["kind"] != "data"]
    assert [row["where"] for row in named] == marked(SORTED)
    sources = [row["source"].rpartition(" ")[2] for row in named]
    expected = ["uuid.uuid4()", "uuid.uuid4()", "secrets", "os.urandom()", "tempfile", "tempfile"]
    assert sources == [*expected, "uuid.uuid4()", "uuid.uuid4()"]
    assert {row["kind"] for row in named} == {"listing"}
    assert all(row["certain"] for row in named)


RUN = """
import os, uuid
from pathlib import Path
import numpy as np
import torch
import samebits.torch
from torch.utils.data import DataLoader, Dataset

class Rows(Dataset):
    def __init__(self, folder):
        self.paths = sorted(Path(folder).iterdir())  #!

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        return torch.from_numpy(np.load(self.paths[index]))

def train():
    os.makedirs("made")
    for number in range(4):
        np.save(f"made/{uuid.uuid4()}.npy", np.ones(2, np.float32))
    with samebits.torch.open_run({"seed": 0}, folder="run") as run:
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for rows in (Rows("made"), Rows("before")):
            for batch in DataLoader(rows, batch_size=2, num_workers=2):
                optimizer.zero_grad()
                model(batch).sum().backward()
                optimizer.step()
        print([len(np.load(path)) for path in Rows("before").paths])
        run.finish(model)

if __name__ == "__main__":
    train()
"""


def test_a_run_names_them_too_and_says_of_older_ones_that_it_cannot_know(start, tmp_path) -> None:
    (tmp_path / "train.py").write_text(RUN)
    (tmp_path / "before").mkdir()
    for _ in range(3):
        (tmp_path / f"before/{uuid.uuid4()}.npy").write_bytes(NPY)
    done = start("python", "train.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    named = [row["where"] for row in manifest["chance"] if row["kind"] == "listing"]
    assert named == marked(RUN)
    assert manifest["chance_not_looked_at"]["what"] == [
        "whether another program gives the files in before other random names in each run: watch that "
        "program, too"
    ]


NPY = (
    b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }".ljust(127)
    + b"\n"
    + bytes(8)
)
