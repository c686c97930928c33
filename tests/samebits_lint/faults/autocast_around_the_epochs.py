"""One autocast region for the whole optimisation."""

import torch

torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.AdamW(model.parameters())
with torch.autocast("cuda", dtype=torch.bfloat16):
    for _ in range(3):
        for x in torch.ones(4, 2, 4):
            loss = model(x).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
