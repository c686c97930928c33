"""More small texts, as in kinds.py: seeds that are given and reach nothing, splits that get none."""

from tests.samebits_lint.kinds import _texts

FLAGGED = _texts(
    (
        "SB101",
        """
        from datasets import Dataset
        table = Dataset.from_dict(read())
        table = table.shuffle().map(encode)
        """,
    ),
    (
        "SB302",
        """
        from datasets import load_dataset
        from transformers import Trainer, TrainingArguments
        data = load_dataset("imdb", split="train").train_test_split(0.1)
        trainer = Trainer(net, TrainingArguments("out"), train_dataset=data["train"])
        trainer.train()
        """,
    ),
    (
        "SB302",
        """
        import numpy as np
        from sklearn.model_selection import train_test_split
        train, test = train_test_split(rows, test_size=0.2)
        np.random.seed(0)
        net.fit(train + np.random.rand(*train.shape))
        """,
    ),
    (
        "SB310",
        """
        import random
        def picker(items, random_state=None):
            rng = random.Random() if random_state is not None else random
            return rng.choice(items)
        picker([1, 2], random_state=4)
        """,
    ),
    (
        "SB310",
        """
        import numpy as np
        def start(seed):
            if seed is None:
                return np.random.default_rng(0)
            else:
                return np.random.RandomState()
        """,
    ),
    (
        "SB310",
        """
        import torch
        torch.manual_seed(0)
        def fit(net, batches, *, manual_seed=None):
            for x in batches:
                net(x).sum().backward()
                optimizer.step()
        for number in range(5):
            fit(make(), batches, manual_seed=number)
        """,
    ),
    (
        "SB311",
        """
        import torch
        from torch.utils.data import DataLoader, random_split
        def loaders(data, seed):
            generator = torch.Generator().manual_seed(seed)
            train, held = random_split(data, [0.8, 0.2], generator=generator)
            return DataLoader(train, 8, shuffle=True), DataLoader(held, 8)
        """,
    ),
    (
        "SB311",
        """
        import torch
        from sklearn.utils import shuffle
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.head = torch.nn.Linear(3, 1)
        class Study:
            def prepare(self, rows, random_state=1):
                self.rows = shuffle(rows, random_state=random_state)
                self.net = Net()
        """,
    ),
)

CLEAN = _texts(
    (
        "SB101",
        """
        from datasets import load_dataset
        import random
        data = load_dataset("imdb", split="train")
        data.train_test_split(0.1, seed=3), data.train_test_split(0.1, shuffle=False)
        data.shuffle(seed=3), data.shuffle(generator=rng), data.shuffle(1000)
        class Deck:
            def shuffle(self):
                self.cards.sort()
        Deck().shuffle()
        """,
    ),
    ("SB101", "from elsewhere import data\ndata.train_test_split(0.1)\ndata.shuffle()"),
    (
        "SB302",
        """
        import numpy as np
        from sklearn.model_selection import ShuffleSplit, train_test_split
        folds = ShuffleSplit(3)
        train, test = train_test_split(rows, random_state=1)
        np.random.seed(0)
        net.fit(train + np.random.rand(*train.shape), folds)
        """,
    ),
    (
        "SB310",
        """
        import numpy as np
        def start(seed):
            if isinstance(seed, np.random.Generator):
                return seed
            if seed is None:
                return np.random.default_rng()
            rng = np.random.RandomState() if seed is None else np.random.RandomState(seed)
            if seed is not None:
                rng = np.random.RandomState()
                rng.seed(seed)
            return rng
        """,
    ),
    (
        "SB310",
        """
        import torch
        class Engine(Base):
            def fit(self, x, seed=None):
                self.net(x).backward()
                self.optimizer.step()
        def fit(x, seed=None):
            del seed
            net(x).backward()
            optimizer.step()
        def never(x, seed=None):
            net(x).backward()
            optimizer.step()
        torch.manual_seed(0)
        Engine().fit(1, seed=2)
        fit(1, seed=2)
        never(1)
        """,
    ),
    (
        "SB311",
        """
        import torch
        from torch.utils.data import DataLoader, random_split
        from elsewhere import prepare
        def loaders(data, seed):
            generator = torch.Generator().manual_seed(seed)
            train, held = random_split(data, [0.8, 0.2], generator=generator)
            return DataLoader(train, 8, shuffle=True, generator=generator), DataLoader(held, 8)
        def perhaps(data, seed):
            prepare(seed)
            return DataLoader(data, shuffle=True)
        class Study:
            def __init__(self, data, seed):
                self.seed = seed
                self.loader = DataLoader(data, shuffle=True)
        """,
    ),
    (
        "SB311",
        """
        import torch
        from sklearn.model_selection import train_test_split
        from torch.utils.data import DataLoader
        def main(seed):
            torch.manual_seed(seed)
        def loader(rows, seed):
            train, _ = train_test_split(rows, random_state=seed)
            return DataLoader(train, shuffle=True)
        """,
    ),
)
