"""`samebits record` on several processes, a killed one, and the loops of libraries."""

import re

import pytest
from tests.samebits.torch.test_record import TRAININGS, of, read, steps, tables

KILLED = """
import os, signal, sys
import torch
from torch import nn

class Numbers(torch.utils.data.Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, at):
        with open("numbers.txt") as file:
            return torch.tensor([float(file.readlines()[at])])

if __name__ == "__main__":
    open("numbers.txt", "w").write("".join(f"{number}\\n" for number in range(8)))
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    loader = torch.utils.data.DataLoader(
        Numbers(), 2, num_workers=2, multiprocessing_context=sys.argv[1], persistent_workers=False
    )
    for inputs in loader:
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()
    if "kill" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
"""

RANKS = """
import hashlib, torch, torch.distributed
from torch import nn
torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
torch.manual_seed(0)
model = nn.parallel.DistributedDataParallel(nn.Linear(4, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
generator = torch.Generator().manual_seed(rank)
for _ in range(3):
    optimizer.zero_grad()
    model(torch.randn(8, 4, generator=generator)).square().mean().backward()
    optimizer.step()
if rank == 0:
    print(hashlib.sha256(model.module.weight.detach().numpy().tobytes()).hexdigest(), flush=True)
torch.distributed.destroy_process_group()
"""

LIGHTNING = """
import hashlib, torch, lightning
from torch import nn

class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.1), nn.Linear(8, 2))
        self.loss = nn.CrossEntropyLoss()
    def training_step(self, batch, at):
        return self.loss(self.net(batch[0]), batch[1])
    def validation_step(self, batch, at):
        self.log("loss", self.loss(self.net(batch[0]), batch[1]))
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)

lightning.seed_everything(1)
data = torch.utils.data.TensorDataset(torch.randn(32, 4), torch.arange(32) % 2)
module = Module()
names = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
quiet = dict.fromkeys(names, False)
trainer = lightning.Trainer(
    max_epochs=2, accelerator="cpu", gradient_clip_val=0.01, accumulate_grad_batches=2, **quiet
)
loader = torch.utils.data.DataLoader
trainer.fit(module, loader(data, 8, shuffle=True), loader(data, 16))
print(hashlib.sha256(module.net[0].weight.detach().numpy().tobytes()).hexdigest())
"""

TRAINER = """
import hashlib, torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed
set_seed(1)
model = BertForSequenceClassification(BertConfig(
    vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
    max_position_embeddings=16,
))
data = [{"input_ids": torch.randint(0, 50, (8,)), "labels": number % 2} for number in range(16)]
arguments = TrainingArguments(
    "out", num_train_epochs=1, per_device_train_batch_size=4, report_to=[], save_strategy="no", use_cpu=True,
    eval_strategy="epoch", disable_tqdm=True, max_grad_norm=0.001,
)
Trainer(model, arguments, train_dataset=data, eval_dataset=data).train()
print(hashlib.sha256(model.classifier.weight.detach().numpy().tobytes()).hexdigest())
"""

COMPILED = """
import hashlib, sys, torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
data = torch.randn(3, 8, 4)

@torch.compile
def loss_of(inputs):  # the call of the model is compiled away
    return model(inputs).square().mean()

for inputs in data:
    optimizer.zero_grad()
    loss_of(inputs).backward()
    optimizer.step()
print(hashlib.sha256(model[0].weight.detach().numpy().tobytes()).hexdigest())
"""


def record(start, folder, script, *words, through=("python",), status=0):
    """What a script prints when it is recorded, and the events of its processes."""
    (folder / "train.py").write_text(script)
    done = start("samebits", "record", "-o", "made", "--", *through, "train.py", *words, cwd=folder)
    assert done.returncode == status, done.stderr
    assert "the record lacks something" not in done.stderr, done.stderr
    return done.stdout.splitlines(), read(folder / "made")


def same_without(start, folder, script, through=("python",)):
    """A script's events, and that it prints the same without a record."""
    said, processes = record(start, folder, script, through=through)
    plain = start(*through, "train.py", cwd=folder)
    assert plain.returncode == 0, plain.stderr
    assert (
        [line for line in said if re.fullmatch("[0-9a-f]{64}", line)]
        == [line for line in plain.stdout.splitlines() if re.fullmatch("[0-9a-f]{64}", line)]
        != []
    )
    return processes


