"""The command `samebits`. Sub-commands are imported when they are called, so that `--help` stays fast."""

import importlib
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from samebits import __version__, extras
from samebits.errors import SamebitsError

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
# Started from a plain shell, these go through entrypoint first: `samebits smoke python train.py`.
THROUGH_ENTRYPOINT = ("fingerprint", "resume-proof", "seeds", "smoke")


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
    except ModuleNotFoundError as error:
        message, status = extras.explain(error) or "", 2
        if not message:
            raise
    print(f"samebits: {' '.join(message.split())}", file=sys.stderr)
    return status


def put_own_python_first() -> None:
    """Make `python` mean the one that runs this, when samebits was called by its path: no one else has it.

    Not where another environment is activated: there, `python` is its user's choice.
    """
    own, activated = (
        os.path.dirname(sys.executable),
        os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX"),
    )
    there = os.access(os.path.join(own, "python"), os.X_OK)
    if there and activated in (None, sys.prefix) and os.path.dirname(shutil.which("python") or "") != own:
        os.environ["PATH"] = own + os.pathsep + os.environ.get("PATH", os.defpath)


def main() -> None:
    """The console script."""
    put_own_python_first()
    if sys.argv[1:2] and sys.argv[1] in THROUGH_ENTRYPOINT and "SAMEBITS_ENTRYPOINT" not in os.environ:
        from samebits import process

        again = [sys.executable, *sys.orig_argv[1:]]
        sys.exit(run_command(lambda **_: process.become(again), "samebits"))
    sys.exit(run_command(group, "samebits"))


if __name__ == "__main__":
    main()
