"""What samebits costs, as ratios measured side by side in one run: A B A B …, the median of the pairs.

Absolute times on a shared machine say little; a pair that ran seconds apart says something.
"""

import importlib.util
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import torch
from rich.console import Console
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

import samebits.torch
from samebits._report import Cell, Outcome, print_json, print_table
from samebits.checkpoint import files
from samebits.checkpoint.state import TrainingState
from samebits.process.program import run_command
from samebits.torch import state

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Result:
    """One comparison: what ours costs, relative to what it stands beside."""

    subject: str
    against: str
    figure: float
    unit: str
    aim: float | None
    spread: str

    @property
    def outcome(self) -> Outcome | None:
        """Whether it is within its aim; None without one."""
        if self.aim is None:
            return None
        return "ok" if self.figure <= self.aim else "fail"


Clock = Callable[[], float]


def processor() -> float:
    """Seconds that the processors have worked for the processes that this one started and that ended."""
    times = os.times()
    return times.children_user + times.children_system


def seconds(work: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    began = clock()
    work()
    return clock() - began


def pairs(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    rounds: int,
    clock: Clock = time.perf_counter,
) -> list[tuple[float, float]]:
    """Run both in turn, after one warm-up of each; seconds."""
    ours()
    theirs()
    return [(seconds(ours, clock), seconds(theirs, clock)) for _ in range(rounds)]


def ratio(
    subject: str, against: str, measured: list[tuple[float, float]], aim: float | None, unit: str = "×"
) -> Result:
    ratios = [a / b for a, b in measured]
    spread = f"{min(ratios):.2f} … {max(ratios):.2f}"
    return Result(subject, against, statistics.median(ratios), unit, aim, spread)


def difference(
    subject: str,
    against: str,
    measured: list[tuple[float, float]],
    aim: float | None,
    unit: str,
    scale: float,
) -> Result:
    differences = [(a - b) * scale for a, b in measured]
    spread = f"{min(differences):.1f} … {max(differences):.1f}"
    return Result(subject, against, statistics.median(differences), unit, aim, spread)


def training(rounds: int) -> list[Result]:
    """Whole processes, entrypoint included: imports, training, evaluation, weights, picture."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SAMEBITS_RUN_FOLDER": f"{folder}/run"}

        def ours() -> None:
            command = [str(ROOT / "entrypoint"), "train", "--epochs", "20"]
            subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)

        def theirs() -> None:
            command = [sys.executable, str(ROOT / "tools" / "plain_torch.py"), "20", folder]
            subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)

        return [ratio("make train", "the same script without samebits", pairs(ours, theirs, rounds), 1.05)]


# Prints the processor's seconds that each kind of work takes; NAME is the only thing filled in.
WORK = """
import time, torch, torch.nn.functional as F
ours = NAME != "plain"
if ours:
    import samebits.torch
    samebits.torch.make_deterministic()
a, image, kernel = torch.rand(768, 768), torch.randn(32, 32, 28, 28), torch.randn(64, 32, 3, 3)
model = torch.nn.Linear(768, 768)
model.weight.grad, model.bias.grad = torch.ones(768, 768), torch.ones(768)
optimizer, lstm = torch.optim.AdamW(model.parameters()), torch.nn.LSTM(64, 128)
steps = torch.randn(32, 32, 64)
heads = torch.randn(8, 8, 128, 64, requires_grad=True)
work = {
    "matrix product": lambda: a @ a,
    "small product": lambda: [a[:16, :16] @ a[:16, :16] for _ in range(500)],
    "linear layer, training": lambda: model(a[:64]).sum().backward(),
    "attention, training": lambda: F.scaled_dot_product_attention(heads, heads, heads).sum().backward(),
    "convolution": lambda: F.conv2d(image, kernel),
    "tanh, exp, log": lambda: a.tanh().exp().log(),
    "square root": lambda: a.sqrt(),
    "atan": lambda: a.atan(),
    "AdamW step": lambda: optimizer.step(),
    "LSTM": lambda: lstm(steps),
}
for name, function in work.items():
    function()
    taken = []
    for _ in range(15):
        began = time.process_time()
        function()
        taken.append(time.process_time() - began)
    print(name, sorted(taken)[7], sep="=")
"""


# The same with Keras on TensorFlow, for whole trainings: nobody multiplies matrices there by hand.
KERAS_WORK = """
import time, keras, numpy as np
from keras import layers
if NAME != "plain":
    import samebits.keras
    samebits.keras.make_deterministic()
keras.utils.set_random_seed(1)
images, words = np.ones((640, 28, 28, 1), "float32"), np.arange(320 * 64).reshape(320, 64) % 1000
convolutions = keras.Sequential([
    keras.Input((28, 28, 1)), layers.Conv2D(32, 3), layers.BatchNormalization(), layers.ReLU(),
    layers.Conv2D(64, 3), layers.BatchNormalization(), layers.ReLU(), layers.Flatten(), layers.Dense(10),
])
given = keras.Input((64,), dtype="int32")
x = layers.Embedding(1000, 128)(given)
x = layers.LayerNormalization()(x + layers.MultiHeadAttention(4, 32)(x, x))
x = layers.Dense(128)(layers.Dense(512, "gelu")(x))
transformer = keras.Model(given, layers.Dense(10)(layers.GlobalAveragePooling1D()(x)))
work = {"Keras, convolutional network": (convolutions, images), "Keras, transformer": (transformer, words)}
for name, (model, data) in work.items():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adamw", loss, jit_compile=False)
    labels, taken = np.arange(len(data)) % 10, []
    for _ in range(4):
        began = time.process_time()
        model.fit(data, labels, batch_size=32, verbose=0)
        taken.append(time.process_time() - began)
    print(name, min(taken), sep="=")
"""


def profiles(rounds: int) -> list[Result]:
    """Each profile against plain frameworks at the same threads: kinds of work, then the starter's."""
    bare = {name: value for name, value in os.environ.items() if name != "SAMEBITS_PROFILE"}
    results, measured = [], {}
    for name in ("plain", "run", "portable") * rounds:
        program = [] if name == "plain" else [str(ROOT / "entrypoint")]
        environment = bare | ({} if name == "plain" else {"PROFILE": name})
        for script in (WORK, KERAS_WORK):
            command = [*program, sys.executable, "-c", script.replace("NAME", repr(name))]
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            for line in done.stdout.splitlines():
                work, _, taken = line.partition("=")
                measured.setdefault((work, name), []).append(float(taken))
    for work in dict.fromkeys(work for work, _ in measured):
        for name in ("run", "portable"):
            both = list(zip(measured[work, name], measured[work, "plain"], strict=True))
            results.append(ratio(f"{work}, profile {name}", "without samebits", both, None))
    with tempfile.TemporaryDirectory() as folder:
        for name, aim in (("run", 1.05), ("portable", 1.5)):
            environment = {**bare, "SAMEBITS_RUN_FOLDER": f"{folder}/run", "PROFILE": name}
            ours = [str(ROOT / "entrypoint"), "train", "--epochs", "20"]
            theirs = [sys.executable, str(ROOT / "tools" / "plain_torch.py"), "20", folder]
            both = pairs(
                lambda c=ours, e=environment: subprocess.run(
                    c, env=e, cwd=folder, check=True, capture_output=True
                ),
                lambda c=theirs: subprocess.run(c, env=bare, cwd=folder, check=True, capture_output=True),
                rounds,
            )
            results.append(
                ratio(f"make train, profile {name}", "the same script without samebits", both, aim)
            )
    return results


# A run of the starter; OFF is filled in: whether what watches for chance is switched off.
CHANCE = """
import runpy, sys
from samebits.chance import before_seed, begin, files, order, sets, torch_beginning
if OFF:
    begin.PARTS.clear()
    for part in (order.watch_listings, files.watch, sets.watch, torch_beginning.watch, before_seed.look):
        setattr(sys.modules[part.__module__], part.__name__, lambda *given, **named: None)
sys.argv[1:] = ["--epochs", "20"]
runpy.run_module("starter.train_torch", run_name="__main__")
"""


def chance(rounds: int) -> list[Result]:
    """What naming chance costs a run, beside how far two equal runs lie apart; and `samebits watch`.

    In the processors' time, which differs less on a machine that others use as well.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SAMEBITS_RUN_FOLDER": f"{folder}/run"}

        def run(off: bool, *watch: str) -> Callable[[], object]:
            script = CHANCE.replace("OFF", str(off))
            command = [str(ROOT / "entrypoint"), *watch, "python", "-c", script]
            return lambda: subprocess.run(
                command, env=environment, cwd=folder, check=True, capture_output=True
            )

        watched, bare = run(off=False), run(off=True)
        traced = run(False, "samebits", "watch", "--")
        return [
            ratio("a run, with its chance named", "without", pairs(watched, bare, rounds, processor), 1.05),
            ratio("the same run", "itself again", pairs(bare, bare, rounds, processor), None),
            ratio("samebits watch", "without", pairs(traced, bare, rounds, processor), None),
        ]


# Prints the processor's seconds of each training's steps, without the first.
RECORDED = """
import time, torch
from torch import nn

class Block(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.one = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.two = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.first, self.second = nn.BatchNorm2d(after), nn.BatchNorm2d(after)
        self.aside = nn.Sequential()
        if stride > 1:
            self.aside = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
    def forward(self, x):
        inner = self.second(self.two(self.first(self.one(x)).relu()))
        return (inner + self.aside(x)).relu()

def resnet18():
    sizes = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1)]
    sizes += [(128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1)]
    stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)]
    model = nn.Sequential(*stem, *(Block(*size) for size in sizes), *tail)
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), torch.randn(64, 3, 64, 64)

