"""The data: 1797 handwritten digits of 8×8 pixels, read from a file whose bytes are checked first.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
Repository, 1998; the copy that scikit-learn ships.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import samebits

SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
TEST_SAMPLES = 360


@dataclass(frozen=True)
class Split:
    """Images (samples, 8, 8, 1), float32 in 0…1, and labels (samples,), int64 in 0…9."""

    images: np.ndarray
    labels: np.ndarray


def load_digits(path: Path | None = None) -> tuple[Split, Split]:
    """Read the training and the test split; which sample is in which never changes, whatever the run's seed.

    Raises:
        UsageError: the file is missing, is a folder, or its bytes are not the ones that the golden hashes
            were made with.
    """
    path = path or shipped_file()
    if path.is_dir():
        raise samebits.UsageError(f"--data {path} is a folder; expected the digits' file")
    sha256 = samebits.data_sha256(path)
    if sha256 != SHA256:
        raise samebits.UsageError(
            f"the data file {path} has changed: its sha256 is {sha256[:16]}…, expected {SHA256[:16]}…; "
            "restore it, or write the new hash into data.py"
        )
    table = np.loadtxt(path, delimiter=",", dtype=np.float32)
    images, labels = table[:, :-1].reshape(-1, 8, 8, 1) / 16, table[:, -1].astype(np.int64)
    order = np.random.default_rng(seed=0).permutation(len(labels))
    test, train = order[:TEST_SAMPLES], order[TEST_SAMPLES:]
    return Split(images[train], labels[train]), Split(images[test], labels[test])


def shipped_file() -> Path:
    """The file inside the installed scikit-learn, found without the second that importing it takes."""
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise samebits.UsageError(
            "scikit-learn is not installed, and the digits come with it; run `make env` or see --data"
        )
    return Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"


def augment(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move a digit by up to one pixel each way and add a little noise.

    Args:
        image: (8, 8, 1), float32.
        rng: the sample's own generator: what is drawn here depends on seed, epoch and sample alone.

    Returns:
        A new image of the same shape and type.
    """
    down, right = rng.integers(0, 3, size=2)
    moved = np.pad(image, ((1, 1), (1, 1), (0, 0)))[down : down + 8, right : right + 8]
    return moved + rng.normal(0, 0.05, size=image.shape).astype(np.float32)
