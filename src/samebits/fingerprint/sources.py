"""A fingerprint from wherever it is: this process, a run folder, a file, an entry of golden.toml."""

import os
from pathlib import Path
from typing import Any

from samebits._json_files import read_json
from samebits.errors import UsageError
from samebits.fingerprint import code_state, golden
from samebits.fingerprint.facts import fingerprint, flatten
from samebits.fingerprint.manifest import of_manifest, read_manifest
from samebits.framework import installed, load_toolkit


def here(framework: str = "", device: str = "auto") -> dict[str, Any]:
    """The fingerprint that a run would have that began here and now, and the working folder's code.

    Args:
        framework: "torch" or "keras"; the variable FRAMEWORK or the first that is installed, when empty.
        device: "auto", "cpu" or "cuda".

    Raises:
        UsageError: there is no such framework or device.
    """
    framework = framework or os.environ.get("FRAMEWORK") or next(iter(installed()), "")
    toolkit = load_toolkit(framework)
    chosen = toolkit.choose_device(device)
    toolkit.make_deterministic()
    return {"framework": framework, "code": code_state.here(), **fingerprint(framework, chosen)}


def read(name: str) -> dict[str, str]:
    """The flattened fingerprint of a run folder, a manifest, a file of JSON, a golden entry, or of `now`.

    Raises:
        UsageError: it is none of these.
    """
    if name == "now":
        return dict(flatten(here()))
    path = Path(name)
    if (path / "manifest.json").is_file():
        return of_manifest(read_manifest(path))
    if not path.exists():
        return golden.facts_of(name)
    try:
        content = read_json(path)
        if "fingerprint" not in content:
            return dict(flatten(content))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise UsageError(
            f"{name} has no fingerprint: give a run folder, a manifest, what `samebits fingerprint --json` "
            "printed, an entry of golden.toml, or `now`"
        ) from None
    return of_manifest(read_manifest(path))
