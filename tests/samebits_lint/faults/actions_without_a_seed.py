"""The environment is seeded; the space that its first actions are drawn from is not."""

import gymnasium as gym
import torch

torch.manual_seed(0)
env = gym.make("Pendulum-v1")
state, _ = env.reset(seed=0)
policy = torch.nn.Linear(3, 1)
optimizer = torch.optim.Adam(policy.parameters())
for _ in range(100):
    state, *_ = env.step(env.action_space.sample())
    policy(torch.from_numpy(state)).sum().backward()
    optimizer.step()