def assert_lines(events, words):
    """Each step comes from the script's line that has these words, and all the rest from its lines, too."""
    script = next(text for text in (LIGHTNING, TRAINER) if words in text)
    at = next(at for at, text in enumerate(script.splitlines(), 1) if words in text)
    assert {step["line"] for step in steps(events)} == {f"train.py:{at}"}
    computed = [event for event in events if event["event"] in ("initial", "step", "evaluation")]
    lines = {event["line"] for event in computed} | {move[3] for event in computed for move in event["moves"]}
    assert all(re.fullmatch(r"train\.py:\d+", line) for line in lines), lines


def test_a_killed_run_is_good_up_to_its_last_step(start, tmp_path):
    said, (events, *workers) = record(start, tmp_path, KILLED, "fork", "kill", status=137)
    assert said[-1].endswith(f"; {events[0]['pid']}.jsonl did not come to an end")
    assert [step["step"] for step in steps(events)] == [1, 2, 3, 4]
    assert events[-1]["event"] == "step"
    assert sorted(worker[0]["role"] for worker in workers) == ["worker 0", "worker 1"]
    for worker in workers:
        assert worker[0]["parent"] == events[0]["pid"]
        assert [event["path"] for event in worker if event["event"] == "file"] == ["numbers.txt"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_that_are_not_forked_are_recorded(start, tmp_path, method):
    _, (events, *others) = record(start, tmp_path, KILLED, method)
    assert len(steps(events)) == 4
    roles = [process[0]["role"] for process in others if any(e["event"] == "file" for e in process)]
    assert sorted(roles) == ["worker 0", "worker 1"]


@pytest.mark.slow
def test_each_rank_has_its_record(start, tmp_path):
    through = ("torchrun", "--nproc-per-node", "2")
    first, second, launcher = same_without(start, tmp_path, RANKS, through)
    assert sorted(process[0]["rank"] for process in (first, second)) == [0, 1]
    assert first[0]["parent"] == launcher[0]["pid"]
    assert [len(steps(process)) for process in (first, second, launcher)] == [3, 3, 0]
    for ours, theirs in zip(steps(first), steps(second), strict=True):
        assert ours["calls"][0]["arguments"] != theirs["calls"][0]["arguments"]
        assert ours["gradients"] == theirs["gradients"]
        assert ours["parameters"] == theirs["parameters"]
    assert tables(first)[0]["names"] == ["weight", "bias"]  # without the wrapper's word


@pytest.mark.slow
def test_the_loop_of_lightning(start, tmp_path):
    (events,) = same_without(start, tmp_path, LIGHTNING)
    assert len(steps(events)) == 4
    for step in steps(events):
        assert [call["module"] for call in step["calls"]] == ["Sequential", "CrossEntropyLoss"] * 2
        assert len(step["losses"]) == 2
        assert set(step["gradients"]) == {"after backward", "at optimizer"}
    assert [e["count"] for e in events if e["event"] == "evaluation"] == [4, 4, 4]
    assert [step["epoch"] for step in steps(events)] == [1, 1, 2, 2]
    assert_lines(events, "trainer.fit(")


@pytest.mark.slow
def test_the_loop_of_hugging_face(start, tmp_path):
    (events,) = same_without(start, tmp_path, TRAINER)
    assert len(steps(events)) == 4
    for step in steps(events):
        assert [call["module"] for call in step["calls"]] == ["BertForSequenceClassification"]
        assert set(step["gradients"]) == {"after backward", "at optimizer"}
    assert [step["epoch"] for step in steps(events)] == [1, 1, 1, 1]
    assert_lines(events, ".train()")


@pytest.mark.slow
def test_compiled_code_keeps_its_bits(start, tmp_path):
    events, *_ = same_without(start, tmp_path, COMPILED)  # its compiler has processes of its own
    assert len(steps(events)) == 3
    assert all(len(step["losses"]) == 1 for step in steps(events))
    plain = start("python", TRAININGS, "inductor", cwd=tmp_path)
    done = start("samebits", "record", "-o", "more", "--", "python", TRAININGS, "inductor", cwd=tmp_path)
    assert done.stdout.splitlines()[:-1] == plain.stdout.splitlines()
    assert len(of(read(tmp_path / "more")[0], 18)) == 3
