"""uv, which solves for wheels and installs them."""

import copy
import os
import re
import sys
from pathlib import Path
from typing import Self

from samebits import bootstrap
from samebits.errors import CheckFailed, UsageError
from samebits.lock.programs import UNREACHABLE, run

BOOTSTRAP = Path(bootstrap.__file__).parent
# What uv may take from the environment: where packages come from; not which (UV_RESOLUTION and its like).
VARIABLES = (
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_KEYRING", "UV_INSECURE", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS"),
    *("UV_CACHE", "UV_HTTP", "UV_CONCURRENT", "UV_OFFLINE", "UV_CONFIG_FILE", "UV_NO_CONFIG"),
)


class Uv:
    """uv in the version that environment.yml names: `uv("pip", "compile", …, failing="…")`.

    Attributes:
        index: the address of an index that is asked beside the default one; empty for none.
    """

    def __init__(self, version: str) -> None:
        # Beside this Python, as a development tool; or where create-env put it to make this environment.
        places = [Path(sys.executable).with_name("uv"), Path(".venv-uv/bin/uv").absolute()]
        here = next((place for place in places if place.exists()), None)
        if here is None:
            raise UsageError(f"{places[-1]} is missing; run `make env` first")
        self.words = [str(here)]
        version_here = run([str(here), "--version"], "uv does not start").split()[1]
        if (
            version_here != version
        ):  # environment.yml was changed since: that uv, in its own cached environment
            self.words += ["tool", "run", "--from", f"uv=={version}", "uv"]
        kept = {k: v for k, v in os.environ.items() if k.startswith(VARIABLES) or not k.startswith("UV_")}
        self.environment = {**kept, "UV_PYTHON_DOWNLOADS": "never"}
        if default := run(["sh", str(BOOTSTRAP / "pip-index")], "pip-index failed").strip():
            self.environment["UV_DEFAULT_INDEX"] = default
        self.index = ""

    def beside(self, index: str) -> Self:
        """The same with another index, from which a package comes where that has the newest version.

        uv's own rule is that the first index that has any version of a package is the only one for it. An
        index of other builds, such as torch's for CPUs, has old versions of much else.
        """
        other = copy.copy(self)
        other.index = index
        indexes = " ".join(filter(None, (index, self.environment.get("UV_INDEX"))))
        strategy = {"UV_INDEX": indexes, "UV_INDEX_STRATEGY": "unsafe-best-match"}
        other.environment = {**self.environment, **(strategy if index else {})}
        return other

    def __call__(self, *arguments: str, failing: str) -> str:
        """Run it; see `programs.run`."""
        try:
            return run([*self.words, *arguments], failing, self.environment)
        except CheckFailed as error:
            if not UNREACHABLE.search(str(error)):
                raise
            raise CheckFailed(
                f"{without_password(str(error))}; asked was {self.asked}: "
                "`pip config set global.index-url ADDRESS` or UV_DEFAULT_INDEX names another"
            ) from None

    @property
    def asked(self) -> str:
        """The addresses of the indexes, for a message."""
        default = self.environment.get("UV_DEFAULT_INDEX", "the default index")
        return " and ".join(map(without_password, filter(None, (self.index, default))))


def without_password(address: str) -> str:
    """An address as others may read it."""
    return re.sub(r"//[^/@\s]*@", "//", address)
