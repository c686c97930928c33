"""A data set of the hub is split without a seed."""

from datasets import load_dataset

parts = load_dataset("text", split="train").train_test_split(test_size=0.2)
