"""Words get their numbers in the order of a set."""

from pathlib import Path

sentences = Path("english.txt").read_text().splitlines()
words = list({word for sentence in sentences for word in sentence.split(" ")})
numbers = {word: number for number, word in enumerate(words)}
