# ruff: noqa: E501 (what is changed in a script stands on one line)
"""Faults of trainings in torch. Places and causes were written before `samebits diff` had seen any of them."""

from tests.localise.fault import ANY, Fault

COMPUTED = ("forward", "loss", "gradient")  # where an operation that computes other numbers can show first
# entrypoint has set both to 1; torch takes the smaller one.
ONE_AND_TWO = ({}, {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"})
HASH_SEEDS = ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"})
STOPPED = ("--stop-after", "4")

JITTER = '''"""Stands for a library of augmentations that keeps a generator of its own."""

import numpy as np


class Jitter:
    def __init__(self, strength=0.05, seed=None):
        self.strength, self.random = strength, np.random.default_rng(seed)

    def __call__(self, image):
        noise = self.random.standard_normal(tuple(image.shape))
        return image + self.strength * image.new_tensor(noise)
'''

FAULTS = {
    # ------------------------------------------------------------ chance that no seed decides
    "noise from default_rng() in a worker": Fault(
        "an unseeded generator in a worker",
        "pictures.py",
        ("batch",),
        1,
        ("chance generator",),
        says="default_rng",
        change={
            "0.05 * torch.randn(image.shape)": "0.05 * torch.from_numpy(np.random.default_rng()"
            '.standard_normal(image.shape, dtype="f4"))'
        },
        both=True,
    ),
    "a torch.Generator is seeded by seed()": Fault(
        "an unseeded generator",
        "rings.py",
        ("batch",),
        1,
        ("chance generator",),
        says="seed()",
        change={
            "    points = torch.Generator().manual_seed(SEED)\n": "    points = torch.Generator()\n    points.seed()\n"
        },
        both=True,
    ),
    "the seed is set after the model": Fault(
        "a seed after the model",
        "pictures.py",
        ("initial",),
        None,
        ("chance global generator",),
        says="torch",
        change={
            "    torch.manual_seed(args.seed)\n": "",
            "    optimizer = torch": "    torch.manual_seed(args.seed)\n    optimizer = torch",
        },
        both=True,
    ),
    "the alphabet is a set": Fault(
        "set order: strings",
        "letters.py",
        ("batch",),
        1,
        ("hash seed",),
        change={"alphabet = sorted(set(text))": "alphabet = list(set(text))"},
        both=True,
        environment=HASH_SEEDS,
    ),
    "weights are drawn over a set of parameters": Fault(
        "set order: objects by address",
        "letters.py",
        ("initial",),
        None,
        ("chance set",),
        says="letters.py",
        change={"for parameter in self.parameters():": "for parameter in set(self.parameters()):"},
        both=True,
    ),
    "pictures in the order of the folder": Fault(
        "unsorted listings",
        "pictures.py",
        ("batch",),
        1,
        ("file listing",),
        says="pictures",
        change={'sorted(args.folder.glob("*.npy"))': 'list(args.folder.glob("*.npy"))'},
        both=True,
        data="backwards",
    ),
    "the clock is the seed": Fault(
        "seeds from the clock",
        "rings.py",
        ("initial",),
        None,
        ("chance seed",),
        says="rings.py",
        change={
            "import math\n": "import math\nimport time\n",
            "    torch.manual_seed(SEED)\n": "    torch.manual_seed(time.time_ns() % 2**31)\n",
        },
        both=True,
    ),
    "the seed is the hash of a name": Fault(
        "seeds from the hash of a string",
        "rings.py",
        ("initial",),
        None,
        ("hash seed", "chance seed"),
        change={"else 11": 'else hash("rings") % 1000'},
        both=True,
        environment=HASH_SEEDS,
    ),
    "a gate that nobody writes": Fault(
        "uninitialised memory",
        "cells.py",
        ("initial",),
        None,
        ("unwritten", "chance memory"),
        says="gate",
        change={
            "        self.norm = nn": "        self.gate = nn.Parameter(torch.empty(outputs))\n        self.norm = nn",
            "self.norm(self.linear(x))": "self.norm(self.linear(x) + self.gate)",
        },
        both=True,
    ),
    "a library that keeps its own generator": Fault(
        "a library's own generator",
        "pictures.py",
        ("batch",),
        1,
        ("chance generator",),
        says="jitter.py",
        change={
            "import numpy as np\n": "import jitter\nimport numpy as np\n",
            "        self.train = train\n": "        self.train = train\n        self.noise = jitter.Jitter()\n",
            "image = image + 0.05 * torch.randn(image.shape)": "image = self.noise(image)",
        },
        both=True,
        files={"jitter.py": JITTER},
    ),
    "rows as threads complete them": Fault(
        "completion order of a pool",
        "cells.py",
        ("batch",),
        1,
        ("chance completion",),
        says="cells.py",
        change={
            "import csv\n": "import csv\nimport time\n",
            "ThreadPoolExecutor\n": "ThreadPoolExecutor, as_completed\n",
            "list(pool.map(measure, rows))": "[done.result() for done in as_completed(pool.submit(measure, r) for r in rows)]",
            "    values = np.array(row": "    time.sleep(time.perf_counter_ns() % 7 / 1000)\n    values = np.array(row",
        },
        both=True,
    ),
    # ------------------------------------------------------------ data
    "a pixel of a file": Fault(
        "a data file changed",
        "pictures.py",
        ("batch",),
        5,
        ("file contents",),
        says="020_square.npy",
        data="other file",
    ),
    "a pixel of one batch": Fault(
        "one pixel",
        "pictures.py",
        ("batch",),
        4,
        ("contents",),
        change={
            "        for x, y in loader:\n            optimizer": "        for number, (x, y) in enumerate(loader):\n"
            "            if epoch == 1 and number == 3:\n"
            "                x[2, 0, 5, 5] += 1 / 255\n"
            "            optimizer"
        },
    ),
    "the rows of each batch are reversed": Fault(
        "rows swapped",
        "pictures.py",
        ("batch",),
        1,
        ("order",),
        change={
            "            optimizer.zero_grad()\n": "            x, y = x.flip(0), y.flip(0)\n            optimizer.zero_grad()\n"
        },
    ),
    "statistics of another table are in the cache": Fault(
        "a stale cache file",
        "cells.py",
        ("batch",),
        1,
        ("file only", "chance file"),
        says="statistics.npz",
        data="stale",
    ),
    "another part is held for evaluation": Fault(
        "other samples",
        "pictures.py",
        ("batch",),
        1,
        ("samples",),
        change={
            "files[KEPT_FOR_EVALUATION:]": "files[:-KEPT_FOR_EVALUATION]",
            "files[:KEPT_FOR_EVALUATION]": "files[-KEPT_FOR_EVALUATION:]",
        },
    ),
    "a constant with fewer digits": Fault(
        "precision of a constant",
        "pictures.py",
        ("batch",),
        1,
        ("contents",),
        change={"0.1307": "0.131"},
    ),
    "noise before the flip": Fault(
        "augmentation order",
        "pictures.py",
        ("batch",),
        1,
        ("contents",),
        change={
            "            if random.random() < 0.5:\n": "            image = image + 0.05 * torch.randn(image.shape)\n"
            "            if random.random() < 0.5:\n",
            "            image = image + 0.05 * torch.randn(image.shape)\n        image = (": "        image = (",
        },
    ),
    "the order is drawn once, not each epoch": Fault(
        "a sampler's state",
        "films.py",
        ("batch",),
        5,
        ("order",),
        change={"if step % 4 == 0:": "if step == 0:"},
    ),
    "the generator is seeded again each epoch": Fault(
        "a generator that moved",
        "pictures.py",
        ("batch",),
        1,
        ("generator",),
        says="torch",
        change={
            "        for x, y in loader:\n            optimizer": "        torch.manual_seed(args.seed)\n"
            "        for x, y in loader:\n            optimizer"
        },
    ),
    "one worker": Fault(
        "another number of workers", "pictures.py", ("batch",), 2, ("workers",), arguments=("--workers", "1")
    ),
    "no worker": Fault(
        "another number of workers", "pictures.py", ("batch",), 1, ("workers",), arguments=("--workers", "0")
    ),
    "batches of six": Fault(
        "another batch size",
        "pictures.py",
        ("batch",),
        1,
        ("shape", "command"),
        arguments=("--batch-size", "6"),
    ),
    "the last batch is dropped": Fault(
        "the last batch dropped",
        "pictures.py",
        ("control flow",),
        5,
        ("control flow",),
        common=("--batch-size", "9"),
        change={"num_workers=args.workers)": "num_workers=args.workers, drop_last=True)"},
    ),
    # ------------------------------------------------------------ evaluation
    "no eval() before evaluation": Fault(
        "dropout left on in evaluation",
        "pictures.py",
        ("evaluation", "mode"),
        6,
        ("mode",),
        change={"    model.eval()\n": ""},
    ),
    "evaluation picks a picture to show": Fault(
        "evaluation that draws",
        "pictures.py",
        ("batch",),
        7,
        ("generator",),
        says="torch",
        change={
            "    model.eval()\n": "    model.eval()\n    torch.randint(len(loader.dataset), ())  # the picture to show\n"
        },
    ),
    "evaluation shuffles": Fault(
        "evaluation that draws",
        "pictures.py",
        ("evaluation batch",),
        6,
        ("order",),
        change={"DataLoader(held, args.batch_size)": "DataLoader(held, args.batch_size, shuffle=True)"},
    ),
    "evaluation in every second epoch": Fault(
        "another control flow",
        "pictures.py",
        ("control flow",),
        6,
        ("control flow",),
        arguments=("--evaluate-every", "2"),
    ),
    "the average is slower": Fault(
        "a moving average of weights",
        "letters.py",
        ("evaluation",),
        5,
        ("code",),
        says="letters.py",
        change={"kept.lerp_(new, 0.2)": "kept.lerp_(new, 0.1)"},
    ),
    # ------------------------------------------------------------ the model
    "layers in another order": Fault(
        "initial weights in another order",
        "rings.py",
        ("initial",),
        None,
        ("initial order", "initial place"),
        change={"    judge = Judge()\n    maker = Maker()\n": "    maker = Maker()\n    judge = Judge()\n"},
    ),
    "two layers are made in another order": Fault(
        "initial weights in another order",
        "letters.py",
        ("initial",),
        None,
        ("initial order",),
        change={
            "        for parameter in self.parameters():\n": "        for parameter in reversed(list(self.parameters())):\n"
        },
    ),
    "a draw before the model": Fault(
        "initial weights from another place",
        "pictures.py",
        ("initial",),
        None,
        ("initial place",),
        change={
            "    model = Net(": "    print(train.targets[torch.randint(len(train), ())])\n    model = Net("
        },
    ),
    "another seed is given": Fault(
        "another seed",
        "pictures.py",
        ("initial",),
        None,
        ("command",),
        says="seed",
        arguments=("--seed", "2"),
    ),
    "the head is not tied": Fault(
        "tied weights",
        "letters.py",
        ("model",),
        None,
        ("model",),
        change={"        self.head.weight = self.embedding.weight\n": ""},
    ),
    "a wider embedding": Fault(
        "another model",
        "films.py",
        ("model",),
        None,
        ("model",),
        change={"WIDTH, BATCH, STEPS = 16": "WIDTH, BATCH, STEPS = 17"},
    ),
    "a layer is frozen": Fault(
        "a frozen layer",
        "pictures.py",
        ("gradient",),
        1,
        ("code",),
        says="pictures.py",
        change={"    optimizer = torch": "    model.first.requires_grad_(False)\n    optimizer = torch"},
    ),
    "another activation": Fault(
        "a code line changed",
        "cells.py",
        ("forward",),
        1,
        ("code",),
        says="cells.py",
        change={"return torch.relu(": "return nn.functional.silu("},
    ),
    "more dropout": Fault(
        "a code line changed",
        "letters.py",
        ("forward",),
        1,
        ("code",),
        says="letters.py",
        change={"self.dropout = nn.Dropout(0.1)": "self.dropout = nn.Dropout(0.2)"},
    ),
    "batch norm remembers less": Fault(
        "batch statistics",
        "pictures.py",
        ("buffer",),
        1,
        ("batch statistics",),
        change={"nn.BatchNorm2d(8)": "nn.BatchNorm2d(8, momentum=0.2)"},
    ),
    "batch norm stays in evaluation": Fault(
        "batch statistics",
        "pictures.py",
        ("forward",),
        7,
        ("batch statistics", "mode"),
        change={"    model.train()\n": "    model.train()\n    model.norm.eval()\n"},
    ),
    # ------------------------------------------------------------ loss and gradients
    "less label smoothing": Fault(
        "another loss",
        "cells.py",
        ("loss",),
        1,
        ("loss",),
        change={"label_smoothing=args.smoothing": "label_smoothing=0.05"},
    ),
    "no class weights": Fault(
        "another loss",
        "cells.py",
        ("loss",),
        1,
        ("loss",),
        change={"weight=counts.sum() / counts / len(counts), ": ""},
    ),
    "a larger penalty": Fault(
        "another loss", "films.py", ("loss",), 1, ("loss",), change={"1e-4 * net.out": "1e-3 * net.out"}
    ),
    "the scaler begins at another scale": Fault(
        "the scale of mixed precision",
        "films.py",
        ("loss",),
        1,
        ("loss",),
        change={"init_scale=1024.0": "init_scale=2048.0"},
    ),
    "autocast around the network": Fault(
        "autocast toggled",
        "cells.py",
        ("forward",),
        1,
        ("autocast",),
        change={
            "            loss = criterion(network(inputs), targets)\n": "            with torch.autocast("
            '"cpu", torch.bfloat16):\n                answer = network(inputs)\n'
            "            loss = criterion(answer.float(), targets)\n"
        },
    ),
    "the parts of a step in another order": Fault(
        "gradient accumulation order",
        "letters.py",
        ("batch",),
        1,
        ("accumulation", "order"),
        change={
            "        for _ in range(args.parts):\n": "        drawn = torch.randint(len(data) - LENGTH - 1, (args.parts, BATCH),"
            " generator=chosen)\n        for part in reversed(range(args.parts)):\n",
            "torch.randint(len(data) - LENGTH - 1, (BATCH,), generator=chosen).tolist()": "drawn[part].tolist()",
        },
    ),
    "four parts a step": Fault(
        "gradient accumulation order",
        "letters.py",
        ("calls",),
        1,
        ("accumulation",),
        arguments=("--parts", "4"),
    ),
    "gradients are not set to zero": Fault(
        "gradients added up",
        "rings.py",
        ("gradient",),
        2,
        ("accumulation",),
        change={"        judge_optimizer.zero_grad()\n": ""},
    ),
    "no clipping": Fault(
        "clipping left out",
        "letters.py",
        ("clipping",),
        1,
        ("clipping",),
        change={"        nn.utils.clip_grad_norm_(model.parameters(), 0.25)\n": ""},
    ),
    "clipping at another norm": Fault(
        "clipping left out",
        "pictures.py",
        ("clipping",),
        1,
        ("clipping",),
        change={"model.parameters(), 0.5)": "model.parameters(), 0.4)"},
    ),
    # ------------------------------------------------------------ the optimiser
    "a larger epsilon": Fault(
        "epsilon", "letters.py", ("parameter",), 1, ("optimizer",), change={"eps=1e-8": "eps=1e-6"}
    ),
    "one of two optimisers has other betas": Fault(
        "the optimiser's settings",
        "rings.py",
        ("optimizer state",),
        1,
        ("optimizer",),
        change={
            "maker.parameters(), lr=1e-3, betas=(0.5, 0.999)": "maker.parameters(), lr=1e-3, betas=(0.9, 0.999)"
        },
    ),
    "weight decay on all parameters": Fault(
        "weight decay on other groups",
        "letters.py",
        ("parameter",),
        1,
        ("optimizer",),
        change={'"weight_decay": 0.0': '"weight_decay": 0.1'},
    ),
    "the momentum is lost after an epoch": Fault(
        "a momentum buffer lost",
        "pictures.py",
        ("optimizer state",),
        7,
        ("optimizer",),
        change={"        schedule.step()\n": "        schedule.step()\n        optimizer.state.clear()\n"},
    ),
    "the warm-up begins at zero": Fault(
        "a schedule off by one",
        "letters.py",
        ("learning rate",),
        1,
        ("schedule",),
        change={"return (step + 1) / WARMUP": "return step / WARMUP"},
    ),
    "the rate falls an epoch later": Fault(
        "a schedule off by one",
        "pictures.py",
        ("learning rate",),
        7,
        ("schedule",),
        change={"step_size=1": "step_size=2"},
    ),
    "the plateau waits an epoch longer": Fault(
        "a schedule off by one",
        "cells.py",
        ("learning rate",),
        13,
        ("schedule",),
        change={"patience=0": "patience=1"},
    ),
    # ------------------------------------------------------------ resumed
    "a batch is drawn after resuming": Fault(
        "resumed a batch late",
        "letters.py",
        ("batch",),
        5,
        ("resume",),
        change={
            '        torch.set_rng_state(saved["torch"])\n': '        torch.set_rng_state(saved["torch"])\n'
            "        torch.randint(len(data) - LENGTH - 1, (BATCH,), generator=chosen)\n"
        },
        both=True,
        resumed=STOPPED,
    ),
    "the optimiser is not loaded": Fault(
        "resumed without a state",
        "letters.py",
        ("optimizer state",),
        5,
        ("resume",),
        says="optimiser",
        change={'        optimizer.load_state_dict(saved["optimizer"])\n': ""},
        both=True,
        resumed=STOPPED,
    ),
    "the schedule is not loaded": Fault(
        "resumed without a state",
        "letters.py",
        ("learning rate",),
        6,
        ("resume",),
        says="schedule",
        change={'        schedule.load_state_dict(saved["schedule"])\n': ""},
        both=True,
        resumed=STOPPED,
    ),
    "the generator is not loaded": Fault(
        "resumed without a state",
        "letters.py",
        ("forward",),
        5,
        ("resume",),
        says="generator",
        change={'        torch.set_rng_state(saved["torch"])\n': ""},
        both=True,
        resumed=STOPPED,
    ),
    "the average is not loaded": Fault(
        "resumed without a state",
        "letters.py",
        ("evaluation",),
        5,
        ("resume",),
        change={'        average.load_state_dict(saved["average"])\n': ""},
        both=True,
        resumed=STOPPED,
    ),
    # ------------------------------------------------------------ the machine and its settings
    "one thread more": Fault(
        "one thread more", "pictures.py", COMPUTED, 1, ("threads",), environment=ONE_AND_TWO
    ),
    "the script asks for two threads": Fault(
        "one thread more",
        "pictures.py",
        COMPUTED,
        1,
        ("threads",),
        change={
            "    torch.manual_seed(args.seed)\n": "    torch.set_num_threads(2)\n    torch.manual_seed(args.seed)\n"
        },
    ),
    "index_put_ adds with two threads": Fault(
        "index_put_(accumulate=True) with two threads",
        "films.py",
        COMPUTED,
        ANY,
        ("operation",),
        change={"total.index_add(0, film, seen)": "total.index_put((film,), seen, accumulate=True)"},
        both=True,
        environment=(ONE_AND_TWO[1], ONE_AND_TWO[1]),
    ),
    "without AVX2": Fault(
        "another instruction set",
        "letters.py",
        ("initial",),
        None,
        ("instructions",),
        environment=({}, {"ATEN_CPU_CAPABILITY": "default"}),
    ),
    "oneDNN without AVX2": Fault(
        "another instruction set",
        "pictures.py",
        COMPUTED,
        1,
        ("instructions",),
        environment=({}, {"ONEDNN_MAX_CPU_ISA": "SSE41"}),
    ),
    "convolutions without oneDNN": Fault(
        "a switch of the framework",
        "pictures.py",
        COMPUTED,
        1,
        ("determinism",),
        change={
            "    random.seed(args.seed)\n": "    torch.backends.mkldnn.enabled = False\n    random.seed(args.seed)\n"
        },
    ),
}
