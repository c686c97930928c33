"""The lines of operations in a record: what they say, and that no bit of a training changes."""

import _thread
import threading

import pytest
import torch
from tests.samebits.torch.test_record import TRAININGS, read, steps
from tests.samebits.torch.test_record_processes import RANKS

from samebits.diff.command import compare
from samebits.record.format import DIGITS, MISSING
from samebits.torch.operations import Operation, Origin
from samebits.torch.partly_written import ARGUMENTS, OUTPUTS
from samebits.torch.record_operations import Operations

TRAINING = """
import threading
import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

@torch.library.custom_op("mine::double", mutates_args=())
def double(given: torch.Tensor) -> torch.Tensor:
    return given * 2

double.register_autograd(lambda context, gradient: gradient * 2)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(inplace=True), nn.Dropout(0.5))
        self.head = nn.Linear(4 * 36, 2)

    def forward(self, images):
        with torch.autocast("cpu", torch.bfloat16):
            features = checkpoint(self.features, images, use_reentrant=False)
        return self.head(double(features.float().flatten(1)))

torch.manual_seed(0)
model = Net()
optimizer = torch.optim.AdamW(model.parameters(), foreach=True)
own = torch.Generator().manual_seed(1)
for step in range(3):
    images = torch.randn(2, 3, 8, 8, generator=own)
    shared = images.numpy()
    shared[0] *= np.float32(2)
    loss = model(images).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    thread = threading.Thread(target=lambda: torch.ones(3).add_(step), name="aside")
    thread.start()
    thread.join()
    with torch.no_grad():
        model(images)
"""


