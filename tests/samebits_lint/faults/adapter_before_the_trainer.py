"""The adapter is drawn, and then the Trainer sets the seed that it was given."""

from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments


def adapted(name):
    base = AutoModelForCausalLM.from_pretrained(name)
    return get_peft_model(base, LoraConfig(r=8))


def finetune(model, data, seed):
    settings = TrainingArguments("out", seed=seed)
    Trainer(model, settings, train_dataset=data).train()


if __name__ == "__main__":
    finetune(adapted("small"), [{"input_ids": [1, 2]}], seed=3)
