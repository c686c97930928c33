"""`samebits record --level layer`: what goes into each module and comes out, and no bit changes."""

import re

import pytest
from tests.samebits.torch.test_record import TRAININGS, read, steps
from tests.samebits.torch.test_record_processes import COMPILED, LIGHTNING, RANKS, TRAINER

from samebits.hashing.digest import digest
from samebits.hashing.weights import read_header, stored_array
from samebits.record.format import DIGITS, MISSING
from samebits.record.values import file_name, of_layer

SCRIPT = """
import dataclasses, hashlib, threading
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(1)

@dataclasses.dataclass
class Two:
    hidden: torch.Tensor
    count: int

class Several(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.relu = nn.Linear(4, 4), nn.ReLU(inplace=True)
    def forward(self, x, scale=1.0):
        hidden = self.relu(self.linear(x))
        hidden = self.relu(self.linear(hidden) * scale)
        return Two(hidden, 3), {"sum": hidden.sum(), "nothing": None}, None

class Frozen(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4).requires_grad_(False)
        self.register_buffer("calls", torch.zeros(1))
    def forward(self, x):
        self.calls.add_(1)
        return self.linear(x)

class Nested(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.linear, self.inner = nn.Linear(4, 4), Nested(depth - 1) if depth else None
    def forward(self, x):
        x = self.linear(x)
        return x if self.inner is None else x + self.inner(x)

class Doubles(nn.Module):
    def forward(self, x):
        return x.mul_(2)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.several, self.frozen, self.nested, self.doubles = Several(), Frozen(), Nested(1), Doubles()
        self.same, self.drop, self.rows = nn.Identity(), nn.Dropout(0.5), nn.Embedding(8, 4)
        self.again, self.head = nn.Sequential(nn.Linear(4, 4), nn.Tanh()), nn.Linear(4, 8, bias=False)
        self.head.weight = self.rows.weight
    def forward(self, x, at):
        two, table, _ = self.several(x, scale=0.5)
        hidden = self.same(self.doubles(self.frozen(two.hidden) + 0)) + self.rows(at)
        with torch.no_grad():
            self.nested(hidden)
        hidden = checkpoint(self.again, self.nested(hidden), use_reentrant=False)
        hidden[0].mul_(1.5)
        return nn.LogSoftmax(dim=1)(self.head(self.drop(hidden))), table["sum"]

net, loss = Net(), nn.NLLLoss()
optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
generator = torch.Generator().manual_seed(3)
for step in range(3):
    x, at = torch.randn(8, 4, generator=generator), torch.arange(8)
    optimizer.zero_grad()
    logits, more = net(x, at)
    (loss(logits, at) + more * 0.01).backward()
    optimizer.step()
    net.eval()
    thread = threading.Thread(target=net, args=(x, at), name="aside")
    thread.start()
    thread.join()
    with torch.no_grad():
        net(x, at)
    net.train()
for value in net.state_dict().values():
    print(hashlib.sha256(value.detach().numpy().tobytes()).hexdigest())
"""
BITS = re.compile("^.*[0-9a-f]{64}$", re.MULTILINE)


def layers(events):
    return [event for event in events if event["event"] == "layer"]


def parts(text):
    return [text[at : at + DIGITS] for at in range(0, len(text), DIGITS)]


@pytest.fixture(scope="module")
def made(start, tmp_path_factory):
    """What the script prints without and with layers, its events, and where they are."""
    folder = tmp_path_factory.mktemp("layers")
    (folder / "train.py").write_text(SCRIPT)
    plain = start("python", "train.py", cwd=folder)
    words = ("--level", "layer", "--steps", "1:2", "--values", "2:2", "-o", "made")
    done = start("samebits", "record", *words, "--", "python", "train.py", cwd=folder)
    assert plain.returncode == done.returncode == 0, done.stderr
    assert "samebits" not in done.stderr, done.stderr
    (events,) = read(folder / "made")
    return BITS.findall(plain.stdout), BITS.findall(done.stdout), events, folder / "made"


def of(events, step):
    """The lines of layers in a step, in order, those of evaluations left out."""
    at = [events.index(each) for each in steps(events)]
    begin = at[step - 2] if step > 1 else 0
    return [event for event in layers(events[begin : at[step - 1]]) if "evaluation" not in event]


def test_recording_layers_changes_no_bit(made):
    plain, recorded, events, _ = made
    assert recorded == plain
    assert len(plain) == 13
    assert (events[0]["level"], events[0]["steps"]) == ("layer", [1, 2])


