"""A signal whose exception Python drops ends the program anyway."""

from samebits.run import signals

CODE = """
import os, signal
from samebits.run import signals

signal.signal(signal.SIGTERM, signals.terminate)

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
