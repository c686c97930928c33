"""Chance in torch: draws before a seed, seeds of the system's, parameters that nobody wrote, workers."""

from tests.samebits.chance.conftest import marked

UNSEEDED = """
import os, time
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

class Data(Dataset):
    def __init__(self):
        self.rng = np.random.default_rng()  #!

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.full((64,), self.rng.random())

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Parameter(torch.empty(64))  #!
        self.large = nn.Parameter(torch.empty(2**24))  #!
        self.written = nn.Parameter(torch.empty(64))
        self.out = nn.Linear(64, 1)
        nn.init.zeros_(self.written.data)

    def forward(self, x):
        return self.out(x * self.gate + self.written)

early = nn.Linear(2, 2)  #!
order = torch.randperm(4, generator=torch.Generator().manual_seed(1))
torch.manual_seed(0)
generator = torch.Generator()
assert type(generator) is torch.Generator and isinstance(torch.default_generator, torch.Generator)
generator.seed()  #!
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
for batch in DataLoader(Data(), batch_size=4, num_workers=2):
    optimizer.zero_grad()
    model(batch.float()).sum().backward()
    optimizer.step()
torch.seed()  #!
number = os.getpid()
torch.Generator().manual_seed(number)  #!
torch.manual_seed(int(time.time()))  #!
"""

SEEDED = """
import pickle
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

class Own(torch.Generator):
    pass

list(DataLoader(torch.zeros(4)))  # draws a seed for workers that are not there
torch.manual_seed(0)
np.random.seed(0)
own, plain = Own(), pickle.loads(pickle.dumps(torch.Generator().manual_seed(3)))
assert own.manual_seed(3) is own and torch.equal(torch.rand(2, generator=own), torch.rand(2, generator=plain))
data = TensorDataset(torch.randn(32, 4))
model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 1))
torch.compile(model, backend="eager", fullgraph=True)(data.tensors[0])
own = nn.Parameter(torch.empty(3))
own.data.fill_(2.0)
optimizer = torch.optim.AdamW([*model.parameters(), own])
for epoch in range(2):
    for (batch,) in DataLoader(data, batch_size=8, shuffle=True, num_workers=1):
        optimizer.zero_grad()
        (model(batch).sum() + own.sum()).backward()
        optimizer.step()
np.random.rand()
torch.Generator().manual_seed(1700000000)
torch.manual_seed(torch.initial_seed())
"""


def test_each_source_in_torch_is_named(watched):
    named = watched(UNSEEDED)
    assert [row["where"] for row in named] == marked(UNSEEDED)
    kinds = [row["kind"] for row in named]
    assert kinds[:4] == ["generator", "memory", "memory", "global generator"]
    assert kinds[4:] == ["generator", "generator", "seed", "seed"]
    assert named[1]["source"] == "the parameter Net.gate: memory that nobody wrote"
    # So much memory comes from the kernel, which fills it with zeros: only a mark tells that nobody wrote it.
    assert named[2]["source"] == "the parameter Net.large: memory that nobody wrote"
    assert [row["source"] for row in named[4:6]] == ["torch.Generator.seed()", "torch.seed()"]


def test_a_seeded_training_has_nothing_to_name(watched):
    assert watched(SEEDED) == []


ENCODED = """
import hashlib, sys
if sys.argv[1:] == ["samebits"]:
    import samebits.torch
import torch
torch.manual_seed(0)
layer = torch.nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
model = torch.nn.TransformerEncoder(layer, 2).eval()
with torch.no_grad():
    print(hashlib.sha256(model(torch.randn(5, 7, 64)).numpy().tobytes()).hexdigest())
"""


def test_what_is_watched_computes_the_same_bits(start, tmp_path):
    """Some modules compute in another way while somebody is shown torch's calls."""
    (tmp_path / "encode.py").write_text(ENCODED)
    words = ("python", "encode.py")
    plain, imported = (start(*words, *more, cwd=tmp_path) for more in ((), ("samebits",)))
    watched = start("samebits", "watch", "--", *words, cwd=tmp_path)
    assert len(plain.stdout) == 65, plain.stderr
    assert imported.stdout == plain.stdout
    assert watched.stdout.startswith(plain.stdout)
