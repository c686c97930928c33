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


def show(found: Mapping[str, Sequence[Change]], json_: bool) -> None:
    """Print what each lock changes, and say it when that can move the golden hashes."""
    deciding = [one.line() for one in found.get(str(PIP), []) if DECIDES.match(one.name)]
    if json_:
        rows = {lock: [dataclasses.asdict(one) for one in changed] for lock, changed in found.items()}
        click.echo(json.dumps({"locks": rows, "decides_bits": deciding}, indent=2))
        return
    for lock, changed in found.items():
        click.echo(f"{lock}: {len(changed) or 'no'} package{'s' * (len(changed) != 1)} to change")
        click.echo(table(list(changed)), nl=False)
    if deciding:
        click.echo(
            f"these can move bits: {'; '.join(deciding)}; the hashes in golden.toml are of the former lock:"
        )
        click.echo("`make train` says whether they still hold, `make golden` makes the new ones")
