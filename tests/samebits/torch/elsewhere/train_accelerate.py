"""Train in the user's own loop with Hugging Face's Accelerate."""

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from task import Killer, Points, Settings, die, die_before_finish, network

import samebits
import samebits.torch


def train(settings: Settings) -> None:
    kill = Killer(settings.kill_at)
    with samebits.torch.open_run(settings, device="cpu") as run:
        loader = run.loader(Points(100), batch_size=settings.batch_size, shuffle=True)
        with run.stream("initialisation"):
            model = network()
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
        die_before_finish(settings, run)
        accelerator = Accelerator(cpu=True, mixed_precision="bf16", gradient_accumulation_steps=3)

        run.checkpoint("kill", affects_weights=False)  # a test's own
        run.checkpoint(model=model, optimizer=optimizer, schedule=schedule, accelerator=accelerator)
        model, optimizer, schedule = accelerator.prepare(model, optimizer, schedule)  # not the loader
        for epoch in run.epochs(settings.epochs):
            model.train()
            for values, labels in run.batches(loader):
                kill()
                values, labels = values.to(accelerator.device), labels.to(accelerator.device)
                with accelerator.accumulate(model):
                    loss = F.cross_entropy(model(values), labels)
                    accelerator.backward(loss)
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                    optimizer.step()
                    schedule.step()
                    optimizer.zero_grad()
                run.average(loss=loss)
            if epoch % settings.evaluate_every == 0:
                die(settings, run, f"after step {run.step}")
                torch.rand(3)  # which the training must not notice
            run.log()
        run.finish(accelerator.unwrap_model(model))


if __name__ == "__main__":
    samebits.main(train, Settings)
