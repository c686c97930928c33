"""How operations of torch are watched: which are told, from where, and that torch computes as without it."""

import json

import pytest

WATCHED = """
import json, threading, torch
from torch import nn
from samebits.torch import operations

told = []

def listener(operation, given, named, origin):
    result = operation.call(*given, **named)
    told.append([operation.name, origin.direction, origin.line.partition(":")[2], operation.draws,
                 [name for name, _ in operation.written(given, named)]])
    return result

path = ("", "", "")
operations.watch(listener, module=lambda: path)
results = {}

def say(name):
    results[name] = list(told)
    told.clear()
"""

SCRIPT = """
x = torch.ones(4, 4, requires_grad=True); told.clear()
y = torch.mul(x, 3)
z = torch.relu(y)
z.view(16).sum().backward()
say("lines")

thread = threading.Thread(target=lambda: torch.rand(3))
thread.start(); thread.join(); say("thread")

with operations.unwatched(): torch.rand(3)
say("unwatched")

torch.nn.functional.batch_norm(torch.ones(4, 2), torch.zeros(2), torch.ones(2), training=True)
say("hidden")

with torch.inference_mode(): nn.functional.linear(torch.ones(2, 2), torch.ones(2, 2))
say("inference")

@torch.library.custom_op("mine::double", mutates_args=())
def double(given: torch.Tensor) -> torch.Tensor:
    return given * 2

@torch.library.custom_op("mine::add_one", mutates_args=("given",))
def add_one(given: torch.Tensor) -> None:
    given.add_(1)

told.clear(); double(z); add_one(torch.ones(1)); say("custom")

late = torch._C._dispatch_library("DEF", "late", "", __file__, 1)  # as an extension in C++ does
late.define("twice(Tensor given) -> Tensor", "")
late.impl("twice", "CPU", lambda given: given + given)
path = ("head", "Linear", "Net")
torch.ones(1); torch.ones(1); told.clear(); torch.ops.late.twice(torch.ones(1)); say("late")
path = ("", "", "")

for _ in range(3):
    thread = threading.Thread(target=lambda: x * 2)
    thread.start(); thread.join()
results["threads"] = len(operations._all)

from torch.utils.flop_counter import FlopCounterMode
with FlopCounterMode(display=False) as counted: x @ x
results["flops"] = counted.get_total_flops()
results["vmap"] = torch.vmap(lambda row: row.cumsum(0))(torch.ones(2, 2)).tolist()

start = torch.ones(3, requires_grad=True)
cubed = torch.sigmoid(start) * start
(first,) = torch.autograd.grad(cubed, start, torch.ones(3), create_graph=True)
told.clear(); first.sum().backward(); say("second")

told.clear(); torch.empty(3); torch.zeros(3).normal_(); say("unwritten")
results["overwritten"] = sorted(map(str, operations._found("aten::normal_").overwritten))
several = ("aten::convolution_backward", "aten::max.dim", "aten::native_dropout")
results["outputs"] = [operations._found(name).output(1) for name in several]
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def told(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    (folder / "script.py").write_text(WATCHED + SCRIPT)
    done = start("python", "script.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def line(text):
    """The number of a line of the script, as text."""
    return str((WATCHED + SCRIPT).split("\n").index(text) + 1)


def names(told):
    return [each[0] for each in told]


def test_backward_is_told_with_the_line_of_the_forward_call(told):
    multiplied, rectified = line("y = torch.mul(x, 3)"), line("z = torch.relu(y)")
    assert ["aten::mul.Tensor", "", multiplied, False, []] in told["lines"]
    assert ["aten::threshold_backward", "backward", rectified, False, []] in told["lines"]
    assert ["aten::mul.Tensor", "backward", multiplied, False, []] in told["lines"]


def test_views_are_not_told(told):
    assert not {"aten::view", "aten::expand", "aten::detach"} & set(names(told["lines"]))


def test_threads_are_watched_and_what_is_unwatched_is_not(told):
    assert names(told["thread"]) == ["aten::rand"]
    assert told["thread"][0][3]  # draws
    assert told["unwatched"] == []


def test_what_a_schema_does_not_say_is_told_as_written(told):
    (normalised,) = (each for each in told["hidden"] if each[0] == "aten::native_batch_norm")
    assert normalised[4] == ["running_mean", "running_var"]


def test_what_is_always_decomposed_is_told_as_its_parts(told):
    assert names(told["inference"])[-1] == "aten::mm"


def test_operations_that_are_defined_later_are_told_without_their_insides(told):
    assert [(each[0], each[4]) for each in told["custom"] if each[0] != "aten::ones"] == [
        ("mine::double", []),
        ("mine::add_one", ["given"]),
    ]


def test_operations_of_an_extension_that_told_nobody_are_told(told):
    assert names(told["late"]) == ["aten::ones", "late::twice"]


def test_nothing_stays_of_a_thread_that_has_ended(told):
    assert told["threads"] == 1


def test_second_derivatives_have_the_line_of_the_forward_call(told):
    made = line("cubed = torch.sigmoid(start) * start")
    names = ("aten::sigmoid_backward", "aten::mul.Tensor")
    lines = {each[2] for each in told["second"] if each[0] in names and each[1] == "backward"}
    assert lines == {made}


def test_modes_and_transformations_of_the_program_work(told):
    assert told["flops"] == 2 * 4**3
    assert told["vmap"] == [[1, 2], [1, 2]]


def test_facts_of_operations(told):
    assert names(told["unwritten"]) == ["aten::empty.memory_format", "aten::zeros", "aten::normal_"]
    assert told["overwritten"] == ["0", "self"]
    assert told["outputs"] == ["grad_weight", "indices", "output 1"]


BITS = """
import hashlib, sys, torch
from samebits.torch import operations

seen = []
def listener(operation, given, named, origin):
    seen.append(operation.name)
    return operation.call(*given, **named)

if sys.argv[1] == "watched":
    operations.watch(listener)
torch.manual_seed(0)

def say(tensor):
    print(hashlib.sha256(tensor.detach().numpy().tobytes()).hexdigest())
"""
CUMPROD = """
numbers = torch.randn(64, 257)
numbers[:, 7] = 0
numbers.requires_grad_().cumprod(1).sin().sum().backward()
say(numbers.grad)
"""
COMPILED = """
layer = torch.nn.Sequential(torch.nn.Linear(257, 64), torch.nn.GELU(), torch.nn.LayerNorm(64))
net = torch.compile(layer)
for _ in range(2):
    net(torch.randn(64, 257)).square().mean().backward()
say(layer[0].weight.grad)
print(seen.count("torch.compile"), file=sys.stderr)
"""


def plain_and_watched(start, folder, code):
    (folder / "script.py").write_text(BITS + code)
    plain, watched = (start("python", "script.py", how, cwd=folder) for how in ("plain", "watched"))
    assert plain.returncode == watched.returncode == 0, plain.stderr + watched.stderr
    assert plain.stdout == watched.stdout
    assert plain.stdout
    return watched


def test_the_gradient_of_cumprod_keeps_its_bits(start, tmp_path):
    """Under a dispatch mode it has another formula."""
    plain_and_watched(start, tmp_path, CUMPROD)


@pytest.mark.slow
def test_a_compiled_graph_keeps_its_bits_and_is_one_call(start, tmp_path):
    """Under a dispatch mode torch.compile compiles nothing."""
    watched = plain_and_watched(start, tmp_path, COMPILED)
    assert watched.stderr.split()[-1] == "4"  # forward and backward, twice
