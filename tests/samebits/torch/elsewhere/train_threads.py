"""Trains in two threads: one calls its model while the other one is within backward."""

import threading

import torch

within, called = threading.Event(), threading.Event()


class Waits(torch.autograd.Function):
    """In its backward it waits for the other thread."""

    @staticmethod
    def forward(context, inputs):
        return inputs.clone()

    @staticmethod
    def backward(context, gradient):
        within.set()
        assert called.wait(60)
        return gradient


def first(model, optimizer):
    for _ in range(2):
        loss = Waits.apply(model(torch.ones(4, 3))).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def second(model, optimizer):
    assert within.wait(60)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.ones(5, 3)).sum().backward()
        optimizer.step()
    called.set()


torch.manual_seed(0)
threads = []
for train in (first, second):
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    threads.append(threading.Thread(target=train, args=(model, optimizer)))
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
