"""What a training run may be told; every field is an option of the command line."""

from dataclasses import dataclass
from pathlib import Path

from samebits import RunSettings, option


@dataclass(frozen=True)
class Settings(RunSettings):
    """The experiment's own settings; `RunSettings` adds seed, device, run, resume and others."""

    epochs: int = option(20, "passes over the training data", minimum=1)
    batch_size: int = option(64, "samples in a step", minimum=1)
    learning_rate: float = option(3e-3, "AdamW's step size", minimum=0)
    dropout: float = option(0.3, "share of activations that are dropped", minimum=0, maximum=0.9)
    workers: int = option(
        0, "workers that prepare batches; 0: the training itself", minimum=0, affects_weights=False
    )
    data: Path | None = option(None, "the digits' file (default: scikit-learn's)", affects_weights=False)
