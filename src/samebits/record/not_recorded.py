"""What a training computed and no record holds, as its own lines tell it."""

import json
from pathlib import Path

from samebits._printable import some

UNSEEN = b'{"event":"unseen",'
MOST = 100  # of one record that are read


def not_recorded(folder: Path) -> str:
    """What was computed and not recorded, in words.

    Args:
        folder: of a record.

    Returns:
        Each thing once, the first ones; "" where nothing is named.
    """
    told: dict[str, None] = {}
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                if line.startswith(UNSEEN) and line.endswith(b"\n") and len(told) < MOST:
                    told[str(json.loads(line).get("what"))] = None
    return some(list(told), 2, "; ")