@pytest.fixture(scope="module")
def recorded(start, tmp_path_factory):
    """The lines of the operations of the second step."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "train.py").write_text(TRAINING)
    how = ("--level", "operation", "--steps", "2:2", "--values", "2:2")
    done = start("samebits", "record", *how, "-o", "made", "--", "python", "train.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "lacks something" not in done.stderr
    (events,) = read(folder / "made")
    assert len(steps(events)) == 3
    return [event for event in events if event["event"] == "operation"]


def line(text):
    number = next(at for at, each in enumerate(TRAINING.split("\n"), 1) if text in each)
    return f"train.py:{number}"


def called(recorded, name, **about):
    asked = {"evaluation": None, "thread": None, **about}
    return [e for e in recorded if e["name"] == name and all(e.get(k) == v for k, v in asked.items())]


def test_only_the_steps_that_are_asked_for_have_lines(recorded):
    assert {tuple(event["after"].items()) for event in recorded} == {(("0", 1),)}


def test_a_line_says_which_module_called_and_where(recorded):
    (forward,) = called(recorded, "aten::convolution", direction="forward")
    assert forward["module"] == "features.0"
    assert forward["class"] == "Conv2d"
    assert forward["model"] == "Net"
    assert forward["line"] == line("checkpoint(self.features")
    assert forward["dtypes"] == ["bfloat16"]  # as autocast asks for


def test_backward_names_its_outputs_and_the_line_of_the_forward_call(recorded):
    (backward,) = called(recorded, "aten::convolution_backward")
    assert backward["direction"] == "backward"
    assert backward["module"] == "features.0"
    assert backward["line"] == line("checkpoint(self.features")
    assert backward["of"] == ["grad_input", "grad_weight", "grad_bias"]
    assert backward["outputs"].count(MISSING) == 2  # the images need none, and there is no bias


def test_inputs_are_read_before_an_operation_writes_in_place(recorded):
    (rectified,) = called(recorded, "aten::relu_", direction="forward")
    (convolved,) = called(recorded, "aten::convolution", direction="forward")
    assert rectified["inputs"] == convolved["outputs"]
    assert rectified["outputs"] != rectified["inputs"]
    assert rectified["of"] == ["self"]


def test_what_draws_has_the_states_of_its_generator(recorded):
    (drawn,) = called(recorded, "aten::randn.generator")
    assert list(drawn["generators"]) == ["own"]
    (dropped,) = called(recorded, "aten::bernoulli_.float", direction="forward")
    before, after = dropped["generators"]["torch"]
    assert before != after
    assert dropped["inputs"][:DIGITS] == MISSING  # memory that nobody wrote, and that it overwrites
    assert not called(recorded, "aten::mm")[0].get("generators")


def test_what_a_checkpoint_computes_again_is_counted_by_itself(recorded):
    (forward,) = called(recorded, "aten::relu_", direction="forward")
    (again,) = called(recorded, "aten::relu_", direction="backward")
    assert forward["outputs"] == again["outputs"]


def test_writes_of_numpy_are_seen_in_the_inputs_of_the_next_operation(recorded):
    (drawn,) = called(recorded, "aten::randn.generator")
    casts = called(recorded, "aten::_to_copy", module="features.0", direction="forward")
    (cast,) = [each for each in casts if each["shapes"] == drawn["shapes"]]
    assert cast["inputs"][:DIGITS] != drawn["outputs"]


def test_lists_custom_operations_threads_and_evaluations(recorded):
    written = [e for e in recorded if e["name"].startswith("aten::_foreach") and "self[1]" in e.get("of", ())]
    assert written
    assert all(len(each["outputs"]) == DIGITS * len(each["of"]) for each in written)
    (custom,) = called(recorded, "mine::double")
    assert custom["line"] == line("return self.head(double(")
    (aside,) = called(recorded, "aten::add_.Tensor", thread="aside")
    assert aside["line"] == line("target=lambda")
    assert not called(recorded, "aten::convolution_backward", evaluation=True)


def test_memory_that_nobody_wrote_and_views_have_no_line(recorded):
    names = {event["name"].partition(".")[0] for event in recorded}
    assert not {"aten::empty", "aten::empty_like", "aten::view", "aten::detach", "aten::t"} & names


def test_threads_of_autograd_are_one_with_the_thread_that_waits_for_them():
    """Such as those that run backward on a GPU: Python knows nothing of them, and has no name for them."""
    written, done = [], threading.Event()
    look = lambda at, *given: at(*given)  # noqa: E731
    recorded = Operations(written.append, look, dict, lambda: None, lambda: None, 0)
    operation = Operation("aten::relu", torch.relu)
    origin = Origin("backward", "head", "ReLU", "Net", "model.py:3")

    def run():
        recorded(operation, (torch.ones(2),), {}, origin)
        done.set()

    for _ in range(2):
        done.clear()
        _thread.start_new_thread(run, ())
        assert done.wait(20)
    assert [line["occurrence"] for line in written] == [1, 2]
    assert not any("thread" in line for line in written)


ORIGIN = Origin("forward", "", "", "", "model.py:3")


@pytest.fixture
def recorded_call():
    """Call something under the name and the schema of an operation; returns its line."""

    def recorded_call(name, call, *given, **named):
        written = []
        look = lambda at, *given: at(*given)  # noqa: E731
        space, _, base = name.partition("::")
        schema = getattr(getattr(torch.ops, space), base).default._schema
        recorded = Operations(written.append, look, dict, lambda: None, lambda: None, 0)
        recorded(Operation(name, call, schema), given, named, ORIGIN)
        return written[0]

    return recorded_call


def missing(digests):
    starts = range(0, len(digests), DIGITS)
    return {at // DIGITS for at in starts if digests[at : at + DIGITS] == MISSING}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_of_which_nobody_wrote_a_part_have_no_digest(recorded_call, name):
    count = len(getattr(torch.ops.aten, name.partition("::")[2]).default._schema.returns)
    line = recorded_call(name, lambda: tuple(torch.ones(2) for _ in range(count)))
    assert missing(line["outputs"]) == {*OUTPUTS[name]}
    assert len(line["outputs"]) == DIGITS * count


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_of_which_nobody_wrote_a_part_have_no_digest(recorded_call, name):
    names = [each.name for each in getattr(torch.ops.aten, name.partition("::")[2]).default._schema.arguments]
    unread = {at for at, each in enumerate(names) if each in ARGUMENTS[name]}
    assert len(unread) == len(ARGUMENTS[name])
    by_place = recorded_call(name, lambda *_, **__: None, *(torch.ones(2) for _ in names))
    by_name = recorded_call(name, lambda *_, **__: None, **{each: torch.ones(2) for each in names})
    assert missing(by_place["inputs"]) == missing(by_name["inputs"]) == unread


RECURRENT = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.LSTM(8, 16)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(2):
    optimizer.zero_grad()
    model(torch.randn(5, 4, 8))[0].square().mean().backward()
    optimizer.step()
"""


