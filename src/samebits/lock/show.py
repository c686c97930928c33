"""What the new locks change, shown before anything is written."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence

import click

from samebits.lock.differences import Change, table
from samebits.lock.request import PIP

# The wheels that compute; the hashes in golden.toml are theirs.
DECIDES = re.compile(r"(nvidia-|torch$|triton$|tensorflow$|keras$|numpy$|scikit-learn$|scipy$|ml-dtypes$)")


def show(of_locks: Mapping[str, Sequence[Change]], json_: bool) -> None:
    """Print what each lock changes, and say it when that can move the golden hashes."""
    deciding = [change.line() for change in of_locks.get(str(PIP), []) if DECIDES.match(change.name)]
    if json_:
        rows = {
            lock: [dataclasses.asdict(change) for change in changed] for lock, changed in of_locks.items()
        }
        click.echo(json.dumps({"locks": rows, "decides_bits": deciding}, indent=2))
        return
    for lock, changed in of_locks.items():
        click.echo(f"{lock}: {len(changed) or 'no'} package{'s' * (len(changed) != 1)} to change")
        click.echo(table(list(changed)), nl=False)
    if deciding:
        click.echo(
            f"these can move bits: {'; '.join(deciding)}; the hashes in golden.toml are of the former lock:"
        )
        click.echo("`make train` says whether they still hold, `make golden` makes the new ones")
