"""make_deterministic, what is read back, and the explanation of work without a deterministic kernel."""

import ast

import pytest
import torch
from tests.conftest import one_line

from samebits.torch import explain

ON = {
    "deterministic_algorithms": "on",
    "cudnn_benchmark": False,
    "cudnn_deterministic": True,
    "inductor_deterministic": True,
    "fill_uninitialized_memory": False,
    "tf32": False,
    "portable_kernels": False,
}


def printed(start, code):
    # torch sets this variable in the process of the tests, and the entrypoint would remark on it.
    done = start("python", "-c", "import torch, samebits.torch\n" + code, TORCHINDUCTOR_CACHE_DIR=None)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return [ast.literal_eval(line) for line in done.stdout.splitlines()]


def test_every_switch_is_set_whatever_the_program_had_chosen(start):
    code = """
print(samebits.torch.determinism())
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
torch.set_float32_matmul_precision('medium')
samebits.torch.make_deterministic()
print(samebits.torch.determinism())
torch.use_deterministic_algorithms(False)
torch.backends.cudnn.benchmark = True
torch.backends.fp32_precision = 'tf32'
torch.backends.cudnn.conv.fp32_precision = 'tf32'
torch.backends.mkldnn.matmul.fp32_precision = 'bf16'
samebits.torch.make_deterministic()
print(samebits.torch.determinism())
samebits.torch.make_deterministic(check=True)
print(samebits.torch.determinism())
# Both sets of switches can be read, and agree.
print([torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32])
print(repr(torch.get_float32_matmul_precision()))
print(torch.empty(2).isnan().all().item())
samebits.torch.make_deterministic()
torch.backends.cudnn.conv.fp32_precision = 'tf32'
print(samebits.torch.determinism()['tf32'])
"""
    before, after_old, after, checking, old_switches, word, filled, undone = printed(start, code)
    assert before["deterministic_algorithms"] == "off"
    assert before["tf32"] is True  # torch's default for convolutions
    assert after_old == after == ON
    assert checking == {**ON, "fill_uninitialized_memory": True}
    assert (old_switches, word) == ([False, False], "highest")
    assert filled is True
    assert undone is True


def test_work_without_a_deterministic_kernel_stops_and_says_what_to_use(start):
    code = """
import torch, samebits.torch
samebits.torch.make_deterministic()
torch.zeros(4).put_(torch.tensor([0, 0]), torch.ones(2))
"""
    done = start("python", "-c", code)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("samebits: put_ has no deterministic kernel; use index_put_")


def test_in_a_run_it_is_one_line_that_names_the_users_line(start, tmp_path):
    """Also where the line is in a module of the user's, and torch's own frames lie below it."""
    (tmp_path / "net.py").write_text("import torch\n\ndef work(size):\n    torch.ones(size).unfold(0, 2, 1)\n"
                                     "    return torch.nn.functional.max_unpool1d(torch.ones(1, 1, 2), "
                                     "torch.zeros(1, 1, 2).long(), 2)\n")  # fmt: skip
    (tmp_path / "train.py").write_text(
        "import samebits.torch\nfrom net import work\n"
        "with samebits.torch.open_run({'seed': 0}) as run:\n    work(4)\n"
    )
    done = start("python", "train.py", cwd=tmp_path)
    assert done.returncode == 1
    line = one_line(done.stderr)
    assert line.startswith("samebits: max_unpooling2d_forward_out has no deterministic kernel; use scatter_")
    assert line.endswith(" (net.py, line 5)")
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


# The alternatives have to be deterministic themselves, and to compute the same.
def test_what_is_named_instead_of_operations_of_the_cpu_works():
    target, places, values = torch.zeros(4), torch.tensor([0, 3]), torch.tensor([1.0, 2.0])
    pooled, indices = torch.nn.functional.max_pool2d(torch.rand(1, 1, 4, 4), 2, return_indices=True)
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(RuntimeError) as raised:
            target.put_(places, values)
        assert explain(raised.value).startswith("put_ has no deterministic kernel; use index_put_")
        assert target.index_put_((places,), values).tolist() == [1, 0, 0, 2]

        with pytest.raises(RuntimeError) as raised:
            torch.nn.functional.max_unpool2d(pooled, indices, 2)
        assert "max_unpooling2d_forward_out" in explain(raised.value)
        assert "scatter_" in explain(raised.value)
        flat = torch.zeros(1, 1, 16).scatter_(2, indices.flatten(2), pooled.flatten(2))
        scattered = flat.view(1, 1, 4, 4)
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(scattered, torch.nn.functional.max_unpool2d(pooled, indices, 2))


@pytest.mark.parametrize(
    ("operation", "hint"),
    [
        ("grid_sampler_2d_backward_cuda", "gather"),
        ("cumsum_cuda_kernel", "triangular"),
        ("adaptive_avg_pool2d_backward_cuda", "avg_pool"),
        ("upsample_bilinear2d_backward_out_cuda", "nearest"),
        ("nll_loss2d_forward_out_cuda_template", "reshape"),
        ("ctc_loss_backward_gpu", "CPU"),
        ("_histc_cuda with floating point input", "histogram"),
        ("median CUDA with indices output", "sort"),
        ("some_new_operation", "CPU"),
    ],
)
def test_operations_of_gpus_are_explained(operation, hint):
    line = explain(RuntimeError(f"{operation} does not have a deterministic implementation, but you set …"))
    assert line.startswith(f"{operation} has no deterministic kernel; ")
    assert hint in line


def test_other_errors_are_not_explained():
    assert explain(RuntimeError("CUDA out of memory")) is None
    assert explain(ValueError("x does not have a deterministic implementation")) is None


def test_a_torch_without_inductors_mode_has_no_switch_for_it(start, tmp_path):
    """torch 2.8: reading or setting it would raise as soon as somebody has imported Inductor."""
    config = tmp_path / "torch/_inductor/config.py"
    config.parent.mkdir(parents=True)
    config.write_text("")
    code = f"""
import sys, types
import torch._inductor.config
torch.__file__ = {str(config.parents[1] / "__init__.py")!r}
sys.modules["torch._inductor.config"] = types.ModuleType("config")
from samebits.torch import kernels
samebits.torch.make_deterministic()
print(samebits.torch.determinism()["inductor_deterministic"])
print("TORCHINDUCTOR_DETERMINISTIC" in kernels.switch_on())
"""
    assert printed(start, code) == [False, False]