def test_only_the_steps_that_are_asked_for_have_layers(made):
    *_, events, _ = made
    assert of(events, 1)
    assert of(events, 2)
    assert of(events, 3) == []
    assert {tuple(event["after"].items()) for event in layers(events)} == {(), (("0", 1),)}


def test_each_line_is_known_by_what_it_says(made):
    *_, events, _ = made
    names = ("evaluation", "thread", "direction", "module", "model", "occurrence")
    keys = [(str(event["after"]), *(event.get(name) for name in names)) for event in layers(events)]
    assert len(set(keys)) == len(keys)
    assert {event.get("thread") for event in layers(events)} == {None, "aside"}
    evaluated = [event for event in layers(events) if event.get("evaluation")]
    assert {event["direction"] for event in evaluated} == {"forward"}
    assert "" in {event["module"] for event in evaluated}


def test_modules_stand_in_the_order_in_which_they_end(made):
    *_, events, _ = made
    forward = [event["module"] for event in of(events, 1) if event["direction"] == "forward"]
    net = forward.index("")
    assert forward[: net + 1] == [
        *("several.linear", "several.relu") * 2,
        *("several", "frozen.linear", "frozen", "doubles", "same", "rows"),
        *("nested.linear", "nested.inner.linear", "nested.inner", "nested") * 2,
        *("again.0", "again.1", "again", "drop", "head", "(LogSoftmax)", ""),
    ]
    assert forward[net + 1 :] == ["", "again.0", "again.1", "again"]  # the loss; then what is computed again
    lines = [event for event in of(events, 1) if event["direction"] == "backward"]
    # Only what comes into these: all that leaves them belongs to the layers within.
    assert [event["module"] for event in lines if not event["of"]] == ["several", ""]
    backward = [event["module"] for event in lines if event["of"]]
    assert backward == [
        *("", "(LogSoftmax)", "head", "drop", "again.1", "again.0", "again"),
        *("nested.inner.linear", "nested.inner", "nested.linear", "nested", "rows", "doubles"),
        *("frozen.linear", "frozen", "several.relu", "several.linear", "several.relu", "several.linear"),
    ]


def call(events, direction, module, occurrence=1, model="Net"):
    wanted = {"direction": direction, "module": module, "occurrence": occurrence, "model": model}
    (line,) = (event for event in events if wanted.items() <= event.items() and "thread" not in event)
    return line


def test_inputs_are_those_before_a_module_works_in_place(made):
    *_, events, _ = made
    lines = of(events, 1)
    linear, relu = call(lines, "forward", "several.linear"), call(lines, "forward", "several.relu")
    assert relu["inputs"] == linear["outputs"] != relu["outputs"]
    back, before = call(lines, "backward", "several.relu", 2), call(lines, "backward", "several.linear", 2)
    assert back["of"] == ["input"]
    assert before["inputs"] == back["outputs"] != back["inputs"]
    assert before["of"] == ["bias", "weight"]  # nobody asks for the gradient of the batch
    doubled = call(lines, "backward", "doubles")
    assert (doubled["of"], len(doubled["inputs"])) == (["input"], DIGITS)


def test_arguments_and_outputs_of_every_kind(made):
    *_, events, _ = made
    several = call(of(events, 1), "forward", "several")
    assert (len(parts(several["inputs"])), len(parts(several["outputs"]))) == (
        2,
        3,
    )  # and all that is no tensor
    assert (several["shapes"], several["dtypes"]) == ([[8, 4], []], ["float32"] * 2)
    relu = call(of(events, 1), "forward", "several.relu")
    assert len(parts(relu["inputs"])) == len(parts(relu["outputs"])) == 1
    assert (relu["settings"], relu["training"], relu["class"]) == ("inplace=True", True, "ReLU")
    same = call(of(events, 1), "forward", "same")
    assert same["inputs"] == same["outputs"]
    frozen = [call(of(events, step), "forward", "frozen")["weights"] for step in (1, 2)]
    assert frozen[0] != frozen[1]  # its counter, before the call
    assert call(of(events, 1), "backward", "frozen.linear")["of"] == ["input"]


def test_a_shared_weight_has_a_gradient_for_each_use(made):
    *_, events, _ = made
    rows, head = (call(of(events, 1), "backward", name) for name in ("rows", "head"))
    assert (rows["of"], head["of"]) == (["weight"], ["input", "weight"])
    assert parts(rows["outputs"])[0] != parts(head["outputs"])[1]
    assert MISSING not in rows["outputs"] + head["outputs"]