def transformer():
    layer = nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True)
    stem = [nn.Embedding(1000, 256), nn.TransformerEncoder(layer, 4)]
    model = nn.Sequential(*stem, nn.Flatten(), nn.Linear(64 * 256, 10))
    return model, torch.optim.AdamW(model.parameters()), torch.randint(0, 1000, (16, 64))

torch.manual_seed(0)
work = {"ResNet-18, 64 × 64, batch 64": (resnet18, 6), "transformer, batch 16": (transformer, 20)}
for name, (make, steps) in work.items():
    model, optimizer, inputs = make()
    labels, began = torch.arange(len(inputs)) % 10, 0
    for step in range(steps + 1):
        began = began if step > 1 else time.process_time()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    print(name, time.process_time() - began, sep="=")
"""


# Of ResNet-18 and of the transformer.
AIMS = {"step": (1.03, 1.05), "layer": (1.15, 1.15), "operation": (2.5, 2.5)}


def printed(folder: str, script: str, *through: str) -> str:
    """What a script in a folder prints, run through a command of samebits or without one."""
    command = [str(ROOT / "entrypoint"), *through, "python", script]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def seconds_in(text: str) -> dict[str, float]:
    """Those that a script has printed, by the name of each training."""
    return {name: float(number) for name, number in re.findall(r"^(.+)=([\d.e-]+)$", text, re.M)}


def record(rounds: int) -> list[Result]:
    """A training under `samebits record` against the same without, by the processor's time of its steps.

    At each level. And what a step takes whose tensors are written: three of them against as many that are
    recorded.
    """
    measured: dict[tuple[str, str], list[tuple[float, float]]] = {}
    held: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "train.py").write_text(RECORDED)

        def taken(*words: str) -> dict[str, float]:
            return seconds_in(printed(folder, "train.py", *words))

        for _ in range(rounds):
            theirs = taken()
            ours = {level: taken("samebits", "record", "--level", level, "--") for level in AIMS}
            for level in AIMS:
                for name in theirs:
                    measured.setdefault((level, name), []).append((ours[level][name], theirs[name]))
            values = taken("samebits", "record", "--values", "2:4", "--")
            for name in theirs:
                held.setdefault(name, []).append((values[name] / 3, ours["step"][name] / 3))
            shutil.rmtree(Path(folder) / "runs")
    places = {name: number for number, name in enumerate(held)}
    return [
        *(
            ratio(f"samebits record --level {level}, {name}", "without", both, AIMS[level][places[name]])
            for (level, name), both in measured.items()
        ),
        *(
            difference(f"a step with --values, {name}", "a recorded step", both, None, "ms more", 1000)
            for name, both in held.items()
        ),
        *record_keras(rounds),
    ]


def twice(rounds: int) -> list[Result]:
    """The steps of a training under `samebits twice` against the same without, by the processor's time."""
    measured: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "train.py").write_text(RECORDED)

        def taken(*words: str) -> dict[str, float]:
            return seconds_in(printed(folder, "train.py", *words))

        for _ in range(rounds):
            ours, theirs = taken("samebits", "twice", "--every", "1", "--"), taken()
            default = taken("samebits", "twice", "--")
            for name in theirs:
                measured.setdefault(f"each step twice, {name}", []).append((ours[name], theirs[name]))
                measured.setdefault(f"one step of ten twice, {name}", []).append(
                    (default[name], theirs[name])
                )
    return [ratio(f"samebits {name}", "without", both, None) for name, both in measured.items()]


