"""Train with a Hugging Face Trainer."""

import tempfile
from typing import Any

import torch
import torch.nn.functional as F
import transformers
from task import Killer, Points, Settings, die, die_before_finish, network

import samebits
import samebits.torch
from samebits.run.run import Run
from samebits.torch.huggingface import Trainer


class Model(torch.nn.Module):
    def __init__(self, settings: Settings, run: Run) -> None:
        super().__init__()
        self.die = lambda: die(settings, run, f"after step {run.step}")  # which deepcopy leaves alone
        self.network = network()
        self.kill = Killer(settings.kill_at)

    def forward(self, values: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        if self.training:
            self.kill()
        else:
            self.die()
        scores = self.network(values)
        return {"loss": F.cross_entropy(scores, labels), "scores": scores}


class Rows(Points):
    """Samples by name; the noise is from a global generator, which the loader seeds for each sample."""

    def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override]
        noise = torch.randn(12) * 0.3
        return {"values": torch.from_numpy(self.values[index]) + noise, "labels": int(self.labels[index])}


def train(settings: Settings) -> None:
    with (
        samebits.torch.open_run(settings, device="cpu") as run,
        tempfile.TemporaryDirectory() as folder,
    ):
        with run.stream("initialisation"):
            model = Model(settings, run)
        die_before_finish(settings, run)
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            num_train_epochs=settings.epochs,
            per_device_train_batch_size=settings.batch_size,
            gradient_accumulation_steps=2,
            learning_rate=0.01,
            warmup_steps=5,
            lr_scheduler_type="cosine",
            logging_steps=3,
            eval_strategy="steps",
            eval_steps=settings.evaluate_every + 1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
        )
        trainer = Trainer(model, arguments, train_dataset=Rows(100), eval_dataset=Rows(40), run=run)
        trainer.train()
        run.finish(model.network)


if __name__ == "__main__":
    samebits.main(train, Settings)
