"""Python imports this when it starts, in every process below `samebits watch`: see watch.py."""

import importlib
import os
import sys

own = sys.modules.pop("sitecustomize")
here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
try:  # the one that this hides
    importlib.import_module("sitecustomize")
except ImportError:
    sys.modules["sitecustomize"] = own
if folder := os.environ.get("SAMEBITS_WATCH"):
    try:
        from samebits.chance.begin import begin
    except ImportError:  # another environment's Python, without samebits
        pass
    else:
        begin(folder)