def record_keras(rounds: int) -> list[Result]:
    """The same of two small trainings in Keras, whose steps run in a graph: ratios, and what a step costs."""
    if importlib.util.find_spec("tensorflow") is None:
        return []
    measured: dict[str, list[tuple[float, float]]] = {}
    steps: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:

        def taken(*words: str) -> dict[str, float]:
            text = printed(folder, str(ROOT / "tools/bench_keras.py"), *words)
            lines = [line.split("=") for line in text.splitlines() if line.count("=") == 2]
            steps.update((name, int(count)) for name, count, _ in lines)
            return {name: float(text) for name, _, text in lines}

        for _ in range(rounds):
            ours, theirs = taken("samebits", "record", "--"), taken()
            for name in theirs:
                measured.setdefault(name, []).append((ours[name], theirs[name]))
    results = []
    for name, both in measured.items():
        each = [(ours / steps[name], theirs / steps[name]) for ours, theirs in both]
        results.append(ratio(f"samebits record, {name}", "without", both, None))
        results.append(difference(f"a recorded step, {name}", "without", each, None, "ms more", 1000))
    return results


def entrypoint(rounds: int) -> list[Result]:
    """`./entrypoint true` against `true`, in an environment that has not been through it."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [str(ROOT / "entrypoint"), "/bin/true"]
    measured = pairs(
        lambda: subprocess.run(command, env=bare, check=True, capture_output=True),
        lambda: subprocess.run(command[1:], env=bare, check=True, capture_output=True),
        rounds * 20,
    )
    return [difference("entrypoint", "bare exec", measured, 20, "ms more", 1000)]


def hashing(rounds: int) -> list[Result]:
    """Weights of 1 GB, in four tensors, as a model holds them; the file lies in the page cache."""
    layers = [torch.nn.Linear(8192, 8192, bias=False) for _ in range(4)]
    model = torch.nn.Sequential(*layers)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.safetensors"
        samebits.torch.save_weights(model, file)

        def ours() -> None:
            samebits.torch.hash_weights(model)

        def sha256sum() -> None:
            subprocess.run(["sha256sum", str(file)], check=True, capture_output=True)

        def memory() -> None:
            for layer in layers:
                layer.weight.detach().numpy().view(np.uint64).max()

        return [
            ratio("hashing 1 GB of weights", "sha256sum", pairs(ours, sha256sum, rounds), 1.1),
            ratio("hashing 1 GB of weights", "reading memory", pairs(ours, memory, rounds), None),
        ]


class Samples(Dataset[torch.Tensor]):
    """Samples that cost a given time each, spent as a decoder would: busy, drawing nothing global."""

    def __init__(self, size: int, microseconds: float, deterministic: bool) -> None:
        self.values = torch.arange(size)
        self.microseconds, self.deterministic = microseconds, deterministic

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> torch.Tensor:
        until = time.perf_counter() + self.microseconds * 1e-6
        while self.microseconds and time.perf_counter() < until:
            pass
        return self.values[index]


class Stream(IterableDataset[torch.Tensor]):
    """Samples that cost nothing, shared among workers as torch's documentation says."""

    def __init__(self, size: int) -> None:
        self.values = torch.arange(size)

    def __iter__(self) -> Iterator[torch.Tensor]:
        info = get_worker_info()
        yield from self.values[info.id :: info.num_workers] if info else self.values


