"""What a recorded step holds, where no command records it."""

import sys

import pytest

torch = pytest.importorskip("torch")

from samebits.record.values import NONE  # noqa: E402
from samebits.torch import device_digest  # noqa: E402
from samebits.torch.record_names import other_modes  # noqa: E402
from samebits.torch.record_training import Training  # noqa: E402
from samebits.torch.record_values import Values  # noqa: E402


class Record:
    """Stands for a writer: keeps the lines."""

    def __init__(self):
        self.values, self.lines, self.full = NONE, [], False

    def write(self, event):
        if self.full:
            raise MemoryError
        self.lines.append(event)

    def steps(self):
        return [event for event in self.lines if event["event"] == "step"]


@pytest.fixture
def record():
    return Record()


@pytest.fixture
def training(record, monkeypatch):
    monkeypatch.setattr(Training, "_write_settings", lambda self, tensors: None)
    return Training(record.write, Values(record), lambda at, *given: at(*given))


def train(training, model, optimizer):
    frame = sys._getframe()
    inputs = torch.ones(4, 2)
    training.before_call(model, (inputs,), {}, True, frame)(model(inputs), frame)
    training.before_step(optimizer, frame, True)
    training.after_step(optimizer, frame)


def test_a_step_that_cannot_be_recorded_is_no_part_of_the_next(training, record):
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    train(training, model, optimizer)
    record.full = True
    with pytest.raises(MemoryError):
        train(training, model, optimizer)
    record.full = False
    train(training, model, optimizer)
    assert [(step["step"], len(step["calls"])) for step in record.steps()] == [(1, 1), (3, 1)]


def test_layers_in_another_mode_have_their_names_in_the_wrapped_model(training, record):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())
    model[1].eval()
    for each in (model, torch.nn.DataParallel(model, device_ids=[])):
        train(training, each, torch.optim.SGD(model.parameters(), 0.1))
    assert [step["calls"][0]["other_mode"] for step in record.steps()] == [["1"], ["1"]]


def test_layers_in_another_mode_are_told_of_evaluations(training, record):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(), torch.nn.BatchNorm1d(2)).eval()
    frame = sys._getframe()
    for layer in (None, model[1], model[2], model[1]):
        if layer is not None:
            layer.train()
        with torch.no_grad():
            training.before_call(model, (torch.ones(4, 2),), {}, False, frame)(torch.ones(4, 2), frame)
    training.end()
    (evaluation,) = (event for event in record.lines if event["event"] == "evaluation")
    assert (evaluation["training"], evaluation["other_mode"], evaluation["count"]) == ([False], ["1", "2"], 4)


def test_a_layer_that_a_model_has_twice_or_that_has_it_again_is_looked_at_once():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Sequential(torch.nn.Dropout()))
    model[1].append(model[1][0])
    model[1].append(model)
    assert other_modes(model) == []
    model[1][0].eval()
    assert other_modes(model) == ["1.0"]


def test_what_a_step_leaves_is_copied_once_from_its_device(training, record, monkeypatch):
    monkeypatch.setattr(device_digest, "_on_cpu", lambda: True)  # the CPU stands for a device
    copies, to_host = [], device_digest._to_host
    monkeypatch.setattr(device_digest, "_to_host", lambda lanes: copies.append(len(lanes)) or to_host(lanes))
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    frame = sys._getframe()
    for _ in range(2):
        inputs = torch.randn(4, 2)
        result = model(inputs)
        training.before_call(model, (inputs,), {}, True, frame)(result, frame)
        result.square().sum().backward()
        training.before_step(optimizer, frame, True)
        optimizer.step()
        copies.clear()
        training.after_step(optimizer, frame)
        assert copies == [11]  # 4 parameters, 3 buffers, 4 parts of the optimiser's state
    first, second = record.steps()
    assert all(first[kind] != second[kind] for kind in ("parameters", "buffers", "state"))


class Renews(torch.nn.Module):
    """Assigns a buffer anew in each call."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, inputs):
        self.calls = self.calls + 1
        return inputs


def test_a_step_does_not_depend_on_when_a_model_that_was_called_is_freed(training, record):
    frame, inputs = sys._getframe(), torch.ones(4, 2)
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for kept in (True, False):
        first = Renews()
        training.before_call(first, (inputs,), {}, True, frame)(first(inputs), frame)
        if not kept:
            del first  # such as one that an exception has held
        train(training, model, optimizer)
    held, freed = record.steps()
    assert held["buffers"] == freed["buffers"] != ""
    assert not training.pending.called
