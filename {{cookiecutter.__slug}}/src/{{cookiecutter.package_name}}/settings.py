"""What a training run may be told; every field is an option of the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from samebits import option


@dataclass(frozen=True)
class Settings:
    """The same for both frameworks."""

    seed: int = option(0, "root of every random stream", minimum=0)
    epochs: int = option(20, "passes over the training data", minimum=1)
    batch_size: int = option(64, "samples in a step", minimum=1)
    learning_rate: float = option(3e-3, "AdamW's step size", minimum=0)
    dropout: float = option(0.3, "share of activations that are dropped", minimum=0, maximum=0.9)
    evaluate_every: int = option(
        1, "epochs between evaluations; 0: at the end", minimum=0, affects_weights=False
    )
    workers: int = option(
        0, "processes (Keras: threads) that prepare batches", minimum=0, affects_weights=False
    )
    device: Literal["auto", "cpu", "cuda"] = option(
        "auto", "where to train; auto: a GPU if there is one", affects_weights=False
    )
    checkpoint_every: int = option(
        0, "steps between checkpoints; 0: at each epoch's end", minimum=0, affects_weights=False
    )
    resume: Literal["auto", "previous", "never", "force"] = option(
        "auto", "go on where an interrupted run was: see docs/resume.md", affects_weights=False
    )
    data: Path | None = option(None, "the digits' file (default: scikit-learn's)", affects_weights=False)
    run: Path | None = option(None, "the run's folder (default: in runs/)", affects_weights=False)

    def evaluated_epochs(self) -> list[int]:
        """The epochs, counted from 1, after which the test split is evaluated; the last always is."""
        every = self.evaluate_every or self.epochs
        return sorted({*range(every, self.epochs + 1, every), self.epochs})