def loading(rounds: int) -> list[Result]:
    """An epoch of our loader against one of torch's, without and with workers."""
    results = []
    for workers in (0, 2):
        for cost, deterministic, size in ((0, False, 20_000), (300, False, 4_000), (0, True, 20_000)):
            samples = Samples(size, cost, deterministic)
            options = {"batch_size": 64, "shuffle": True, "num_workers": workers}
            ours = samebits.torch.loader(samples, seed=0, **options)
            theirs: DataLoader[torch.Tensor] = DataLoader(samples, **options)
            measured = pairs(lambda o=ours: list(o), lambda t=theirs: list(t), rounds)  # type: ignore[misc]
            name = f"loader, {workers} workers, "
            if deterministic:
                results.append(ratio(name + "draws nothing", "torch's", measured, 1.05))
            elif cost:
                results.append(ratio(name + f"{cost} µs a sample", "torch's", measured, 1.05))
            else:
                results.append(per_sample(name + "free samples", measured, size))
        stream = Stream(20_000)
        ours = samebits.torch.loader(stream, seed=0, shards=2, batch_size=64, num_workers=workers)
        theirs = DataLoader(stream, batch_size=64, num_workers=workers)
        measured = pairs(lambda o=ours: list(o), lambda t=theirs: list(t), rounds)  # type: ignore[misc]
        results.append(per_sample(f"loader, {workers} workers, iterable", measured, len(stream.values)))
    return results


