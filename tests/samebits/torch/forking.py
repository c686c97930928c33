"""Run a script again and again, each time in a process of its own: torch is imported once for all of them.

    python forking.py SCRIPT

Each line of stdin is a run, in JSON: its arguments and its variables (null removes one). The answer is a line
of JSON, too: the exit status, stdout and stderr.
"""

import gc
import json
import os
import random
import runpy
import sys

import numpy as np
import torch._dynamo
import torch._inductor.config  # noqa: F401 # which deterministic algorithms import


def into_memory(descriptor):
    memory = os.memfd_create("output")
    os.dup2(memory, descriptor)
    return memory


def content(memory):
    return os.pread(memory, os.fstat(memory).st_size, 0).decode()


def empty(memory):
    os.ftruncate(memory, 0)
    os.lseek(memory, 0, os.SEEK_SET)


gc.freeze()  # what is imported: the looks of each run at all objects then take no second
answers, out, err = os.dup(1), into_memory(1), into_memory(2)
for line in sys.stdin:
    arguments, variables = json.loads(line)
    empty(out)
    empty(err)
    if (child := os.fork()) == 0:
        os.close(answers)
        for name, value in variables.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        random.seed()  # as in a new process: a fork gives all of them the same state
        np.random.seed()
        sys.argv[:] = [sys.argv[1], *arguments]
        runpy.run_path(sys.argv[0], run_name="__main__")
        sys.exit()  # as any script ends
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.write(answers, (json.dumps([status, content(out), content(err)]) + "\n").encode())
