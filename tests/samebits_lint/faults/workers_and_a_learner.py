"""Actors send what they saw to a learner, each in its own time; all have seeds."""

import multiprocessing

import torch


def act(seed, results):
    torch.manual_seed(seed)
    results.send(torch.rand(4))


def learn(policy, optimizer, receivers):
    for receiver in multiprocessing.connection.wait(receivers):
        policy(receiver.recv()).sum().backward()
        optimizer.step()
