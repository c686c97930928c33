"""`samebits lint PATH…`"""

from pathlib import Path

import click

from samebits.command_line import hint
from samebits.errors import WrongUse
from samebits.lint import output, rules
from samebits.lint.check import check


def _codes(text: str, known: dict[str, rules.Rule]) -> set[str]:
    """The codes that `SB1,loader-without-generator` means: a code, the beginning of codes, or a name.

    Raises:
        WrongUse: one of them is no rule.
    """
    found: set[str] = set()
    for word in filter(None, (part.strip() for part in text.split(","))):
        meant = {code for code, rule in known.items() if code.startswith(word.upper()) or rule.name == word}
        if not meant:
            raise WrongUse(f"'{word}' is no rule; `{hint('samebits', 'lint', '--list')}` has them")
        found |= meant
    return found


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--select",
    metavar="RULES",
    default="",
    help="Only these rules: SB101, SB1 (all of the hundred), SB (all), names.",
)
@click.option("--ignore", metavar="RULES", default="", help="Not these rules.")
@click.option("--json", "json_", is_flag=True, help="Print a JSON list instead of lines.")
@click.option("--explain", metavar="RULE", help="Print a rule's page.")
@click.option("--list", "list_", is_flag=True, help="List the rules.")
def command(
    paths: tuple[Path, ...], select: str, ignore: str, json_: bool, explain: str | None, list_: bool
) -> int:
    """Name what in Python files and notebooks will not repeat, without running them.

    Exits with 1 when something was found.
    """
    known = rules.load()
    if list_:
        for rule in known.values():
            click.echo(f"{rule.code} {rule.name}")
        return 0
    if explain is not None:
        codes = sorted(_codes(explain, known))
        click.echo("\n\n".join(output.explanation(known[code]) for code in codes))
        return 0
    if not paths:
        raise WrongUse("lint needs a path; expected Python files, notebooks or folders of them")
    usual = {code for code, rule in known.items() if not rule.elsewhere}
    chosen = (_codes(select, known) or usual) - _codes(ignore, known)
    problems = check(paths, chosen)
    if json_:
        click.echo(output.as_json(problems, known))
    else:
        for problem in problems:
            click.echo(output.as_line(problem))
        click.echo(output.summary(len(problems)))
    return 1 if problems else 0
