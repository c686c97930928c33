"""`samebits twice` on operations of torch, and on trainings that know nothing of samebits."""

import json
import re

import pytest
import torch
from tests.conftest import ROOT
from tests.samebits.torch.test_record import TRAININGS
from tests.samebits.torch.test_record_processes import COMPILED, RANKS
from tests.test_readme import pattern

from samebits.torch.operations import Operation, Origin
from samebits.torch.partly_written import ARGUMENTS, OUTPUTS
from samebits.torch.twice import Twice
from samebits.torch.twice_compare import difference
from samebits.torch.twice_copies import Copies
from samebits.twice.told import Process
from samebits.twice.window import Window, parse

NOWHERE = Origin("", "", "", "", "")
PAGE = (ROOT / "docs/twice.md").read_text()
(FILMS,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)  # adds at eight places from two threads

AUTOCAST = """
import hashlib, torch
from torch import nn
torch.manual_seed(0)
layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(288, 4)
model = nn.Sequential(*layers)
model = model.to(memory_format=torch.channels_last)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)
for _ in range(3):
    inputs = torch.randn(8, 3, 8, 8).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(inputs).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
for value in model.state_dict().values():
    print(hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest())
"""


@pytest.fixture
def process(tmp_path):
    return Process(str(tmp_path))


@pytest.fixture
def execute(process):
    """Execute an operation of torch twice."""
    twice = Twice(process, Window())

    def execute(name, *given, **named):
        space, _, rest = name.partition("::")
        base, _, overload = rest.partition(".")
        call = getattr(getattr(getattr(torch.ops, space), base), overload or "default")
        return twice.execute(Operation(name, call, call._schema, call.tags), given, named, NOWHERE)

    return execute


def chance(times):
    """An operation that gives other numbers each time."""
    numbers = iter(range(times))
    return Operation("aten::chance", lambda tensor: tensor + next(numbers))


# ---------------------------------------------------------------- copies
def test_copies_keep_strides_offsets_and_aliases():
    base = torch.arange(40.0)
    view, transposed = base[3:13], base[4:24].view(4, 5).t()
    expanded, other = base[30:31].expand(6), torch.arange(6).to(torch.bfloat16)
    copies = Copies((view, [transposed, None, other]), {"out": expanded, "number": 3}, set())
    first, (second, nothing, third) = copies.given
    fourth = copies.named["out"]
    assert (nothing, copies.named["number"]) == (None, 3)
    for copy, of in ((first, view), (second, transposed), (third, other), (fourth, expanded)):
        assert torch.equal(copy, of)
        assert copy.dtype is of.dtype
        assert copy.stride() == of.stride()
        assert copy.storage_offset() == of.storage_offset()
        assert copy.data_ptr() != of.data_ptr()
        assert copy.data_ptr() % 64 == of.data_ptr() % 64
    first[1] = 99
    assert second[0, 0] == 99
    assert base[4] == 4


def test_copies_of_unaligned_memory_are_as_unaligned():
    memory = torch.arange(100, dtype=torch.uint8).numpy()
    for first in (1, 4, 20):
        tensor = torch.from_numpy(memory[first:])
        ((copy,), _) = (copies := Copies((tensor,), {}, set())).given, copies.named
        assert copy.data_ptr() % 64 == tensor.data_ptr() % 64
        assert torch.equal(copy, tensor)


def test_copies_are_conjugated_and_negated_as_their_originals_are():
    numbers = torch.tensor([1 + 2j, 3 - 4j])
    for tensor in (numbers.conj(), numbers.conj().imag, numbers):
        (copy,) = Copies((tensor,), {}, set()).given
        assert (copy.is_conj(), copy.is_neg()) == (tensor.is_conj(), tensor.is_neg())
        assert torch.equal(copy, tensor)


def test_sparse_and_quantised_tensors_are_copied():
    sparse = torch.eye(3).to_sparse()
    quantised = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    for tensor in (sparse, sparse.to_sparse_csr(), quantised):
        (copy,) = Copies((tensor,), {}, set()).given
        assert copy is not tensor
        assert difference("it", tensor, copy) is None


