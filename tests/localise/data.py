"""The data of the trainings: small, generated, the same each time."""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

SHAPES = ("circle", "cross", "square")
PICTURES, ROWS, WAVES, TEXTS = 56, 112, 3, 24
FOLDERS = ("pictures", "reviews", "waves")  # what is in them can be written in another order
TEXT = """Who trains a network twice expects the same numbers twice. If they differ, somebody has
drawn from a generator without a seed, or a sum was added up in another order, or a file has changed
overnight. It is tedious to look for the place by hand: print the loss, print the batch,
print the weights, and compare by eye.
"""


def picture(number: int) -> np.ndarray:
    """A shape with noise: 1 × 12 × 12, float32."""
    generator = np.random.default_rng([1, number])
    across, down = np.meshgrid(np.arange(12) - 5.5, np.arange(12) - 5.5)
    size = generator.uniform(2.5, 4.5)
    shape = (
        np.abs(np.hypot(across, down) - size) < 1,
        np.abs(np.abs(across) - np.abs(down)) < 1,
        np.abs(np.maximum(np.abs(across), np.abs(down)) - size) < 1,
    )[number % 3]
    return (shape + 0.1 * generator.normal(size=(12, 12)))[None].astype(np.float32)


def write(folder: Path, backwards: bool = False) -> None:
    """Write everything below `folder`.

    Args:
        folder: it is made.
        backwards: write the files of each folder in the opposite order.
    """

    def order(count: int) -> Iterable[int]:
        return reversed(range(count)) if backwards else range(count)

    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
    for number in order(PICTURES):
        np.save(folder / "pictures" / f"{number:03}_{SHAPES[number % 3]}.npy", picture(number))
    for number in order(WAVES):
        time = np.arange(100) + 100 * number
        wave = np.sin(time / 5) + 0.3 * np.sin(time / 1.7) + 0.01 * time / 100
        np.savetxt(folder / "waves" / f"{number}.txt", wave)
    words = {"kind": ["good", "warm", "kind", "fine", "bright", "glad", "nice", "calm"]}
    words["unkind"] = ["bad", "cold", "rude", "dull", "grim", "sad", "mean", "loud"]
    both = ["the", "day", "was", "and", "so", "is", "a", "very"]
    for name in reversed(words) if backwards else words:
        (folder / "reviews" / name).mkdir()
    for number in order(TEXTS):
        name = ("kind", "unkind")[number % 2]
        generator = np.random.default_rng([2, number])
        chosen = generator.choice(words[name] + both, size=5 + number % 6)
        (folder / "reviews" / name / f"{number:02}.txt").write_text(" ".join(chosen))
    (folder / "letters.txt").write_text(TEXT * 3)
    generator = np.random.default_rng(3)
    with (folder / "cells.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["size", "round", "dark", "rough", "long", "class"])
        for _ in range(ROWS):
            target = int(generator.choice(3, p=(0.5, 0.3, 0.2)))
            values = generator.normal(loc=[target, -target, 0.5 * target, 0, 1], size=5)
            out.writerow([*(f"{value:.4f}" for value in values), target])
