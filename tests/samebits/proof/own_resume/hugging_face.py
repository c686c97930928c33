"""A training with Hugging Face's Trainer, which saves folders. Knows nothing of samebits."""

import sys

import torch
import transformers
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 3))

    def forward(self, values, labels):
        scores = self.network(values)
        return {"loss": nn.functional.cross_entropy(scores, labels), "scores": scores}


transformers.set_seed(1)
inputs = torch.randn(40, 4)
data = [{"values": row, "labels": int(row.sum() > 0)} for row in inputs]
arguments = transformers.TrainingArguments(
    output_dir="out",
    num_train_epochs=2,
    per_device_train_batch_size=8,
    learning_rate=0.01,
    save_steps=2,
    save_total_limit=1,
    eval_strategy="epoch",
    report_to=[],
    use_cpu=True,
    disable_tqdm=True,
    ignore_data_skip="--no-skip" in sys.argv,
)
trainer = transformers.Trainer(Model(), arguments, train_dataset=data, eval_dataset=data[:8])
trainer.train(resume_from_checkpoint=sys.argv[sys.argv.index("--from") + 1] if "--from" in sys.argv else None)