# ---------------------------------------------------------------- comparison
def test_each_bit_counts():
    numbers = torch.tensor([1.0, 0.0, float("nan")])
    payload = numbers.view(torch.int32).clone()
    payload[2] += 1
    assert difference("it", numbers, numbers.clone()) is None
    assert difference("it", numbers, payload.view(torch.float32)).words == "1 of 3 elements differ, NaN"
    zero = torch.tensor([1.0, -0.0, float("nan")])
    assert difference("it", numbers, zero).words == "1 of 3 elements differ, only in the sign of zero"
    two = torch.tensor([1.0, 0.0, 0.0])
    two.view(torch.int32)[0] += 5
    two[2] = float("nan")
    assert difference("it", numbers, two).words == "1 of 3 elements differ, by at most 5 ULPs"


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.int64, torch.bfloat16, torch.complex64, torch.complex128, torch.float8_e5m2]
)
def test_one_element_of_any_type(dtype):
    tensor = torch.zeros(4, 3).to(dtype)
    other = torch.zeros(4, 3)
    other[2, 1] = 1
    assert difference("it", tensor, tensor.t().contiguous().t()) is None
    seen = difference("it", tensor, other.to(dtype))
    assert (seen.elements, seen.of) == (1, 24 if dtype.is_complex else 12)
    assert difference("it", tensor.t(), other.to(dtype).t()).elements == 1


def test_a_value_of_a_nested_tensor():
    rows = [torch.zeros(2, 3), torch.zeros(4, 3)]
    nested = torch.nested.nested_tensor(rows)
    (copy,) = Copies((nested,), {}, set()).given
    assert difference("it", nested, copy) is None
    rows[1][2, 1] = 1
    assert difference("it", nested, torch.nested.nested_tensor(rows)).elements == 1


def test_a_value_of_a_sparse_tensor():
    seen = difference("it", torch.eye(3).to_sparse(), (torch.eye(3) * torch.tensor([1, 1, 2])).to_sparse())
    assert seen.elements == 1
    assert difference("it", torch.zeros(2), torch.zeros(3)).reason == "shape"
    assert difference("it", torch.zeros(2), torch.zeros(2, dtype=torch.int32)).reason == "dtype"


# ---------------------------------------------------------------- execution
def test_the_first_result_and_its_generator_stay(process, execute):
    torch.manual_seed(1)
    expected = torch.rand(5), torch.randn(3)
    torch.manual_seed(1)
    given = execute("aten::rand", [5]), execute("aten::randn", [3])
    assert all(map(torch.equal, given, expected))
    own = torch.Generator().manual_seed(4)
    numbers = torch.zeros(5)
    assert execute("aten::uniform_", numbers, generator=own) is numbers
    assert torch.equal(numbers, torch.rand(5, generator=torch.Generator().manual_seed(4)))
    assert (process.outputs, process.differing) == (3, {})


def test_what_is_written_in_place_is_compared_and_written_once(process, execute):
    weights, gradient = torch.ones(4), torch.full((4,), 2.0)
    execute("aten::add_.Tensor", weights, gradient)
    execute("aten::_foreach_add_.List", [weights, gradient], [gradient.clone(), gradient.clone()])
    execute("aten::add.out", weights, gradient, out=(out := torch.zeros(4)))
    assert (weights[0], gradient[0], out[0]) == (5, 4, 9)
    mean, variance = torch.zeros(3), torch.ones(3)
    execute("aten::native_batch_norm", torch.ones(2, 3), None, None, mean, variance, True, 0.5, 1e-5)
    assert mean[0] == 0.5
    assert process.outputs == 1 + 2 + 1 + 5
    assert process.differing == {}


