"""A small transformer learns the next letter of a text; it can be stopped and resumed."""

import argparse
import copy
import math
import os
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("text", type=Path)
parser.add_argument("--steps", type=int, default=10)
parser.add_argument("--stop-after", type=int, default=0)
parser.add_argument("--resume", action="store_true")
parser.add_argument("--seed", type=int, default=3)
parser.add_argument("--parts", type=int, default=2, help="batches whose gradients are added for a step")
args = parser.parse_args()
LENGTH, BATCH, WIDTH, WARMUP = 24, 6, 32, 3
EVALUATE_EVERY = 5
CHECKPOINT = Path("letters.pt")


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, dropout=0.1, batch_first=True)
        self.between = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x, mask):
        y = self.before(x)
        x = x + self.attention(y, y, y, attn_mask=mask, need_weights=False)[0]
        return x + self.dropout(self.down(F.gelu(self.up(self.between(x)))))


class Letters(nn.Module):
    def __init__(self, letters):
        super().__init__()
        self.embedding = nn.Embedding(letters, WIDTH)
        self.position = nn.Parameter(torch.zeros(LENGTH, WIDTH))
        self.blocks = nn.ModuleList(Block(WIDTH) for _ in range(2))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, letters, bias=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)
        self.head.weight = self.embedding.weight

    def forward(self, letters):
        mask = torch.full((LENGTH, LENGTH), -math.inf).triu(1)
        x = self.embedding(letters) + self.position
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.norm(x))


def rate(step):
    """Up in a line, then down in half a cosine."""
    if step < WARMUP:
        return (step + 1) / WARMUP
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - WARMUP) / 20))


def main():
    torch.manual_seed(args.seed)
    text = args.text.read_text()
    alphabet = sorted(set(text))
    data = torch.tensor([alphabet.index(letter) for letter in text])
    model = Letters(len(alphabet))
    average = copy.deepcopy(model)
    decayed = [value for value in model.parameters() if value.dim() > 1]
    others = [value for value in model.parameters() if value.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95), eps=1e-8)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    chosen = torch.Generator().manual_seed(args.seed + 1)
    first = 0
    if args.resume:
        saved = torch.load(CHECKPOINT)
        first = saved["step"]
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        schedule.load_state_dict(saved["schedule"])
        chosen.set_state(saved["chosen"])
        torch.set_rng_state(saved["torch"])
    for step in range(first, args.steps):
        optimizer.zero_grad()
        for _ in range(args.parts):
            starts = torch.randint(len(data) - LENGTH - 1, (BATCH,), generator=chosen).tolist()
            x = torch.stack([data[start : start + LENGTH] for start in starts])
            y = torch.stack([data[start + 1 : start + LENGTH + 1] for start in starts])
            loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten()) / args.parts
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for kept, new in zip(average.parameters(), model.parameters(), strict=True):
                kept.lerp_(new, 0.2)
        if (step + 1) % EVALUATE_EVERY == 0:
            average.eval()
            with torch.no_grad():
                x = data[: 4 * LENGTH].view(4, LENGTH)
                held = F.cross_entropy(average(x)[:, :-1].flatten(0, 1), x[:, 1:].flatten())
            print(f"step {step + 1}: held {held.item():.6f}")
        if step + 1 == args.stop_after:
            state = {
                "step": step + 1,
                "model": model.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "chosen": chosen.get_state(),
                "torch": torch.get_rng_state(),
            }
            torch.save(state, CHECKPOINT.with_suffix(".new"))
            os.replace(CHECKPOINT.with_suffix(".new"), CHECKPOINT)
            return
    print(f"last loss {loss.item():.9f}")


if __name__ == "__main__":
    main()
