"""The names of parameters depend on what was called, in which order, and on nothing else."""

import gc

import pytest

from samebits.record.names import Models


class Parameter:
    """Something that can be trained."""


class Net:
    def __init__(self, *names):
        self.parameters = {name: Parameter() for name in names}


@pytest.fixture
def models():
    return Models(lambda model: model.parameters.items(), lambda model: type(model).__name__)


def named(models, *nets):
    parameters = [parameter for net in nets for parameter in net.parameters.values()]
    return models.names(parameters, "optimizer.0.{}".format)


@pytest.mark.parametrize("kept", [True, False])
def test_when_a_model_is_collected_changes_no_name(models, kept):
    alive = []
    for _ in range(3):
        net = Net("weight", "bias")
        models.add(net)
        names = named(models, net)
        alive += [net] * kept
        del net
        gc.collect()
    assert names == ["Net-2.weight", "Net-2.bias"]


def test_each_of_many_models_has_names_of_its_own_soon(models):
    nets = [Net("weight") for _ in range(5000)]
    for net in nets:
        models.add(net)
    names = named(models, *nets)
    assert len(set(names)) == 5000
    assert names[:3] == ["weight", "Net.weight", "Net-2.weight"]


def test_a_parameter_keeps_its_first_name_and_a_model_may_get_more(models):
    net = Net("weight")
    models.add(net)
    shared = Net()
    shared.parameters = {"tied": net.parameters["weight"], "own": Parameter()}
    assert models.add(shared) == 1
    net.parameters["later"] = Parameter()
    assert named(models, net) == ["weight", "later"]
    assert named(models, shared) == ["weight", "own"]


def test_what_no_model_has_is_named_by_its_place(models):
    bare = Net(*map(str, range(2)))
    assert named(models, bare) == ["optimizer.0.0", "optimizer.0.1"]
    assert models.parameters() == list(bare.parameters.values())
