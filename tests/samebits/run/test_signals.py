"""A signal whose exception Python drops ends the program anyway."""

import signal

from samebits.run import signals

CODE = """
import os, signal
from samebits.run import signals

signal.signal(signal.SIGTERM, signals.terminating())

class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        assert False, "the handler has raised"

Dying()
print("continued", flush=True)
with signals.Interruption(print).handled():
    print("never")
"""


def test_an_exception_that_is_dropped_comes_again(start):
    done = start("python", "-c", CODE)
    assert "Exception ignored in" in done.stderr
    assert "SystemExit: 143" in done.stderr
    assert (done.stdout, done.returncode) == ("continued\n", 143)


FORKED = """
import multiprocessing, os, signal
from samebits.run import signals

signal.signal(signal.SIGTERM, signals.terminating())
# As `Pool.terminate` does it to a child that has just begun: within the fork, before its own code.
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))
child = multiprocessing.get_context("fork").Process(target=print, args=("ran",))
try:
    child.start()
    child.join(60)
finally:
    print("tidied up after", child.exitcode, flush=True)
"""


def test_a_child_dies_of_a_signal_that_comes_right_behind_the_fork(start):
    """It does not tidy up what is its parent's."""
    done = start("python", "-c", FORKED)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"tidied up after -{signal.SIGTERM:d}\n"


TRAINING = """
import os, signal, sys
import torch, samebits
from samebits.checkpoint.writer import Saver

first, save = [True], Saver.save

def interrupted(*arguments):
    if first and not os.environ.get("WHOLE"):
        first.clear()
        os.kill(os.getpid(), signal.SIGTERM)
    save(*arguments)

Saver.save = interrupted
with samebits.open_run({"seed": 0}, framework="torch", folder=sys.argv[1]) as run:
    with run.stream("initialisation"):
        model = torch.nn.Linear(2, 2)
    run.checkpoint(model=model)
    for epoch in run.epochs(3):
        for batch in run.batches([1.0, 2.0]):
            with torch.no_grad():
                model.weight.add_(torch.randn(2, 2))
    run.finish(model)
"""


def test_a_signal_while_a_checkpoint_is_being_made_waits_for_it(start, tmp_path):
    stopped = start("python", "-c", TRAINING, "run", cwd=tmp_path)
    assert stopped.returncode == signals.SAVED
    assert stopped.stderr == "samebits: SIGTERM: saved after step 2; run the same command again to resume\n"
    resumed = start("python", "-c", TRAINING, "run", cwd=tmp_path, WHOLE="1")
    assert "resumes after step 2, after epoch 1" in resumed.stdout
    assert start("python", "-c", TRAINING, "whole", cwd=tmp_path, WHOLE="1").returncode == 0
    first, second = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("run", "whole"))
    assert first == second