def per_sample(subject: str, measured: list[tuple[float, float]], samples: int) -> Result:
    return difference(subject, "torch's", measured, 15, "µs a sample", 1e6 / samples)


def saving(rounds: int) -> list[Result]:
    """A checkpoint of a model and its AdamW, 0.8 GB, flushed to disk; `torch.save` does not flush."""
    model = torch.nn.Sequential(*[torch.nn.Linear(4096, 4096, bias=False) for _ in range(4)])
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    held = TrainingState({"model": model, "optimizer": optimizer}, state)
    with tempfile.TemporaryDirectory(dir=".") as name:  # not in /tmp, which may be memory
        folder = Path(name)

        def plain() -> None:
            whole = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(whole, folder / "plain.pt")

        def ours() -> None:
            captured, tensors = held.capture()
            files.write(folder, 1, captured, tensors)

        whole, on_thread = pairs(ours, plain, rounds), pairs(held.capture, plain, rounds)
        size = sum(path.stat().st_size for path in files.find(folder)[0].iterdir())
    held = TrainingState({"model": model, "optimizer": optimizer}, state)  # without a copy from before
    more = peak_memory(held.capture) / size
    return [
        ratio("checkpoint until it is on disk", "torch.save", whole, 1.1),
        ratio("checkpoint on the training thread", "torch.save", on_thread, 0.2),
        Result("checkpoint's memory", "the state's size", more, "×", None, ""),
    ]


def peak_memory(work: Callable[[], object]) -> int:
    """The most that the process holds in memory meanwhile, less what it held before; bytes."""

    def status(name: str) -> int:
        match = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
        assert match is not None
        return int(match[1]) * 1024

    Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM
    before = status("VmRSS")
    work()
    return status("VmHWM") - before


PARTS = {
    "training": training,
    "profiles": profiles,
    "chance": chance,
    "record": record,
    "twice": twice,
    "entrypoint": entrypoint,
    "hashing": hashing,
    "loader": loading,
    "saving": saving,
}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option(
    "--rounds", default=5, show_default=True, type=click.IntRange(1), help="Pairs of each comparison."
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def command(parts: tuple[str, ...], rounds: int, as_json: bool) -> None:
    """Measure all PARTS, or those named."""
    results: list[Result] = []
    screen = Console(stderr=True)
    for name in parts or PARTS:
        with screen.status(f"measuring: {name}"):
            results += PARTS[name](rounds)
        screen.print(f"measured: {name}")
    if as_json:
        print_json([{**asdict(result), "outcome": result.outcome} for result in results])
        return
    rows: list[tuple[Cell, ...]] = [
        (
            r.subject,
            r.against,
            f"{r.figure:.2f} {r.unit}",
            r.spread,
            f"≤ {r.aim:g}" if r.aim else "",
            (r.outcome, r.outcome) if r.outcome else "",
        )
        for r in results
    ]
    print_table(("what", "against", "median", "least … most", "aim", "outcome"), rows)
    judged = [r for r in results if r.aim is not None]
    missed = [r.subject for r in judged if r.outcome == "fail"]
    print(
        f"{len(judged) - len(missed)} of {len(judged)} within their aims",
        *missed,
        sep="; missed: " if missed else "",
    )


if __name__ == "__main__":
    sys.exit(run_command(command, "tools/bench.py"))
