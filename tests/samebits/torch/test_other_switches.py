"""What was switched in torch.backends stands in a fingerprint; what was not changes none."""

import pytest

torch = pytest.importorskip("torch")

from samebits.torch import kernels, other_switches  # noqa: E402

CHANGES = {
    "mkldnn.enabled": (torch.backends.mkldnn, "enabled", False, False),
    "cudnn.enabled": (torch.backends.cudnn, "enabled", False, False),
    "opt_einsum": (torch.backends.opt_einsum, "enabled", False, "off"),
    "cuda.fp16_accumulation": (torch.backends.cuda.matmul, "allow_fp16_accumulation", True, True),
}
CALLS = {
    "default_dtype": (torch.set_default_dtype, torch.float64, torch.float32, "torch.float64"),
    "mha.fastpath": (torch.backends.mha.set_fastpath_enabled, False, True, False),
    "sdp.flash": (torch.backends.cuda.enable_flash_sdp, False, True, False),
    "sdp.math": (torch.backends.cuda.enable_math_sdp, False, True, False),
}


@pytest.fixture(autouse=True)
def as_torch_begins(monkeypatch):
    """Other tests of this process may have asked for deterministic kernels, and taken some of it back."""
    others = torch.get_deterministic_debug_mode() == 2 and torch.backends.cudnn.deterministic
    monkeypatch.setattr(torch.backends.mkldnn, "deterministic", others)


def test_nothing_is_told_of_what_was_left_alone():
    assert other_switches.changed() == {}


def test_each_switch_can_be_read_here():
    for name, (read, usual) in other_switches.SWITCHES.items():
        assert read() == usual, name


@pytest.mark.parametrize("name", CHANGES)
def test_an_attribute_that_was_changed_is_a_fact(name):
    owner, attribute, value, told = CHANGES[name]
    before = getattr(owner, attribute)
    setattr(owner, attribute, value)
    try:
        assert other_switches.changed() == {name: told}
        assert kernels.determinism()[name] == told
    finally:
        setattr(owner, attribute, before)


@pytest.mark.parametrize("name", CALLS)
def test_what_a_call_has_changed_is_a_fact(name):
    change, value, usual, told = CALLS[name]
    change(value)
    try:
        assert other_switches.changed() == {name: told}
    finally:
        change(usual)