def test_an_operation_that_differs_is_counted(process, capsys):
    twice = Twice(process, Window())
    operation = chance(8)
    results = [twice.execute(operation, (torch.zeros(3),), {}, NOWHERE) for _ in range(4)]
    assert [int(result[0]) for result in results] == [0, 2, 4, 6]
    process.write()
    (differing,) = process.differing.values()
    assert (differing.times, differing.executions, differing.step, differing.output) == (4, 4, 1, "output 0")
    assert (differing.largest.elements, differing.largest.of) == (3, 3)
    assert differing.instead == "torch.use_deterministic_algorithms(True) names or replaces it"
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("samebits: step 1: aten::chance differs when executed twice: output 0: 3 of 3")


def test_the_program_does_not_notice_what_fails_the_second_time(process):
    calls = iter([torch.rand_like, lambda tensor: 1 / 0])
    twice = Twice(process, Window())
    seeded = [torch.Tag.nondeterministic_seeded]
    operation = Operation("aten::once", lambda tensor: next(calls)(tensor), tags=seeded)
    torch.manual_seed(1)
    expected = torch.rand(1), torch.rand(1)
    torch.manual_seed(1)
    assert (twice.execute(operation, (torch.zeros(1),), {}, NOWHERE), torch.rand(1)) == expected
    assert process.left_out == {"what failed the second time": {"aten::once": 1}}

    def fail(tensor):
        raise IndexError("the program's own")

    with pytest.raises(IndexError, match="own"):
        twice.execute(Operation("aten::fails", fail), (torch.zeros(1),), {}, NOWHERE)


def test_what_is_not_executed_twice(process, execute):
    execute("aten::empty.memory_format", [3])
    execute("aten::resize_", torch.zeros(3), [2])
    execute("aten::t_", (matrix := torch.zeros(2, 3)))
    assert matrix.shape == (3, 2)
    execute("aten::add.Tensor", torch.zeros(2, device="meta"), 1)
    assert (process.outputs, process.left_out) == (0, {})
    calls = []
    own = Operation("mine::log", lambda tensor: calls.append(tensor) or tensor.clone())
    Twice(process, Window()).execute(own, (torch.zeros(1),), {}, NOWHERE)
    assert len(calls) == 1
    assert process.left_out == {"custom operations": {"mine::log": 1}}


def test_memory_that_nobody_reads_is_not_compared(process, execute):
    chances, targets = torch.randn(50, 16, 20).log_softmax(2), torch.randint(1, 20, (16, 30))
    lengths = [50] * 16, [10 + number for number in range(16)]
    for _ in range(5):
        execute("aten::_ctc_loss", chances, targets, *lengths)
    assert process.differing == {}
    assert process.outputs == 5


@pytest.mark.parametrize(("driver", "differs"), [(None, True), ("gelsd", False)])
def test_an_operation_that_reads_memory_that_nobody_wrote(process, execute, driver, differs):
    """The default of `torch.linalg.lstsq` on a CPU takes an order of columns from such memory."""
    torch.manual_seed(0)
    matrices, right = torch.randn(3, 3, 3), torch.randn(3, 3, 3)
    for number in range(100):
        left = torch.full((3,), number % 3, dtype=torch.int32)
        del left  # its numbers stay in memory, and are read
        execute("aten::linalg_lstsq", matrices, right, driver=driver)
    seen = {(place.operation, each.instead) for (place, _), each in process.differing.items()}
    assert seen == ({("aten::linalg_lstsq", "torch.linalg.lstsq(…, driver='gelsd')")} if differs else set())


@pytest.mark.parametrize("name", [*OUTPUTS, *ARGUMENTS])
def test_the_outputs_and_arguments_that_are_left_out_are_there(name):
    space, _, base = name.partition("::")
    schema = getattr(getattr(torch.ops, space), base).default._schema
    assert max(OUTPUTS.get(name, (0,))) < len(schema.returns)
    assert {*ARGUMENTS.get(name, ())} <= {each.name for each in schema.arguments}


