"""How a program of samebits ends: what a user can cause is one line and a status."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from samebits import _extras
from samebits._printable import printable
from samebits.errors import SamebitsError
from samebits.process.command_line import hint


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
        path = program if error.ctx is None else error.ctx.command_path
        said = error.format_message().rstrip(".")
        message, status = f"{said}{' See' if said.endswith('?') else '; see'} `{_help(path)}`", 2
    except click.ClickException as error:
        message, status = error.format_message(), 2
    except KeyboardInterrupt:
        message, status = "interrupted", 130
    except ModuleNotFoundError as error:
        message, status = _extras.explain(error) or "", 2
        if not message:
            raise
    print(f"samebits: {printable(' '.join(message.split()))}", file=sys.stderr)
    return status


def _help(program: str) -> str:
    """How a user asks for a command's help, from where they are."""
    words = program.split()
    if words[0].startswith("tools/"):
        words.insert(0, "python")
    return hint(*words, "--help")