def test_lines_and_generators_are_told(made):
    *_, events, _ = made
    script = SCRIPT.splitlines()
    drop = call(of(events, 1), "forward", "drop")
    assert "self.drop(hidden)" in script[int(drop["line"].removeprefix("train.py:")) - 1]
    before, after = drop["generators"]["torch"]
    assert before != after
    assert call(of(events, 1), "forward", "")["generators"] == {"torch": [before, after]}
    assert "generators" not in call(of(events, 1), "forward", "head")
    assert call(of(events, 1), "backward", "drop")["line"] == drop["line"]
    moves = [move for step in steps(events)[:1] for move in step["moves"]]
    during = [move[2] for move in moves if move[0] == "torch"]
    assert during[0] == "the forward pass of `drop` (Dropout)"


def test_what_a_checkpoint_computes_again_is_a_call_more(made):
    *_, events, _ = made
    first, again = (call(of(events, 1), "forward", "again.0", number) for number in (1, 2))
    assert (first["inputs"], first["outputs"]) == (again["inputs"], again["outputs"])
    assert call(of(events, 1), "forward", "again", 2)["outputs"] == ""  # it ends where all is there


def test_tensors_of_layers_are_those_of_their_digests(made):
    *_, events, folder = made
    (path,) = folder.glob("*.safetensors")
    assert path.name == file_name(f"{events[0]['pid']}", 0, 2)
    arrays = {name: stored_array(name, each) for name, each in read_header(path).items()}
    names = [name for name in arrays if name.startswith("layers/")]
    seen = 0
    for line in of(events, 2):
        for number, said in enumerate(parts(line["outputs"])[: len(line["shapes"])]):
            if said != MISSING and "thread" not in line:
                assert digest(arrays[f"{of_layer(line)}/{number}"]) == said, line
                seen += 1
    assert seen == len(names) > 40


GRAPHS = """
import gc
import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(2):
    for _ in range(5):
        model(torch.ones(2, 4)).mean()  # is only looked at: no backward frees its graph
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
gc.collect()
kinds = [type(each).__name__ for each in gc.get_objects()]
print(*(kinds.count(kind) for kind in ("Back", "Hooked")))
"""


@pytest.mark.parametrize("level", ["layer", "operation"])
def test_a_graph_is_gone_with_the_tensors_that_have_it(start, tmp_path, level):
    (tmp_path / "train.py").write_text(GRAPHS)
    done = start("samebits", "record", "--level", level, "--", "python", "train.py", cwd=tmp_path)
    assert done.stdout.splitlines()[0] == "0 0", done.stderr
    assert "lacks" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "through"),
    [
        (RANKS, ("torchrun", "--nproc-per-node", "2")),
        (LIGHTNING, ("python",)),
        (TRAINER, ("python",)),
        (COMPILED, ("python",)),
    ],
    ids=["DDP", "Lightning", "Hugging Face", "torch.compile"],
)
def test_loops_of_libraries_keep_their_bits(start, tmp_path, script, through):
    (tmp_path / "train.py").write_text(script)
    plain = start(*through, "train.py", cwd=tmp_path)
    words = ("--level", "layer", "-o", "made", "--", *through)
    done = start("samebits", "record", *words, "train.py", cwd=tmp_path)
    assert BITS.findall(done.stdout) == BITS.findall(plain.stdout) != []
    assert "the record lacks something" not in done.stderr
    recorded = [layers(events) for events in read(tmp_path / "made")]
    if script == COMPILED:  # the model is a part of what is compiled
        assert recorded[0] == []
    else:
        assert {line["direction"] for line in recorded[0]} == {"forward", "backward"}
    if script == RANKS:
        assert {line["module"] for line in recorded[0]} == {""}  # without the wrapper
        assert len(recorded[0]) == len(recorded[1]) == 6


@pytest.mark.slow
def test_a_compiled_model_is_one_layer(start, tmp_path):
    plain = start("python", TRAININGS, "inductor", cwd=tmp_path)
    words = ("--level", "layer", "-o", "made", "--", "python", TRAININGS)
    done = start("samebits", "record", *words, "inductor", cwd=tmp_path)
    assert done.stdout.splitlines()[:-1] == plain.stdout.splitlines()
    events = read(tmp_path / "made")[0]
    compiled = [line for line in layers(events) if line.get("compiled")]
    assert {(line["module"], line["class"]) for line in compiled} == {("", "Sequential")}
    assert len(compiled) == 3
    (unseen,) = (event["what"] for event in events if event["event"] == "unseen")
    assert unseen == "the layers inside of Sequential, which torch.compile has compiled"
