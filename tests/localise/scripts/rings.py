"""Two networks against each other: one makes points on a ring, the other tells them from real ones."""

import math
import sys

import torch
from torch import nn
from torch.nn import functional as F

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 11
STEPS, BATCH, LATENT = 12, 32, 4


def ring(count, generator):
    angle = 2 * math.pi * torch.rand(count, generator=generator)
    radius = 1 + 0.05 * torch.randn(count, generator=generator)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


class Maker(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Linear(LATENT, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2)
        )


class Judge(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.utils.parametrizations.spectral_norm(nn.Linear(2, 32)), nn.LeakyReLU(0.2)
        )
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(32, 1)

    def forward(self, points):
        return self.head(self.dropout(self.body(points))).squeeze(1)


def main():
    torch.manual_seed(SEED)
    points = torch.Generator().manual_seed(SEED)
    judge = Judge()
    maker = Maker()
    judge_optimizer = torch.optim.Adam(judge.parameters(), lr=2e-3, betas=(0.5, 0.999))
    maker_optimizer = torch.optim.Adam(maker.parameters(), lr=1e-3, betas=(0.5, 0.999))
    for _ in range(STEPS):
        real = ring(BATCH, points)
        made = maker(torch.randn(BATCH, LATENT))
        judge_optimizer.zero_grad()
        told = judge(real), judge(made.detach())
        judged = F.softplus(-told[0]).mean() + F.softplus(told[1]).mean()
        judged.backward()
        judge_optimizer.step()

        maker_optimizer.zero_grad()
        fooled = F.softplus(-judge(made)).mean()
        fooled.backward()
        maker_optimizer.step()
    print(f"judge {judged.item():.9f}, maker {fooled.item():.9f}")


if __name__ == "__main__":
    main()
