"""A Lightning Trainer ends in the same bits when interrupted; what it cannot hold is refused by name."""

import importlib.util

import pytest
from tests.samebits.torch.elsewhere.scenarios import check_refused, check_resumed, play

if importlib.util.find_spec("lightning") is None:  # not imported: that takes seconds
    pytest.skip("lightning is not installed", allow_module_level=True)

REFUSED = {
    "callback": "Counter keeps count, which the run cannot save",
    "average": "StochasticWeightAveraging keeps ",
    "loader": "loader is a DataLoader, which cannot begin where a run stopped",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def said(start, folder):
    return play(start, folder, "lightning", middle=5, end=13, refused=REFUSED)


def test_interrupted_anywhere_it_ends_in_the_same_bits(said, folder):
    check_resumed(said, folder, middle=5, end=13)


def test_what_cannot_be_held_is_refused_by_name(said):
    check_refused(said, REFUSED)
