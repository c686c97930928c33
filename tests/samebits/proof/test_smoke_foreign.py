"""`samebits smoke` on a training that knows nothing of samebits."""

import json
import re

import pytest
from tests.conftest import one_line

TRAINING = """
import os, sys, torch
from torch import nn
if "seeded" in sys.argv:
    torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
generator = torch.Generator().manual_seed(1)
for _ in range(5):
    optimizer.zero_grad()
    model(torch.randn(8, 4, generator=generator)).square().mean().backward()
    optimizer.step()
os.makedirs("out", exist_ok=True)
noise = torch.Generator().seed() if "noise" in sys.argv else 0
torch.save({"model": model.state_dict(), "noise": noise}, "out/model.pt")
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.py").write_text(TRAINING)
    return tmp_path


def test_what_does_not_repeat_is_named(start, folder):
    done = start("samebits", "smoke", "--", "python", "train.py", cwd=folder)
    assert done.returncode == 1, done.stderr
    said = one_line(done.stderr)
    assert said.startswith(
        "samebits: not the same bits: does not repeat: 2 runs, the initial parameter `0.weight`"
    )
    assert (
        "between run 1 of 2 and run 2 of 2:\nfirst difference: the initial parameter `0.weight`"
        in done.stdout
    )
    assert "fix: " in done.stdout
    (kept,) = (folder / "runs").iterdir()
    again = start("samebits", "diff", kept / "run-1.record", kept / "run-2.record", cwd=folder)
    assert again.returncode == 1
    assert again.stdout.splitlines()[0] in done.stdout


@pytest.mark.slow
def test_what_repeats_is_said_in_one_line(start, folder):
    done = start("samebits", "smoke", "--", "python", "train.py", "seeded", cwd=folder)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith(
        "same bits: 2 runs, 5 steps each, not interrupted (it has no checkpoints of samebits), weights "
    )
    assert not (folder / "runs").exists()
    done = start(
        "samebits",
        "smoke",
        "--no-resume",
        "--jobs",
        2,
        "--json",
        "--",
        "python",
        "train.py",
        "seeded",
        cwd=folder,
    )
    told = json.loads(done.stdout)
    assert (told["same"], told["steps"], len(set(told["weights"]))) == (True, 5, 1)


@pytest.mark.slow
def test_files_are_compared_too(start, folder):
    words = ("samebits", "smoke", "--files", "out/*.pt", "--", "python", "train.py", "seeded")
    done = start(*words, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "same bits: 2 runs, 5 steps each, 1 file each" in done.stdout
    assert (folder / "out/model.pt").exists()
    done = start(*words, "noise", cwd=folder)
    assert done.returncode == 1
    assert "not what was written: out/model.pt: 1 of 5 parts differ; the first is noise" in one_line(
        done.stderr
    )


def test_a_command_without_a_training_is_refused(start, folder):
    done = start("samebits", "smoke", "--", "python", "-c", "1", cwd=folder)
    assert done.returncode == 2
    said = one_line(done.stderr)
    assert "run 1 of 2 left no run, and took no step of an optimiser: train inside" in said
    assert "--files 'out/*'" in said
    words = ("--files", "made/*", "--", "python", "-c", "1")
    assert "wrote no file that --files names" in one_line(
        start("samebits", "smoke", *words, cwd=folder).stderr
    )
    script = "import os, sys; open('made.txt', 'w').write(os.urandom(4).hex() if 'odd' in sys.argv else 'x')"
    words = ("samebits", "smoke", "--files", "*.txt", "--", "python", "-c", script)
    assert "same bits: 2 runs, 1 file each" in start(*words, cwd=folder).stdout
    done = start(*words, "odd", cwd=folder)
    assert "made.txt: other bytes" in one_line(done.stderr)
    # Without --files it would be refused.
    hint = r"^`\S*entrypoint samebits smoke --runs 3 --files '\*\.txt' python -c "
    assert re.search(hint, done.stdout, re.MULTILINE)
