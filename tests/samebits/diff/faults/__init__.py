"""Faults of a real training, with the place and the cause that `samebits diff` must name first."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """One fault: what is done to the training, and what must be named.

    Attributes:
        what, step: of the place: see `samebits.diff.place.Place`.
        cause: the kind of the first cause.
        patch: lines of training.py, by the text that is replaced.
        twice: both trainings have it, and differ by themselves; else the first one is the training as it is.
        arguments: of the second command.
        environment: variables of those that have the fault.
        data: what is done to the second's data: "changed", "made in another order" or "cached before".
        line: a part of the line of training.py that the first cause must name; "" where it names none.
        resumed: the second is stopped after six steps, and this patched script resumes it.
    """

    what: str
    step: int | None
    cause: str
    patch: dict[str, str] = field(default_factory=dict)
    twice: bool = False
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    data: str = ""
    line: str = ""
    resumed: bool = False


DRAW = "draw = np.random.default_rng([7, int(self.files[index][:3])])"
SORTED = "self.files = sorted(os.listdir(FOLDER))"
SEED = "    torch.manual_seed(7)\n"
CLIP = "            nn.utils.clip_grad_norm_(model.parameters(), 0.5)\n"
BATCH = "        for picture, words, target in loader:\n"
STEP = "            optimizer.step()\n"
POOL = """names = sorted(os.listdir(FOLDER))
        pool = ThreadPoolExecutor(8)
        sizes = {pool.submit(os.path.getsize, os.path.join(FOLDER, name)): name for name in names * 50}
        self.files = []
        for each in as_completed(sizes):
            if sizes[each] not in self.files:
                self.files.append(sizes[each])"""
CACHE = (
    SORTED
    + """
        if not os.path.exists("mean.npy"):
            np.save("mean.npy", np.float32(0.5))
        self.mean = np.load("mean.npy")"""
)

FAULTS = {
    "nothing": Fault("", None, ""),
    "unseeded generator in a worker": Fault(
        "batch",
        1,
        "chance generator",
        {DRAW: "draw = np.random.default_rng()"},
        twice=True,
        line="np.random.default_rng()",
    ),
    "global generator without a seed": Fault(
        "evaluation batch", 4, "generator", {DRAW: "draw = np.random"}, twice=True
    ),
    "seed from the clock": Fault(
        "initial",
        None,
        "chance seed",
        {"import sys\n": "import sys\nimport time\n", SEED: "    torch.manual_seed(time.time_ns())\n"},
        twice=True,
        line="time.time_ns",
    ),
    "seed after the model": Fault(
        "initial",
        None,
        "initial place",
        {SEED: "", "    model = Net()\n": "    model = Net()\n" + SEED},
        line="model(picture, words)",
    ),
    "layers made in another order": Fault(
        "initial",
        None,
        "initial order",
        {
            "self.words = nn.Embedding(5, 16)": "pass",
            "nn.Linear(32, 4))\n": ("nn.Linear(32, 4))\n        self.words = nn.Embedding(5, 16)\n"),
        },
        line="model(picture, words)",
    ),
    "unsorted listing": Fault(
        "batch",
        1,
        "file listing",
        {SORTED: "self.files = os.listdir(FOLDER)"},
        twice=True,
        data="made in another order",
        line="os.listdir(FOLDER)",
    ),
    "order of a set of objects": Fault(
        "batch",
        1,
        "order",
        {SORTED: "self.files = [each.name for each in {*os.scandir(FOLDER)}]"},
        twice=True,
    ),
    "order of a set of texts": Fault(
        "batch",
        1,
        "hash seed",
        {SORTED: "self.files = list({*os.listdir(FOLDER)})"},
        twice=True,
        environment={"PYTHONHASHSEED": "random"},
    ),
    "one pixel of one file": Fault("batch", 4, "file contents", data="changed"),
    "another number of workers": Fault(
        "batch",
        1,
        "workers",
        {DRAW: "draw = np.random.default_rng(torch.initial_seed())", "num_workers=1": "num_workers=2"},
    ),
    "rows of a batch swapped": Fault(
        "batch",
        3,
        "order",
        {BATCH: BATCH + "            picture = picture.flip(0) if step == 2 else picture\n"},
        line="optimizer.step()",
    ),
    "another batch size": Fault(
        "batch", 1, "shape", {"CHECKPOINT = sys.argv[1], 2, 8": "CHECKPOINT = sys.argv[1], 2, 4"}
    ),
    "evaluation that draws": Fault(
        "evaluation batch",
        4,
        "generator",
        {"tests = DataLoader(data, BATCH)": "tests = DataLoader(data, BATCH, True)"},
    ),
    "dropout left on in evaluation": Fault(
        "mode",
        4,
        "mode",
        {"    model.eval()\n": ""},
        line="model(a, b)",
    ),
    "evaluation in one only": Fault(
        "control flow",
        4,
        "control flow",
        {"{evaluate(model, tests):.3f}": "unknown"},
        line="model(a, b)",
    ),
    "epsilon": Fault(
        "parameter",
        1,
        "optimizer",
        {"lr=0.01)": "lr=0.01, eps=1e-6)"},
        line="optimizer.step()",
    ),
    "betas": Fault(
        "optimizer state",
        1,
        "optimizer",
        {"lr=0.01)": "lr=0.01, betas=(0.9, 0.99))"},
        line="optimizer.step()",
    ),
    "a schedule off by one": Fault(
        "learning rate",
        3,
        "schedule",
        {"StepLR(optimizer, 3)": "StepLR(optimizer, 2)"},
        line="optimizer.step()",
    ),
    "clipping left out": Fault("clipping", 1, "clipping", {CLIP: ""}, line="optimizer.step()"),
    "gradients accumulated": Fault(
        "calls",
        1,
        "accumulation",
        {
            STEP + "            schedule.step()\n            step += 1\n": (
                "            step += 1\n            if step % 2:\n                continue\n" + STEP
            )
        },
        line="optimizer.step()",
    ),
    "autocast": Fault("forward", 1, "command", arguments=("--bf16",)),
    "another loss": Fault(
        "loss",
        1,
        "loss",
        {"(model(picture, words), target)": "(model(picture, words), target, label_smoothing=0.1)"},
    ),
    "one thread more": Fault(
        "gradient", 1, "threads", {"torch.set_num_threads(2)": "torch.set_num_threads(3)"}
    ),
    "another instruction set": Fault(
        "initial", None, "instructions", environment={"ATEN_CPU_CAPABILITY": "default"}
    ),
    "sums in the order of threads": Fault(
        "gradient",
        1,
        "operation",
        {"self.words(words).sum(1)": "self.words.weight[words.repeat(1, 20000)].sum(1) / 1000"},
        twice=True,
        line="optimizer.step()",
    ),
    "memory that nobody wrote": Fault(
        "initial",
        None,
        "unwritten",
        {
            "        self.words = nn.Embedding(5, 16)\n": (
                "        self.words = nn.Embedding(5, 16)\n"
                "        self.words.weight = nn.Parameter(torch.empty(5, 16))\n"
            )
        },
        line="model(picture, words)",
    ),
    "a draw more": Fault(
        "forward",
        5,
        "generator",
        {"    state = {": "    torch.rand(1)\n        state = {"},
    ),
    "completion order of a pool": Fault(
        "batch",
        1,
        "chance completion",
        {
            "import os\n": "import os\nfrom concurrent.futures import ThreadPoolExecutor, as_completed\n",
            SORTED: POOL,
        },
        twice=True,
        line="in as_completed(",
    ),
    "a stale cache": Fault(
        "batch",
        1,
        "file contents",
        {SORTED: CACHE, "        draw = ": "        picture = picture - self.mean\n        draw = "},
        twice=True,
        data="cached before",
    ),
    "a message that draws": Fault(
        "",
        None,
        "",
        {"            step += 1\n": "            step += 1\n            print(np.random.rand())\n"},
        twice=True,
    ),
    "autocast in both": Fault("", None, "", {'"--bf16" in sys.argv': "True"}, twice=True),
    "no workers in both": Fault("", None, "", {"num_workers=1": "num_workers=0"}, twice=True),
    "resumed a batch late": Fault(
        "batch",
        5,
        "resume",
        {"    for epoch in range(first": "    next(iter(loader))\n    for epoch in range(first"},
        resumed=True,
    ),
    "resumed without the optimiser": Fault(
        "learning rate",
        5,
        "resume",
        {'        optimizer.load_state_dict(saved["optimizer"])\n': ""},
        resumed=True,
    ),
    "resumed without the moments": Fault(
        "optimizer state",
        5,
        "resume",
        {'load_state_dict(saved["optimizer"])': 'load_state_dict(saved["optimizer"] | {"state": {}})'},
        resumed=True,
    ),
    "resumed without the schedule": Fault(
        "learning rate",
        7,
        "resume",
        {'        schedule.load_state_dict(saved["schedule"])\n': ""},
        resumed=True,
    ),
    "resumed without the generator": Fault(
        "forward",
        5,
        "resume",
        {'        torch.set_rng_state(saved["torch"])\n': ""},
        resumed=True,
    ),
    "resumed as it must be": Fault("", None, "", resumed=True),
}