@pytest.mark.slow
def test_memory_that_nobody_wrote_makes_no_difference(start, tmp_path):
    (tmp_path / "train.py").write_text(RECURRENT)
    for folder, filled in (("a", "0"), ("b", "77")):
        how = ("--level", "operation", "-o", folder)
        script = ("env", f"MALLOC_PERTURB_={filled}", "python", "train.py")
        done = start("samebits", "record", *how, "--", *script, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    for first, second in zip(*(read(tmp_path / folder)[0] for folder in ("a", "b")), strict=True):
        if first["event"] == "operation":
            assert first == second


NESTED = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(self.layer, 2)
        self.head = nn.Linear(8, 2)

    def forward(self, given, padding):
        return self.head(self.encoder(given, src_key_padding_mask=padding))

torch.manual_seed(0)
model, rows = Net(), nn.Linear(8, 2)
optimizer = torch.optim.SGD([*model.parameters(), *rows.parameters()], lr=0.1)
padding = torch.zeros(2, 500, dtype=torch.bool)
padding[0, 400:] = True
for layout in (torch.strided, torch.jagged):
    given = torch.randn(2, 500, 8)
    several = torch.nested.nested_tensor([given[0, :400], given[1]], layout=layout)
    parts = rows(several).unbind()
    (model(given, padding).mean() + sum(each.sum() for each in parts)).backward()
    optimizer.step()
    optimizer.zero_grad()
    with torch.no_grad():
        model.eval()(given, padding)
    model.train()
"""


def test_nested_tensors_have_digests_and_no_shape(start, tmp_path):
    (tmp_path / "train.py").write_text(NESTED)
    words = ("samebits", "record", "--level", "operation", "-o", "a", "--", "python", "train.py")
    done = start(*words, cwd=tmp_path)
    assert "lacks something" not in done.stderr
    (events,) = read(tmp_path / "a")
    calls = [call for event in steps(events) for call in event["calls"] if call["module"] == "Linear"]
    assert [call["shapes"] for call in calls] == [[[]], [[2, -1, 8]]]
    nested = [each for each in events if each.get("name") == "aten::_nested_tensor_from_mask"]
    assert [each["shapes"] for each in nested] == [[[]], [[]]]
    assert not any(MISSING in each["outputs"] for each in nested)
    assert compare(tmp_path / "a", tmp_path / "a").steps == 2


@pytest.fixture
def same_without(start, tmp_path):
    """Run a command plainly and recorded: it prints the same. Returns the events of each process."""

    def same_without(*command, level="operation"):
        plain = start(*command, cwd=tmp_path)
        assert plain.returncode == 0, plain.stderr
        done = start("samebits", "record", "-o", "made", "--level", level, "--", *command, cwd=tmp_path)
        assert done.stdout.splitlines()[:-1] == plain.stdout.splitlines()
        assert plain.stdout
        assert "lacks something" not in done.stderr
        return read(tmp_path / "made")

    return same_without


def test_recording_changes_no_bit(same_without):
    """SGD and AdamW: a loop, foreach, fused; autocast, channels-last, transformers, checkpoints, and more."""
    (events,) = same_without("python", TRAININGS)
    assert sum(event["event"] == "operation" for event in events) > 2000
    assert {event["direction"] for event in events if event["event"] == "layer"} == {"forward", "backward"}


PUT = """
import torch
from torch import nn

torch.set_num_threads(2)

class Sums(nn.Module):
    def forward(self, values, rows):
        total = torch.zeros(50, 256)
        return total.index_put((rows,), values, accumulate=True)

torch.manual_seed(0)
first, sums = nn.Linear(16, 256), Sums()
optimizer = torch.optim.SGD(first.parameters(), lr=0.01)
rows, inputs = torch.randint(0, 50, (40000,)), torch.randn(40000, 16)
for step in range(2):
    optimizer.zero_grad()
    sums(first(inputs), rows).square().mean().backward()
    optimizer.step()
"""


@pytest.mark.slow
def test_an_operation_that_does_not_repeat_is_named_with_its_line(start, tmp_path):
    (tmp_path / "train.py").write_text(PUT)
    for folder in ("a", "b"):
        how = ("--level", "operation", "--steps", "1:1", "--values", "1:1", "-o", folder)
        done = start("samebits", "record", *how, "--", "python", "train.py", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    said = start("samebits", "diff", "a", "b", cwd=tmp_path).stdout
    at = next(number for number, each in enumerate(PUT.split("\n"), 1) if "index_put" in each)
    assert f"step 1, forward of Sums, aten::index_put, train.py:{at}: inputs equal, output differs in" in said
    assert " of 12,800 elements, by at most " in said
    assert "index_add_" in said


@pytest.mark.slow
def test_two_ranks_keep_their_bits(same_without, tmp_path):
    (tmp_path / "train.py").write_text(RANKS)
    first, second, _ = same_without("torchrun", "--nproc-per-node", "2", "train.py")
    for events in (first, second):
        exchanged = [each for each in events if each.get("name") == "c10d::allreduce_"]
        assert [each["outputs"] for each in exchanged] == [MISSING] * 3  # it may be there later only


@pytest.mark.slow
def test_compiled_code_keeps_its_bits(same_without):
    (events, *_) = same_without("python", TRAININGS, "inductor")
    assert any(each.get("name") == "torch.compile" for each in events)
    told = [each["what"] for each in events if each["event"] == "unseen"]
    (unseen,) = [each for each in told if "operations" in each]
    assert "torch.compile" in unseen
