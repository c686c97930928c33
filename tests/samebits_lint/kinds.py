"""Small texts for the rules about kinds of faults that come from reports: to be named, and to be left alone.

test_rules.py runs them.
"""

import textwrap


def _texts(*cases: tuple[str, ...]) -> list[tuple[str, str]]:
    """Each case's code, and its text with the lines that follow it."""
    return [(code, textwrap.dedent(text).strip() + "\n" + "".join(more)) for code, text, *more in cases]


STEP = "loss.backward()\noptimizer.step()\n"

FLAGGED = _texts(
    (
        "SB104",
        """
        import torch
        layers = {layer for layer in model.modules() if layer.weight is not None}
        for layer in layers - frozen:
            torch.nn.init.normal_(layer.weight)
        """,
    ),
    (
        "SB104",
        """
        import torch
        decay = set()
        for name, parameter in model.named_parameters():
            decay.add(parameter)
        groups = [{"params": list(decay), "weight_decay": 0.1}]
        """,
    ),
    ("SB104", "import torch\noptimizer = torch.optim.SGD(list(set(model.parameters())), lr=0.1)"),
    (
        "SB107",
        """
        import asyncio
        async def main():
            rows = []
            for done in asyncio.as_completed(tasks):
                rows.append(await done)
            return rows
        train = asyncio.run(main())[:80]
        """,
    ),
    (
        "SB107",
        """
        import multiprocessing as mp
        import torch
        with mp.Pool(4) as pool:
            for x in pool.imap_unordered(load, paths):
                model(x).backward()
                optimizer.step()
        """,
    ),
    (
        "SB107",
        """
        from concurrent.futures import FIRST_COMPLETED, wait
        rows = []
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                rows.append(future.result())
        first = rows[:10]
        """,
    ),
    (
        "SB107",
        """
        import queue
        import threading
        import numpy as np
        def read(paths, out):
            for path in paths:
                out.put(np.load(path))
        results = queue.Queue()
        for part in parts:
            threading.Thread(target=read, args=(part, results)).start()
        rows = []
        for _ in range(64):
            rows.append(results.get())
        data = TensorDataset(np.stack(rows))
        """,
    ),
    (
        "SB107",
        """
        from joblib import Parallel, delayed
        rows = list(Parallel(4, return_as="generator_unordered")(delayed(f)(x) for x in xs))
        train, test = rows[:80], rows[80:]
        """,
    ),
    ("SB108", "import torch\norder = torch.argsort(losses, descending=True)\nhard = samples[order[:9]]"),
    ("SB108", "import numpy as np\nkept = Subset(dataset, np.argsort(scores)[-9:])"),
    ("SB108", "import torch\nvalues, places = torch.topk(loss, 9)\nhard = images[places]"),
    ("SB108", "hard = dataset.select(losses.argsort()[::-1][:9].tolist())"),
    (
        "SB206",
        """
        import tensorflow as tf
        def split(names, n):
            data = tf.data.Dataset.from_tensor_slices(names)
            data = data.shuffle(99, reshuffle_each_iteration=True)
            data = data.map(read)
            return data.take(n), data.skip(n).batch(8)
        """,
    ),
    (
        "SB207",
        """
        import tensorflow as tf
        flip = tf.keras.Sequential([tf.keras.layers.RandomFlip()])
        def augment(image):
            return flip(image, training=True)
        data = data.map(augment, num_parallel_calls=4)
        data = data.cache(filename="cache_train").batch(8)
        """,
    ),
    (
        "SB207",
        """
        import tensorflow as tf
        def colour(image):
            return tf.image.random_hue(image, 0.1)
        def read(path):
            return colour(tf.io.decode_png(tf.io.read_file(path)))
        data = tf.data.Dataset.list_files("*", shuffle=False).map(read).cache("/data/cache")
        """,
    ),
    (
        "SB307",
        """
        import time
        import random
        def seed_all(seed=None):
            if seed is None:
                seed = int(time.time())
            random.seed(seed)
        if __name__ == "__main__":
            seed_all()
        """,
    ),
    (
        "SB307",
        """
        import numpy as np
        class Crop:
            def __init__(self, size, rng=None):
                self.rng = rng if rng is not None else np.random.default_rng()
        def make(size, rng=None):
            return Crop(size, rng=rng)
        if __name__ == "__main__":
            crop = make(8)
        """,
    ),
    (
        "SB307",
        """
        import torch
        def train(epochs, seed=None):
            if seed is not None:
                torch.manual_seed(seed)
            for _ in range(epochs):
                loss.backward()
                optimizer.step()
        if __name__ == "__main__":
            train(3)
        """,
    ),
    (
        "SB308",
        """
        # /// script
        # dependencies = ["albumentations"]
        # ///
        import albumentations as A
        train = A.ReplayCompose([A.Resize(8, 8), A.OneOf([A.Blur(), A.GaussNoise()])])
        """,
        STEP,
    ),
    (
        "SB308",
        """
        from monai.transforms import Compose, RandFlipd
        from torch.utils.data import DataLoader
        loader = DataLoader(Images(Compose([RandFlipd(keys=["image"])])))
        """,
        STEP,
    ),
    ("SB308", "import gymnasium as gym\nenv = gym.make('CartPole-v1')\nstate, _ = env.reset()\n" + STEP),
    (
        "SB309",
        """
        import torch
        from torch import nn
        class Prompt(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.register_parameter("prompt", nn.Parameter(torch.Tensor(n, 8)))
            def forward(self, x):
                return x + self.prompt
        """,
        STEP,
    ),
    (
        "SB309",
        """
        import torch
        class Base(torch.nn.Module):
            pass
        class Scale(Base):
            def __init__(self, like):
                super().__init__()
                self.scale = torch.nn.Parameter(torch.empty_like(like))
                self.shift = torch.nn.Parameter(torch.empty(3))
                torch.nn.init.zeros_(self.shift)
        def resume(model, path):
            model.load_state_dict(torch.load(path))
        """,
        STEP,
    ),
    (
        "SB404",
        """
        import torch
        with torch.amp.autocast("cuda"):
            for epoch in range(3):
                train_epoch(epoch)
        def train_epoch(epoch):
            loss = model(x)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
        """,
    ),
    (
        "SB404",
        """
        from torch.cuda.amp import autocast
        @autocast()
        def train():
            while True:
                loss.backward()
                optimizer.step()
        """,
    ),
    (
        "SB603",
        """
        import torch.multiprocessing as mp
        import torch
        def step(model, batch):
            model(batch).backward()
            optimizer.step()
        def train(rank, model):
            torch.manual_seed(rank)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for batch in batches:
                step(model, batch)
        def main():
            shared_model.share_memory()
            mp.spawn(train, args=(shared_model,), nprocs=4)
        """,
    ),
    ("SB302", "import torch\nnet = Net()\nclass Net(torch.nn.Module):\n    pass\ntorch.manual_seed(0)"),
    (
        "SB305",
        """
        import numpy as np
        import torch
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(3, 3)
        np.random.seed(0)
        model = Net()
        for x in batches:
            model(x).backward()
            optimizer.step()
        if __name__ == "__main__":
            show()
        """,
    ),
    (
        "SB202",
        """
        import random
        import torch
        from torch.utils.data import DataLoader, Dataset
        class Pairs(Dataset):
            def __getitem__(self, index):
                return random.randrange(9)
        torch.manual_seed(0)
        options = {"batch_size": 8}
        if torch.cuda.is_available():
            options.update({"num_workers": 1})
        train_loader = DataLoader(Pairs(), **options)
        test_loader = DataLoader(Pairs(), num_workers=4)
        """,
    ),
    (
        "SB310",
        """
        import numpy as np
        class Split:
            def __init__(self, data, seed=0):
                self.order = np.random.default_rng().permutation(len(data))
        """,
    ),
    (
        "SB310",
        """
        import torch
        def build(width, *, random_seed):
            return torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU())
        """,
    ),
)

