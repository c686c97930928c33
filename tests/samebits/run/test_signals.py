"""A signal whose exception Python drops ends the program nevertheless."""

CODE = """
import os, signal
from samebits.run import signals

signal.signal(signal.SIGTERM, signals.terminate)

class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        assert False, "the handler has raised"

Dying()
print("went on", flush=True)
with signals.Interruption(print).handled():
    print("never")
"""


def test_an_exception_that_is_dropped_comes_again(start):
    done = start("python", "-c", CODE)
    assert "Exception ignored in" in done.stderr
    assert "SystemExit: 143" in done.stderr
    assert (done.stdout, done.returncode) == ("went on\n", 143)
