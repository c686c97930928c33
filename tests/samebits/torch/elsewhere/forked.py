"""Call scripts' `train` several times, each in a process of its own, and import a library only once.

    python forked.py '[{"script": "train_lightning", "name": "stopped", "arguments": [], "variables": {}}]'

A run's folder is its name. For each, one line of JSON: its name, exit status, and what samebits printed.
"""

import contextlib
import gc
import importlib
import io
import json
import os
import sys
import traceback
from types import ModuleType

import torch._dynamo
import torch._inductor.config  # noqa: F401 # the slow imports of a run, once

import samebits


def run(module: ModuleType, scenario: dict) -> None:
    out, status = io.StringIO(), 0
    os.environ |= {"SAMEBITS_RUN_FOLDER": scenario["name"], **scenario["variables"]}
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            samebits.main(module.train, module.Settings, scenario["arguments"])
        except SystemExit as exit:
            status = exit.code
        except Exception:  # an end that no user should see
            status = 1
            traceback.print_exc()
    lines = out.getvalue().splitlines()
    said = [line for line in lines if status == 1 or line.startswith(("samebits:", "resumes "))]
    os.write(1, (json.dumps([scenario["name"], status, "\n".join(said)]) + "\n").encode())


for scenario in json.loads(sys.argv[1]):
    module = importlib.import_module(scenario["script"])
    gc.freeze()  # what is imported: the looks of each run at all objects then take no second
    if (child := os.fork()) == 0:
        try:
            run(module, scenario)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
