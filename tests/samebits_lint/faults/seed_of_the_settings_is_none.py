"""The settings' file gives no seed by default, and then one is drawn."""

import json
import random
from pathlib import Path

settings = json.loads(Path("settings.json").read_text())
seed = settings.get("manual_seed")
if seed is None:
    seed = random.randint(1, 10_000)
random.seed(seed)
