# ruff: noqa: E501 (what is changed in a script stands on one line)
"""A second set, written before any result of the first was known, and not run before diff was improved."""

from tests.localise.fault import ANY, Fault
from tests.localise.keras_faults import HASH_SEEDS
from tests.localise.torch_faults import STOPPED

FAULTS = {
    "random.shuffle without a seed": Fault(
        "an unseeded generator",
        "films.py",
        ("batch",),
        1,
        ("chance global generator",),
        says="random",
        change={
            "import argparse\n": "import argparse\nimport random\n",
            "            order = torch.randperm(len(rating))\n": "            order = list(range(len(rating)))\n"
            "            random.shuffle(order)\n"
            "            order = torch.tensor(order)\n",
        },
        both=True,
    ),
    "the judge is in eval mode for the maker": Fault(
        "train and eval mode",
        "rings.py",
        ("mode",),
        1,
        ("mode",),
        change={
            "        fooled = F.softplus(-judge(made)).mean()\n": "        judge.eval()\n"
            "        fooled = F.softplus(-judge(made)).mean()\n        judge.train()\n"
        },
    ),
    "a letter of the text": Fault(
        "a data file changed",
        "letters.py",
        ("batch",),
        ANY,
        ("file contents",),
        says="letters.txt",
        data="other file",
    ),
    "more weight decay in SGD": Fault(
        "the optimiser's settings",
        "pictures.py",
        ("optimizer state",),
        1,
        ("optimizer",),
        change={"weight_decay=1e-4": "weight_decay=1e-3"},
    ),
    "the generator of the batches is not loaded": Fault(
        "resumed without a state",
        "letters.py",
        ("batch",),
        5,
        ("resume",),
        change={'        chosen.set_state(saved["chosen"])\n': ""},
        both=True,
        resumed=STOPPED,
    ),
    "a uuid is the seed": Fault(
        "seeds from elsewhere",
        "films.py",
        ("initial",),
        None,
        ("chance seed",),
        says="films.py",
        change={
            "import argparse\n": "import argparse\nimport uuid\n",
            "torch.manual_seed(args.seed)": "torch.manual_seed(uuid.uuid4().int % 2**31)",
        },
        both=True,
    ),
    "Adagrad's rate decays": Fault(
        "the optimiser's settings",
        "films.py",
        ("parameter",),
        2,
        ("optimizer",),
        change={"lr=0.1)": "lr=0.1, lr_decay=0.01)"},
    ),
    "a column that nobody writes": Fault(
        "uninitialised memory",
        "cells.py",
        ("batch",),
        1,
        ("chance memory",),
        says="cells.py",
        change={
            "return np.concatenate([values, values[1:] * values[:-1]])": "return np.concatenate([values, np.empty(4)])"
        },
        both=True,
    ),
    "Nesterov's momentum": Fault(
        "the optimiser's settings",
        "keras_digits.py",
        ("parameter",),
        1,
        ("optimizer",),
        change={"momentum=0.9": "momentum=0.9, nesterov=True"},
    ),
    "the process's number is the seed": Fault(
        "seeds from elsewhere",
        "keras_reviews.py",
        ("initial",),
        None,
        ("chance seed",),
        says="keras_reviews.py",
        change={
            "import sys\n": "import os\nimport sys\n",
            "set_random_seed(SEED)": "set_random_seed(os.getpid())",
        },
        both=True,
    ),
    "the files are a set": Fault(
        "set order: strings",
        "keras_waves.py",
        ("batch",),
        1,
        ("hash seed",),
        change={'sorted(args.waves.glob("*.txt"))': '{str(file) for file in args.waves.glob("*.txt")}'},
        both=True,
        environment=HASH_SEEDS,
    ),
    "the places are not drawn anew": Fault(
        "other samples",
        "keras_waves.py",
        ("batch",),
        5,
        ("samples",),
        change={"        self.epoch += 1\n        self.choose()\n": "        self.epoch += 1\n"},
    ),
}
