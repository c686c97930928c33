"""The command `samebits`. Sub-commands are imported when they are called, so that `--help` stays fast."""

import difflib
import importlib
import os
import sys
from collections.abc import Callable, Sequence

import click

from samebits import __version__
from samebits._files import cannot_look
from samebits._printable import printable
from samebits.process.command_line import hint
from samebits.process.program import run_command

COMMANDS = {  # name: module
    "add": "samebits.lock.add",
    "attest": "samebits.installed.command",
    "bisect": "samebits.proof.bisect",
    "diff": "samebits.diff.command",
    "doctor": "samebits.doctor.report",
    "exec": "samebits.process.exec",
    "fingerprint": "samebits.fingerprint.command",
    "golden": "samebits.fingerprint.golden",
    "init": "samebits.project.init",
    "lint": "samebits.lint",
    "lock": "samebits.lock.command",
    "matrix": "samebits.proof.matrix",
    "portable-proof": "samebits.proof.portable",
    "record": "samebits.record.command",
    "resume-proof": "samebits.proof.resume",
    "seeds": "samebits.proof.seeds",
    "smoke": "samebits.proof.smoke",
    "smoke-controls": "samebits.proof.controls",
    "twice": "samebits.twice.command",
    "verify": "samebits.proof.verify",
    "watch": "samebits.chance.watch",
}
# From a plain shell this goes through entrypoint first, as a run would that it tells about.
THROUGH_ENTRYPOINT = ("fingerprint",)


SUMMARIES = {  # name: one line of at most 60 characters (80 columns hold it), for the list of all commands
    "add": "Add a package: environment.yml, lock and environment.",
    "attest": "Compare every installed file with the locks and its source.",
    "bisect": "Run two records again; name the layer and the operation.",
    "diff": "Name the first place where two records differ, and why.",
    "doctor": "Show what is not right here; status 1 if anything is wrong.",
    "exec": "Run a command with the variables that entrypoint sets.",
    "fingerprint": "Print everything here that can change bits; `diff` compares.",
    "golden": "Make the hashes of finished runs the ones to compare with.",
    "init": "Add to a project what makes its runs reproducible.",
    "lint": "Find in code, without running it, what will not repeat.",
    "lock": "Solve environment.yml again and write the locks.",
    "matrix": "Train under changes that must not matter; compare the bits.",
    "portable-proof": "Compute the same on several CPUs and compare the hashes.",
    "record": "Run a training; write down what it computes, as digests.",
    "resume-proof": "Interrupt a training in every way; compare the hashes.",
    "seeds": "Train with several seeds: mean, deviation and interval.",
    "smoke": "Train twice, interrupt the second, and compare the bits.",
    "smoke-controls": "Show that smoke can fail: remove one protection each time.",
    "twice": "Execute each operation twice; name what differs, and where.",
    "verify": "Repeat a run from its manifest and compare the bits.",
    "watch": "Run a command; name the chance that no seed decides.",
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own, each in a variable named `command`."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[name])
        command: click.Command | None = getattr(module, "command", None)
        return command or _that_parses_itself(name, module.main)

    def resolve_command(
        self, context: click.Context, words: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of a line; for a word that is none, what was meant."""
        name = words[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS)
            meant = f". Did you mean {' or '.join(map(repr, near))}?" if near else ""
            if name.endswith(".py"):
                meant = f": `{hint('./entrypoint', 'python', *words)}` runs a script"
            raise click.UsageError(f"No such command {name!r}{meant}", context)
        return super().resolve_command(context, words)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """One whole line a command, in 80 columns, and no module imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES.get(name, "")) for name in COMMANDS])


def _that_parses_itself(name: str, main: Callable[[Sequence[str]], int]) -> click.Command:
    """A command that works without click, as one of click's."""

    @click.command(name, help=main.__doc__, add_help_option=False)
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> int:
        return main(arguments)

    command.context_settings["ignore_unknown_options"] = True
    return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="samebits")
def group() -> None:
    """Train it twice, get the same bits; when you don't, be told where and why."""


def main() -> None:
    """The console script."""
    try:
        if sys.argv[1:2] and sys.argv[1] in THROUGH_ENTRYPOINT and "SAMEBITS_ENTRYPOINT" not in os.environ:
            from samebits.process import launch

            again = [sys.executable, *sys.orig_argv[1:]]
            sys.exit(run_command(lambda **_: launch.become(again), "samebits"))
        sys.exit(run_command(group, "samebits"))
    except OSError as error:
        if (line := cannot_look(error)) is None:
            raise
        print(f"samebits: {printable(line)}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
