"""The trainer's own constructor draws the adapter before it sets the seed: nothing of it is in this file."""

from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

trainer = SFTTrainer("small", args=SFTConfig("out", seed=3), peft_config=LoraConfig(r=8))
trainer.train()
