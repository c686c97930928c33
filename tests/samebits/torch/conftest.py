"""What these tests share: loaders' scripts in processes of their own, the portable profile's kernels."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.conftest import ROOT

from samebits.process import started
from samebits.torch import portable

# Follows a module's own SCRIPT, which imports what it takes.
COLLATION = """
def noisy(samples):
    return torch.stack(samples) + random.random() + numpy.random.rand() + torch.rand(1)

def noisy_with(samples, rng):
    return torch.stack(samples) + rng.random()

def digest(batches):
    sha256 = hashlib.sha256()
    for batch in batches:
        sha256.update(str(tuple(batch.shape)).encode() + batch.numpy().tobytes())
    return sha256.hexdigest()
"""


@pytest.fixture(scope="module")
def routed():
    """The portable profile's kernels, in this process, for as long as a file's tests run.

    They are made for that profile's instructions, which are chosen before torch is imported. With others,
    such as AVX-512, some of what these tests state is not true. test_kernels_on_cpus.py runs them there.
    """
    if started.profile() != "portable":
        pytest.skip("in PROFILE=portable only: test_kernels_on_cpus.py runs it there")
    portable.route()
    yield
    portable._library._destroy()
    portable._library = None


@pytest.fixture
def lines(request, start, tmp_path):
    """Run a script that begins with the module's SCRIPT through the entrypoint; what it printed, by lines."""

    def lines(code, quiet=True):
        (tmp_path / "script.py").write_text(request.module.SCRIPT + COLLATION + code)
        # torch sets this variable in the process of the tests, and the entrypoint would remark on it.
        done = start("python", tmp_path / "script.py", cwd=tmp_path, TORCHINDUCTOR_CACHE_DIR=None)
        assert done.returncode == 0, done.stderr
        if quiet:  # not even torch's remark about the number of workers
            assert done.stderr == ""
        return done.stdout.splitlines()

    return lines


@pytest.fixture(scope="module")
def forked(request):
    """Run the module's SCRIPT in a process of its own, as `start("python", SCRIPT, …)` does, but faster.

    The process is forked from one that has imported torch. All of them have their memory at the same
    addresses: a test of what depends on addresses needs `start`.
    """
    script = request.module.SCRIPT
    command = [ROOT / "entrypoint", "python", Path(__file__).with_name("forking.py"), script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:

        def forked(*arguments, **variables):
            server.stdin.write(json.dumps([[*map(str, arguments)], variables]) + "\n")
            server.stdin.flush()
            status, out, err = json.loads(server.stdout.readline())
            return subprocess.CompletedProcess([script, *arguments], status, out, err)

        yield forked
    assert server.returncode == 0
