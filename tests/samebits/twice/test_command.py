"""The command: its exit statuses, its one line where nothing was executed twice, and several processes."""

import json

import pytest
from tests.conftest import one_line

from samebits.hashing.compare import TensorDifference
from samebits.twice.command import nothing, report, summary
from samebits.twice.told import Place, Process, Told, read
from samebits.twice.window import Window

# A data worker, a thread and a child compute, too; the program ends with a status of its own.
MANY = """
import subprocess, sys, threading, torch

class Ones(torch.utils.data.Dataset):
    def __len__(self):
        return 4
    def __getitem__(self, at):
        return torch.ones(2).mul(at)

if __name__ == "__main__":
    data = list(torch.utils.data.DataLoader(Ones(), 2, num_workers=1, multiprocessing_context="fork"))
    thread = threading.Thread(target=lambda: torch.ones(2).cos())
    thread.start()
    thread.join()
    subprocess.run([sys.executable, "-c", "import torch; torch.ones(2).sin()"], check=True)
    print(sum(data).sum().item())
    sys.exit(3)
"""


def test_threads_workers_and_children_are_covered(start, tmp_path):
    (tmp_path / "many.py").write_text(MANY)
    done = start("samebits", "twice", "--json", "--", "python", "many.py", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.splitlines() == ["12.0", "samebits: the command ended with status 3"]
    said = json.loads(done.stdout)
    assert (said["same"], said["status"], said["processes"]) == (True, 3, 3)
    assert {"aten::cos", "aten::sin", "aten::mul", "aten::stack", "aten::sum"} <= set(said["operations"])


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("pass", "the command called no operation of torch"),
        ("import tensorflow", "the command computed with tensorflow: `samebits twice` covers torch's"),
        ("raise SystemExit(5)", "the command called no operation of torch; the command ended with status 5"),
    ],
)
def test_where_nothing_is_executed_twice(start, tmp_path, code, why):
    (tmp_path / "tensorflow.py").touch()
    (tmp_path / "train.py").write_text(code)
    done = start("samebits", "twice", "--", "python", "train.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr).startswith(f"samebits: nothing was executed twice: {why}")


def test_wrong_use(start, tmp_path):
    for words, said in (
        (("--every", "0", "--", "python"), "0 is not in the range x>=1"),
        (("--steps", "3:2", "--", "python"), "'3:2' names no steps"),
        ((), "Missing argument"),
    ):
        done = start("samebits", "twice", *words, cwd=tmp_path)
        assert done.returncode == 2
        assert said in done.stderr
    done = start("samebits", "twice", "--", "nothing-like-it", cwd=tmp_path)
    assert done.returncode == 127
    assert "nothing-like-it" in one_line(done.stderr)


def differing(folder, elements, distance):
    """A process that compared one operation twice, and saw a difference once."""
    process = Process(str(folder))
    place = Place("aten::index_put_", "train.py:12", "embed", "Embedding", "backward")
    for _ in range(2):
        process.compared(place, 1)
    process.steps, process.checked = 12, 2
    seen = TensorDifference("self", "values", "", elements, 8, distance)
    assert process.differs(place, seen, elements, "index_add_")
    return process


def test_the_parts_of_processes_are_added(tmp_path, capsys):
    for elements, distance in ((3, 7), (5, 2)):
        differing(tmp_path, elements, distance).write()
    Process(str(tmp_path)).write()
    told = read(tmp_path)
    assert (told.processes, told.outputs, told.steps, told.checked) == (2, 4, 12, 2)
    (each,) = told.differing.values()
    assert (each.times, each.executions, each.step) == (2, 4, 3)
    assert each.words == "5 of 8 elements differ, by at most 7 ULPs"
    report(told)
    first, second, third, last = capsys.readouterr().out.splitlines()
    assert first == "aten::index_put_, backward of embed (Embedding), train.py:12: self differs"
    assert second == f"  in 2 of 4 executions, first in step 3: {each.words}"
    assert third == "  use instead: index_add_"
    verdict, _, compared = last.partition(": ")
    assert verdict == "1 operation gave other bits the second time"
    assert compared == "4 outputs of 1 kind of operations in 2 of 12 steps compared, 2 processes"


def test_a_process_tells_nothing_where_the_folder_is_gone(tmp_path):
    Process(str(tmp_path / "gone")).write()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_covered_is_said():
    told = Told()
    told.outputs, told.kinds = 1, {"aten::add"}
    other = Process("")
    for name in ("c10d::allreduce_", "c10d::allreduce_", "c10d::broadcast_"):
        other.not_covered("collectives", name)
    told.add(other)
    assert summary(told) == (
        "the same: 1 output of 1 kind of operations compared; not covered: collectives (c10d::allreduce_, "
        "c10d::broadcast_)"
    )
    told.steps = 4
    assert nothing(told, Window(1, range(9, 11)), 0).endswith("the command made 4 steps: give other --steps")
    assert "; the command ended with status 1" in nothing(told, Window(), 1)
    assert "not covered: collectives (c10d::allreduce_, c10d::broadcast_)" in nothing(told, Window(), 0)
