"""Fifty pairs without a fault: the same training twice. None may be called different."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """A training that is recorded twice; the second time perhaps stopped and resumed."""

    script: str
    arguments: str = ""
    resumed: str = ""

    @property
    def name(self) -> str:
        return " ".join(
            word for word in (self.script, self.arguments, self.resumed and f"resumed {self.resumed}") if word
        )

    @property
    def framework(self) -> str:
        return "Keras" if self.script.startswith("keras_") else "torch"


PAIRS = [
    *(
        Pair("pictures.py", f"--workers {workers} --seed {seed}")
        for workers, seed in [(0, 2), (1, 3), (2, 4), (3, 1)]
    ),
    Pair("pictures.py", "--epochs 1 --batch-size 5"),
    Pair("pictures.py", "--epochs 4 --evaluate-every 2"),
    Pair("pictures.py", "--epochs 2 --evaluate-every 3"),
    *(Pair("letters.py", "", f"--stop-after {step}") for step in (1, 3, 5, 7)),
    Pair("letters.py", "--parts 1", "--stop-after 4"),
    *(Pair("letters.py", arguments) for arguments in ("", "--parts 3 --steps 6", "--seed 8")),
    *(Pair("cells.py", arguments) for arguments in ("", "--seed 9", "--epochs 1", "--smoothing 0")),
    *(Pair("rings.py", seed) for seed in ("", "1", "2")),
    *(Pair("films.py", arguments) for arguments in ("", "--seed 1", "--people 50 --films 7")),
    *(Pair("keras_digits.py", f"--seed {seed}") for seed in range(1, 8)),
    *(Pair("keras_digits.py", f"--batch-size {size}") for size in (7, 16, 64)),
    Pair("keras_digits.py", "--epochs 1"),
    *(Pair("keras_reviews.py", f"{epochs} {seed}") for epochs in (1, 2) for seed in (1, 2, 3)),
    *(Pair("keras_waves.py", f"--epochs {epochs}") for epochs in (1, 2, 3, 4)),
    *(Pair("keras_waves.py", "--epochs 3", f"--stop-after {epoch}") for epoch in (1, 2)),
    Pair("keras_waves.py", "--epochs 2", "--stop-after 1"),
    Pair("keras_waves.py", "--epochs 4", "--stop-after 3"),
]
