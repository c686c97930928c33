"""The command `samebits`. Sub-commands are imported when they are called, so that `--help` stays fast."""

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from samebits import __version__
from samebits.errors import SamebitsError
from samebits.printable import printable

COMMANDS = {  # name: module
    "attest": "samebits.attest",
    "doctor": "samebits.doctor",
    "exec": "samebits.process",
    "fingerprint": "samebits.fingerprint",
    "golden": "samebits.golden",
    "lint": "samebits.lint.command",
    "matrix": "samebits.matrix",
    "portable-proof": "samebits.portable",
    "resume-proof": "samebits.resume_proof",
    "seeds": "samebits.several_seeds",
    "smoke": "samebits.smoke",
    "smoke-controls": "samebits.controls",
    "verify": "samebits.verify",
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own, each in a variable named `command`."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[name]).command
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="samebits")
def group() -> None:
    """Train it twice, get the same bits; when you don't, be told where and why."""


def run_command(command: Callable[..., Any], program: str, arguments: Sequence[str] | None = None) -> int:
    """Run a click command and turn whatever a user can cause into one line on stderr and an exit status.

    Returns:
        0; 1 when a check failed (and, from click, when nobody reads the output any more), 2 when the command
        was used wrongly, 130 when it was interrupted.
    """
    try:
        result = command(args=arguments, prog_name=program, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except SamebitsError as error:
        message, status = str(error), error.status
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except click.Abort:
        message, status = "interrupted", 130
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.ctx.get_help() if error.ctx else program, file=sys.stderr)
        return 2
    except click.UsageError as error:
        help = f"{program} --help" if error.ctx is None else f"{error.ctx.command_path} --help"
        message, status = f"{error.format_message().rstrip('.')}; see `{help}`", 2
    except click.ClickException as error:
        message, status = error.format_message(), 2
    except KeyboardInterrupt:
        message, status = "interrupted", 130
    print(f"samebits: {printable(' '.join(message.split()))}", file=sys.stderr)
    return status


def main() -> None:
    """The console script."""
    sys.exit(run_command(group, "samebits"))


if __name__ == "__main__":
    main()
