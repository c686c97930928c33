"""An environment of Gymnasium, made and reset without a seed."""

import gymnasium as gym
import numpy as np
import torch

torch.manual_seed(0)
np.random.seed(0)
env = gym.make("CartPole-v1")
policy = torch.nn.Linear(4, 2)
optimizer = torch.optim.Adam(policy.parameters())
for _ in range(10):
    state, _ = env.reset()
    loss = policy(torch.from_numpy(state)).sum()
    loss.backward()
    optimizer.step()
