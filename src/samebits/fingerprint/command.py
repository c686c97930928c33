"""`samebits fingerprint`: this environment's facts, and in what two fingerprints differ."""

import click

from samebits._printable import printable, short
from samebits._report import print_json, print_table
from samebits.errors import CheckFailed
from samebits.fingerprint.diff import OUTCOMES, WORDS, Difference, change, differences, have_same_weights
from samebits.fingerprint.facts import flatten
from samebits.fingerprint.manifest import WEIGHTS
from samebits.fingerprint.sources import here, read
from samebits.framework import FRAMEWORKS
from samebits.process.command_line import hint


@click.group("fingerprint", invoke_without_command=True)
@click.option("--framework", type=click.Choice(list(FRAMEWORKS)), default=None, help="Whose facts to show.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--json", "json_", is_flag=True, help="Print JSON, which `samebits fingerprint diff` reads.")
@click.pass_context
def command(context: click.Context, framework: str | None, device: str, json_: bool) -> None:
    """Print everything here that can change bits, as a run's manifest has it."""
    if context.invoked_subcommand is not None:
        return
    facts = here(framework or "", device)
    if json_:
        print_json(facts)
        return
    for name, value in flatten(facts):
        click.echo(f"{name} = {printable(value)}")


@command.command("diff")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--all", "all_", is_flag=True, help="Show what cannot change bits, too.")
@click.option("--json", "json_", is_flag=True, help="Print a JSON list instead of a table.")
def diff_command(first: str, second: str, all_: bool, json_: bool) -> None:
    """Show how A and B differ, and what of it changes the weights.

    First settings, then data, code, versions, and last the machine. A and B are run folders, manifests, files
    that `samebits fingerprint --json` wrote, names of entries in golden.toml, or the word `now`. `torch-cpu`
    is the entry for this kind of CPU.

    Exit status 0: nothing can change the weights, or both runs have the same weights; 1: something may, or
    the weights differ and nothing that is recorded explains it.
    """
    from samebits.fingerprint import command

    command.show(first, second, all_, json_)


def show(first: str, second: str, all_: bool, json_: bool) -> None:
    """Print the differences; the command's own body.

    Raises:
        CheckFailed: some of them may change bits, or the weights differ for another reason.
    """
    from samebits.fingerprint import golden  # it imports this module

    facts = read(first), read(second)
    if any(golden.ENTRY in source for source in facts):  # it holds only what decides
        facts = golden.shrink(facts[0]), golden.shrink(facts[1])
    all_differences = differences(*facts)
    if json_:
        print_json(all_differences)
    else:
        if have_same_weights(*facts):
            click.echo(f"the same weights: {facts[0][WEIGHTS]}")
        shown = [difference for difference in all_differences if all_ or difference.rank != "none"]
        print_differences(shown, f"{first} → {second}")
        hidden = sum(difference.rank == "none" for difference in all_differences)
        if hidden and not all_:
            more = "more " if len(all_differences) > hidden else ""
            click.echo(f"{hidden} {more}cannot change bits: --all shows them")
    harmful = [difference for difference in all_differences if difference.rank != "none"]
    if harmful:
        certain = sum(difference.rank == "changes" for difference in harmful)
        raise CheckFailed(f"differences that change bits: {certain}; that may: {len(harmful) - certain}")
    weights = [side[WEIGHTS] for side in facts if WEIGHTS in side]
    if len(set(weights)) > 1:
        lint, smoke = hint("samebits", "lint", "SCRIPT"), hint("samebits", "smoke", "python", "SCRIPT")
        raise CheckFailed(
            f"nothing that is recorded differs, but the weights do ({' and '.join(map(short, weights))}): "
            "the training does not repeat, or one was interrupted and did not resume to the same weights. "
            f"`{lint}` looks for the reason in the code, `{smoke}` trains twice and shows what differs first"
        )
    if not all_differences and not json_:
        click.echo("no differences")


def print_differences(shown: list[Difference], heading: str) -> None:
    """A row for each difference: whether it changes bits, which fact, from what to what, and why."""
    if not shown:
        return
    rows = [
        (
            (WORDS[difference.rank], OUTCOMES[difference.rank]),
            difference.fact,
            f"{change(difference)}\n  {difference.why}",
        )
        for difference in shown
    ]
    print_table(("", "fact", heading), rows)
