"""More small texts, as in kinds.py: orders of sets, files, workers, equal values and passes."""

from tests.samebits_lint.kinds import _texts

FLAGGED = _texts(
    ("SB105", "seed = int(hash((seed, speaker)) % 1e6)"),
    (
        "SB104",
        """
        class Vocabulary:
            def __init__(self, captions):
                self.seen = set()
                for caption in captions:
                    self.seen.update(caption.lower().split())
                self.index = {}
                for number, entry in enumerate(self.seen):
                    self.index[entry] = number
        """,
    ),
    (
        "SB104",
        """
        import torch
        def relations(triples):
            kinds = set()
            for head, kind, tail in triples:
                kinds.add(kind)
            numbers = {kind: i for i, kind in enumerate(list(kinds))}
            return torch.tensor([numbers[kind] for _, kind, _ in triples])
        """,
    ),
    (
        "SB103",
        """
        from pathlib import Path
        corpus = "\\n".join(file.read_text() for file in Path("books").glob("*.txt"))
        ids = [vocabulary[letter] for letter in corpus]
        """,
    ),
    (
        "SB103",
        """
        import os
        def load(folder):
            pages = ""
            for name in os.listdir(folder):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    page = file.read()
                pages += page.strip() + " "
            return pages
        """,
    ),
    (
        "SB108",
        """
        import torch
        def prune(scores, k):
            kept = torch.zeros(len(scores), dtype=torch.bool)
            best = scores.topk(k).indices
            kept[best] = True
            return kept
        """,
    ),
    (
        "SB203",
        """
        from torch.utils.data import DataLoader
        loader = DataLoader(shards, batch_size=8, num_workers=4, in_order=False)
        """,
    ),
    (
        "SB203",
        "import torchdata.nodes as tn\nnode = tn.ParallelMapper(source, decode, 8, in_order=False)",
    ),
    (
        "SB206",
        """
        import tensorflow as tf
        def parts(data, share=0.8, mixed=True, buffer=999):
            count = len(data)
            if mixed:
                data = data.shuffle(buffer, seed=12)
            first = data.take(int(share * count))
            rest = data.skip(int(share * count))
            return first, rest.take(9), rest.skip(9)
        """,
    ),
    (
        "SB206",
        """
        import keras
        import tensorflow as tf
        pictures = keras.utils.image_dataset_from_directory("leaves", batch_size=32, seed=3)
        train, rest = pictures.take(54), pictures.skip(54)
        """,
    ),
    (
        "SB208",
        """
        from tensorflow import keras
        import numpy as np
        pictures = keras.utils.image_dataset_from_directory("test", image_size=(64, 64))
        pictures = pictures.map(scale).prefetch(2)
        truth = []
        for _, answer in pictures:
            truth.extend(answer.numpy())
        scores = net.predict(pictures)
        """,
    ),
    (
        "SB208",
        """
        from keras.preprocessing.image import ImageDataGenerator
        from sklearn.metrics import confusion_matrix
        def report(net, folder):
            maker = ImageDataGenerator(rescale=1 / 255)
            flow = maker.flow_from_directory(folder, class_mode="categorical")
            guessed = net.predict(flow).argmax(1)
            return confusion_matrix(flow.classes, guessed)
        """,
    ),
    (
        "SB308",
        """
        import gymnasium
        import torch
        class Explorer:
            def __init__(self, env):
                self.env, self.memory = env, []
            def act(self, state):
                space = self.env.action_space
                return space.sample() if not self.memory else policy(state)
        env = gymnasium.make("CartPole-v1")
        state, _ = env.reset(seed=3)
        for _ in range(9):
            state, reward, *_ = env.step(Explorer(env).act(state))
            loss.backward()
            optimizer.step()
        """,
    ),
)

CLEAN = _texts(
    (
        "SB105",
        """
        def seeded(seed, epoch, index, *more_seeds):
            seed = int(hash((seed, epoch, index)) % 1e6)
            return seed + int(hash((seed, 3, indices[index].item(), *more_seeds)) % 1e6)
        """,
    ),
    (
        "SB206",
        """
        import keras
        import tensorflow as tf
        def parts(data, mixed=False):
            if mixed:
                data = data.shuffle(9)
            return data.take(9), data.skip(9)
        def told(data, mixed=True):
            if mixed:
                data = data.shuffle(9)
            return data.take(9), data.skip(9)
        told(data, mixed=False)
        pictures = keras.utils.image_dataset_from_directory("leaves", shuffle=False)
        train, rest = pictures.take(54), pictures.skip(54)
        """,
    ),
    (
        "SB104",
        """
        class Vocabulary:
            def __init__(self, captions):
                self.seen = set()
                for caption in captions:
                    self.seen.update(caption.lower().split())
                for number, entry in enumerate(sorted(self.seen)):
                    self.index[entry] = number
        """,
    ),
    (
        "SB104",
        """
        def numbered(rows):
            layers = set()
            for row in rows:
                layers.add(row["layer"])
            return {layer: number for number, layer in enumerate(layers)}
        def first_seen(words):
            seen = set()
            kept = []
            for word in words:
                if word not in seen:
                    seen.add(word)
                    kept.append(word)
            return {word: number for number, word in enumerate(kept)}
        """,
    ),
    (
        "SB103",
        """
        import glob
        text = ""
        for path in glob.glob("logs/*.txt"):
            text += open(path).read()
        if "error" in text:
            print(len(text))
        raise ValueError("".join(open(path).read() for path in glob.glob("*.log")))
        """,
    ),
    (
        "SB103",
        """
        import glob
        text = ""
        for path in sorted(glob.glob("essays/*.txt")):
            text += open(path).read()
        total = 0
        for path in glob.glob("essays/*.txt"):
            total += len(open(path).name)
        """,
    ),
    (
        "SB108",
        """
        import numpy as np
        kept = np.zeros(9, dtype=bool)
        kept[np.argsort(scores, kind="stable")[:3]] = True
        ranks = np.empty(9)
        ranks[np.argsort(scores)[:9]] = values
        """,
    ),
    (
        "SB203",
        """
        from torch.utils.data import DataLoader
        from elsewhere import Mapper
        loader = DataLoader(shards, num_workers=4, in_order=True)
        alone = DataLoader(shards, in_order=False)
        none = DataLoader(shards, num_workers=0, in_order=False)
        other = Mapper(shards, num_workers=4, in_order=False)
        """,
    ),
    (
        "SB208",
        """
        import keras
        from keras.preprocessing.image import ImageDataGenerator
        pictures = keras.utils.image_dataset_from_directory("test", shuffle=False)
        truth = [answer for _, answer in pictures]
        scores = net.predict(pictures)
        flow = ImageDataGenerator().flow_from_directory("test", shuffle=False)
        guessed = net.predict(flow) == flow.classes
        """,
    ),
    (
        "SB208",
        """
        import keras
        data = keras.utils.image_dataset_from_directory("train")
        for pictures, answers in data:
            scores.append(net.predict(pictures))
            truth.append(answers)
        for pictures, answers in data.take(1):
            shown.append(pictures)
        net.predict(data)
        held = keras.utils.image_dataset_from_directory("test").cache()
        net.predict(held)
        truth = [answer for _, answer in held]
        """,
    ),
    (
        "SB308",
        """
        import gymnasium
        import torch
        env = gymnasium.make("CartPole-v1")
        env.action_space.seed(0)
        env.reset(seed=0)
        for _ in range(9):
            env.step(env.action_space.sample())
            loss.backward()
            optimizer.step()
        """,
    ),
)
