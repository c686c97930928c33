"""`samebits exec`: run a command with the variables of determinism.env."""

import click

from samebits.process.launch import become


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("command", metavar="CMD [ARG]...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(command: tuple[str, ...]) -> None:
    """Run CMD with the variables of determinism.env, as `make` targets and the image do.

    \b
    samebits exec -- python train.py --epochs 5
    samebits exec -- ./sweep.sh --rounds 3
    """
    become(command)