def test_steps_of_optimisers_that_take_turns(process):
    twice, (first, second, third) = Twice(process, Window(every=3)), (object(), object(), object())
    seen = []
    for optimizer in (*(first, second) * 3, third, third, third):
        twice.stepped(optimizer)
        seen.append((twice.step, twice.on))
    assert [step for step, _ in seen] == [2, 2, 3, 3, 4, 4, 4, 5, 6]
    assert all(on == (step == 4) for step, on in seen)
    assert process.steps == 5


def test_windows():
    assert [step for step in range(1, 30) if Window(10).holds(step)] == [1, 11, 21]
    assert [step for step in range(30) if Window(3, range(5, 13)).holds(step)] == [5, 8, 11]
    assert parse(Window(3, range(5, 13)).words) == Window(3, range(5, 13))
    assert parse(Window().words) == Window()


# ---------------------------------------------------------------- whole programs
def run(start, folder, script, *words, through=("python",)):
    (folder / "train.py").write_text(script)
    return start("samebits", "twice", *words, "--", *through, "train.py", cwd=folder)


@pytest.mark.slow  # the page's example is the same kind
def test_index_put_with_two_threads_is_named(start, tmp_path):
    done = run(start, tmp_path, FILMS, "--every", "3", "--json")
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert (said["same"], said["steps"], said["checked"], said["not_covered"]) == (False, 10, 4, {})
    by_direction = {each["direction"]: each for each in said["differing"]}
    assert set(by_direction) == {"forward", "backward"}
    lines = FILMS.splitlines()
    for direction, name, code in (
        ("forward", "aten::index_put", "return torch.zeros(8)"),
        ("backward", "aten::_index_put_impl_", "offsets = self"),
    ):
        each = by_direction[direction]
        assert (each["operation"], each["module"], each["owner"]) == (name, "1", "Mean")
        file, _, line = each["line"].partition(":")
        assert file == "train.py"
        assert lines[int(line) - 1].strip().startswith(code)
        assert 1 <= each["times"] <= each["executions"] == 4
        assert 1 <= each["elements"] <= each["of"] == 8
        assert (each["unit"], each["distance"] > 0) == ("ULP", True)
        assert "torch.use_deterministic_algorithms(True)" in each["instead"]
    assert "aten::index_put, forward of 1 (Mean), train.py:17 differs when executed twice: " in done.stderr


def test_the_page_shows_what_is_printed(start, tmp_path):
    (block,) = re.findall(r"```console\n\$ (.*?)\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "films.py").write_text(FILMS)
    done = start("sh", "-c", block[0], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert pattern(block[1].splitlines()).fullmatch(done.stdout)


def test_executing_twice_changes_no_bit(start, tmp_path):
    plain = start("python", TRAININGS, cwd=tmp_path)
    done = start("samebits", "twice", "--every", "1", "--", "python", TRAININGS, cwd=tmp_path)
    assert (plain.returncode, done.returncode) == (0, 0), done.stderr
    *lines, said = done.stdout.splitlines()
    assert lines == plain.stdout.splitlines()
    assert len(lines) == 19
    assert said.startswith("the same: ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "through"),
    [
        (AUTOCAST, ("python",)),
        (COMPILED, ("python",)),
        (RANKS, ("torchrun", "--standalone", "--nproc-per-node", "2")),
    ],
    ids=["autocast", "compiled", "two processes"],
)
def test_kinds_of_trainings_keep_their_bits(start, tmp_path, script, through):
    (tmp_path / "train.py").write_text(script)
    plain = start(*through, "train.py", cwd=tmp_path)
    done = run(start, tmp_path, script, "--every", "1", through=through)
    assert (plain.returncode, done.returncode) == (0, 0), done.stderr
    *lines, said = done.stdout.splitlines()
    hashes = [line for line in lines if not line.startswith("[Gloo]")]  # whose ranks speak in any order
    assert hashes == [line for line in plain.stdout.splitlines() if not line.startswith("[Gloo]")] != []
    if script == COMPILED:
        assert "not covered: regions that torch.compile has compiled (torch.compile)" in said
    if script == RANKS:
        assert "in 3 of 3 steps compared, 2 processes; not covered: collectives (c10d::" in said
