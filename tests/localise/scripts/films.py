"""Who likes which film: embeddings, sums of neighbours with repeated indices, a gradient scaler."""

import argparse

import torch
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--people", type=int, default=300)
parser.add_argument("--films", type=int, default=40)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
WIDTH, BATCH, STEPS = 16, 4096, 8


class Films(nn.Module):
    def __init__(self):
        super().__init__()
        self.people = nn.Embedding(args.people, WIDTH)
        self.films = nn.Embedding(args.films, WIDTH)
        self.mix = nn.Linear(2 * WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, 1)

    def forward(self, person, film):
        seen, watched = self.people(person), self.films(film)
        total = torch.zeros(args.films, WIDTH, dtype=seen.dtype)
        total = total.index_add(0, film, seen)
        crowd = total / torch.bincount(film, minlength=args.films).clamp(min=1).unsqueeze(1)
        mixed = torch.tanh(self.mix(torch.cat([watched, crowd[film]], dim=1)))
        return self.out(mixed * seen).squeeze(1), mixed.square().mean()


def table(generator):
    """Ratings of a hidden taste: who, what, how much."""
    person = torch.randint(args.people, (4 * BATCH,), generator=generator)
    film = torch.randint(args.films, (4 * BATCH,), generator=generator)
    taste = torch.randn(args.people, 3, generator=generator)
    style = torch.randn(args.films, 3, generator=generator)
    return person, film, (taste[person] * style[film]).sum(1)


def main():
    torch.manual_seed(args.seed)
    person, film, rating = table(torch.Generator().manual_seed(99))
    net = Films()
    optimizer = torch.optim.Adagrad(net.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for step in range(STEPS):
        if step % 4 == 0:
            order = torch.randperm(len(rating))
        batch = order[(step % 4) * BATCH : (step % 4 + 1) * BATCH]
        answer, activity = net(person[batch], film[batch])
        penalty = 1e-3 * activity + 1e-4 * net.out.weight.square().sum()
        loss = F.mse_loss(answer.float(), rating[batch]) + penalty
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    length = sum(value.detach().double().square().sum() for value in net.parameters()).sqrt()
    print(f"last loss {loss.item():.9f}, length of the weights {length.item():.15f}")


if __name__ == "__main__":
    main()
