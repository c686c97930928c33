"""A loop with Accelerate ends in the same bits when interrupted; what it cannot hold is refused by name."""

import importlib.util

import pytest
from tests.samebits.torch.elsewhere.scenarios import check_refused, check_resumed, play

if importlib.util.find_spec("accelerate") is None:  # not imported: that takes seconds
    pytest.skip("accelerate is not installed", allow_module_level=True)

REFUSED = {
    "order": "optimizer is what accelerator.prepare made: call run.checkpoint before accelerator.prepare",
    "accelerator": "add accelerator=",
    "loader": "leave the loader out of prepare",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def said(start, folder):
    return play(start, folder, "accelerate", middle=5, end=13, refused=REFUSED)


def test_interrupted_anywhere_it_ends_in_the_same_bits(said, folder):
    check_resumed(said, folder, middle=5, end=13)


def test_what_cannot_be_held_is_refused_by_name(said):
    check_refused(said, REFUSED)