CLEAN = _texts(
    (
        "SB310",
        """
        import torch
        def build(width, seed):
            torch.manual_seed(0)
            return torch.nn.Linear(width, width)
        def show(seed):
            print(**locals())
            return torch.randn(3)
        def reset(self, seed=None):
            return self.start
        def read(width, random_state):
            return torch.randn(width, generator=make(random_state))
        """,
    ),
    (
        "SB305",
        """
        import numpy as np
        import torch
        from elsewhere import prepare
        np.random.seed(0)
        prepare(seed=0)
        model = torch.nn.Linear(3, 3)
        for x in batches:
            model(x).backward()
            optimizer.step()
        if __name__ == "__main__":
            show()
        """,
    ),
    (
        "SB305",
        """
        import numpy as np
        import torch
        np.random.seed(0)
        model = torch.nn.Linear(3, 3)
        model.load_state_dict(torch.load("start.pt"))
        for x in batches:
            model(x).backward()
            optimizer.step()
        if __name__ == "__main__":
            show()
        """,
    ),
    (
        "SB104",
        """
        import torch
        known = {layer for layer in model.modules()}
        for layer in model.modules():
            if layer in known:
                torch.nn.init.normal_(layer.weight)
        total = sum(p.numel() for p in set(model.parameters()))
        """,
    ),
    (
        "SB107",
        """
        from concurrent.futures import as_completed
        rows = []
        for future in as_completed(futures):
            rows.append((futures[future], future.result()))
        rows.sort()
        first = rows[:10]
        """,
    ),
    (
        "SB107",
        """
        from concurrent.futures import as_completed
        rows = [None] * 9
        for future in as_completed(numbers):
            rows[numbers[future]] = future.result()
        first = rows[:3]
        """,
    ),
    (
        "SB107",
        """
        import queue
        import threading
        def read(out):
            for path in sorted(paths):
                out.put(load(path))
        results = queue.Queue()
        threading.Thread(target=read, args=(results,)).start()
        rows = []
        for _ in range(9):
            rows.append(results.get())
        first = rows[:3]
        """,
    ),
    ("SB107", "with Pool(3) as pool:\n    rows = list(pool.imap(load, paths))\nfirst = rows[:3]"),
    ("SB107", "for done in pool.imap_unordered(save, paths):\n    print(done)"),
    ("SB108", "import torch\norder = torch.argsort(losses, stable=True)\nhard = samples[order[:9]]"),
    ("SB108", "import numpy as np\nback = samples[np.argsort(permutation)]"),
    ("SB108", "best = logits.topk(5).indices\nhidden = states[best]"),
    (
        "SB206",
        """
        import tensorflow as tf
        data = tf.data.Dataset.range(9).shuffle(9, seed=0, reshuffle_each_iteration=False)
        train, test = data.take(6), data.skip(6)
        """,
    ),
    (
        "SB206",
        """
        import tensorflow as tf
        data = tf.data.Dataset.range(9)
        train, test = data.take(6), data.skip(6)
        train, test = train.shuffle(9), test.shuffle(9)
        few = train.take(3)
        """,
    ),
    (
        "SB206",
        """
        import tensorflow as tf
        data = tf.data.Dataset.range(9).shuffle(9, seed=0).cache()
        train, test = data.take(6), data.skip(6)
        """,
    ),
    (
        "SB302",
        """
        import torch
        net = torch.nn.Linear(1, 1)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            noise = torch.rand(3)
        """,
    ),
    (
        "SB207",
        """
        import tensorflow as tf
        data = data.map(read).cache("cache").map(lambda x: x + tf.random.normal([3]))
        frozen = data.map(lambda x: tf.random.normal([3])).cache()
        """,
    ),
    (
        "SB207",
        """
        import tempfile
        import tensorflow as tf
        file = tempfile.mktemp()
        data = data.map(lambda x: x + tf.random.normal([3])).cache(file)
        """,
    ),
    (
        "SB307",
        """
        import numpy as np
        def noise(seed=None):
            return np.random.default_rng(seed)
        if __name__ == "__main__":
            noise()
            noise(seed=3)
        """,
    ),
    (
        "SB307",
        """
        import numpy as np
        def noise(seed=None):
            return np.random.default_rng(seed)
        if __name__ == "__main__":
            noise(*arguments)
        """,
    ),
    (
        "SB307",
        """
        import numpy as np
        def noise(seed=None):
            seed = 0 if seed is None else seed
            return np.random.default_rng(seed)
        if __name__ == "__main__":
            noise()
        """,
    ),
    (
        "SB307",
        """
        import numpy as np
        def noise(seed=None):
            return np.random.default_rng(seed)
        if __name__ == "__main__":
            noise()
            apply(noise, seed=3)
        """,
    ),
    (
        "SB307",
        """
        import numpy as np
        def noise(seed=None):
            return np.random.default_rng(seed)
        def unused():
            return noise()
        if __name__ == "__main__":
            show()
        """,
    ),
    (
        "SB307",
        """
        import numpy as np
        def noise(seed=None):
            return np.random.default_rng(seed)
        if __name__ == "__main__":
            if options.seed is None:
                rng = noise()
        """,
    ),
    (
        "SB307",
        """
        import torch
        def train(seed=None):
            if seed is not None:
                torch.manual_seed(seed)
            loss.backward()
            optimizer.step()
        if __name__ == "__main__":
            torch.manual_seed(0)
            train()
        """,
    ),
    (
        "SB308",
        """
        # /// script
        # dependencies = ["albumentations==2.0.8", "torch"]
        # ///
        import albumentations as A
        train = A.Compose([A.HorizontalFlip()], seed=3)
        test = A.Compose([A.Resize(8, 8), A.Normalize()])
        """,
        STEP,
    ),
    (
        "SB308",
        """
        from monai.transforms import RandFlipd
        from monai.data import DataLoader
        loader = DataLoader(Images(RandFlipd(keys=["image"])))
        """,
        STEP,
    ),
    (
        "SB308",
        "import gymnasium as gym\nenv = gym.make('CartPole-v1')\nenv.reset(seed=0)\nenv.reset()\n" + STEP,
    ),
    ("SB308", "import gymnasium as gym\nenv = gym.make('CartPole-v1')\nenv.reset()\n"),
    (
        "SB309",
        """
        import torch
        class Scale(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = torch.nn.Parameter(torch.empty(3))
                self.reset_parameters()
            def reset_parameters(self):
                with torch.no_grad():
                    self.scale.copy_(torch.ones(3))
        """,
        STEP,
    ),
    (
        "SB309",
        """
        import torch
        class Scale(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = torch.nn.Parameter(torch.empty(3))
        model = Scale()
        for parameter in model.parameters():
            torch.nn.init.ones_(parameter)
        """,
        STEP,
    ),
    (
        "SB309",
        """
        import torch
        from torch.nn import init
        class Cell(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = torch.nn.Parameter(torch.FloatTensor(3, 4))
                init.orthogonal(self.weight.data)
        """,
        STEP,
    ),
    (
        "SB309",
        """
        import torch
        from transformers import PreTrainedModel
        class Scale(PreTrainedModel):
            def __init__(self):
                self.scale = torch.nn.Parameter(torch.empty(3))
                self.bias = torch.nn.Parameter(torch.Tensor([1.0, 2.0]))
        """,
        STEP,
    ),
    (
        "SB404",
        """
        import torch
        for x in batches:
            with torch.autocast("cuda"):
                loss = model(x)
                loss.backward()
                optimizer.step()
        """,
    ),
    (
        "SB404",
        """
        import torch
        with torch.autocast("cuda"), torch.no_grad():
            for x in batches:
                model(x)
        with torch.autocast("cuda", cache_enabled=False):
            for x in batches:
                loss.backward()
                optimizer.step()
        with torch.autocast("cuda", enabled=False):
            for x in batches:
                loss.backward()
                optimizer.step()
        """,
    ),
    (
        "SB603",
        """
        import torch.multiprocessing as mp
        def act(model, out):
            out.put(env.step(model(state)))
        def main():
            model.share_memory()
            for _ in range(4):
                mp.Process(target=act, args=(model, out)).start()
        """,
    ),
    (
        "SB603",
        """
        import torch
        import torch.distributed as dist
        import torch.multiprocessing as mp
        def train(rank, model):
            dist.init_process_group("gloo", rank=rank)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            loss.backward()
            optimizer.step()
        def main():
            model.share_memory()
            mp.spawn(train, args=(model,), nprocs=4)
        """,
    ),
    (
        "SB302",
        """
        import torch
        with torch.device("meta"):
            net = torch.nn.Linear(4, 4)
        other = torch.nn.Linear(4, 4, device="meta")
        act = torch.nn.ReLU()
        torch.manual_seed(0)
        """,
    ),
    (
        "SB202",
        """
        import random
        import torch
        from torch.utils.data import DataLoader, Dataset
        class Pairs(Dataset):
            def __getitem__(self, index):
                return random.randrange(9)
        torch.manual_seed(0)
        loader = DataLoader(Pairs(), num_workers=4)
        """,
    ),
    (
        "SB202",
        """
        import random
        import torch
        from torch.utils.data import DataLoader, Dataset
        class Pairs(Dataset):
            def __getitem__(self, index):
                return random.randrange(9)
        torch.manual_seed(0)
        def load(options):
            return DataLoader(Pairs(), **options)
        """,
    ),
    ("SB502", "import keras\nimport tensorflow as tf\nkeras.Model()\ntf.keras.Model()"),  # nothing is seeded
    ("SB501", "import random\nrandom.seed(0)\nfrom tensorflow.python.keras import backend"),
    (
        "SB305",
        """
        import torch
        import matplotlib.pyplot as plt
        for place in range(9):
            number = torch.randint(9, (1,)).item()
            plt.subplot(3, 3, place + 1)
            plt.imshow(images[number])
        def generate_text():
            return torch.multinomial(probabilities, 1)
        if debug and torch.rand(1) < 0.1:
            print(generate_text())
        for x in batches:
        """,
        "    loss.backward()\n    optimizer.step()\nif __name__ == '__main__':\n    show()\n",
    ),
)
