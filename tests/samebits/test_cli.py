"""The command line: one clear line for a mistake, the right status, never a traceback."""

import errno
import os
import re
import subprocess

import pytest
from tests.conftest import ROOT, one_line

from samebits import cli
from samebits.cli import COMMANDS, SUMMARIES


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["samebits", "smok"], "No such command 'smok'. Did you mean 'smoke'? See `"),
        (["samebits", "resume-prof"], "'resume-prof'. Did you mean 'resume-proof'? See `"),
        (["samebits", "fingerprint", "dif"], "No such command 'dif'"),
        (["samebits", "zzz"], "No such command 'zzz'; see `"),
        (["samebits", "examples/digits.py"], "entrypoint python examples/digits.py` runs a script; see `"),
        (["samebits", "smoke"], "Missing argument 'COMMAND...'"),
        (["samebits", "smoke", "--runs", "1", "true"], "1 is not in the range x>=2"),
        (["samebits", "exec"], "Missing argument 'CMD [ARG]...'"),
        (["samebits", "golden", "nowhere"], "nowhere is not a finished run"),
        (["samebits", "doctor", "--hots"], "No such option '--hots'. Did you mean '--host'? See `"),
        (["samebits", "lint", "a" * 300], "a cannot be looked at: File name too long"),
        (["samebits", "verify", "a" * 300], "a is not a finished run"),
        (["samebits", "smoke-controls", "nomodule"], "there is no module nomodule"),
        (["samebits", "lock", "--chekc"], "No such option"),
        (["python", "tools/proof.py", "everything"], "'everything' is not one of"),
    ],
)
def test_a_mistake_is_one_line(start, command, said):
    done = start(*command)
    assert done.returncode == 2, done.stderr
    assert said in one_line(done.stderr)


def test_a_path_cannot_command_the_terminal(monkeypatch, capsys):
    def run_command(*_):
        raise OSError(errno.EACCES, "Permission denied", "a\x1b[2Jb")

    monkeypatch.setattr(cli, "run_command", run_command)
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err == "samebits: a\\x1b[2Jb cannot be looked at: Permission denied\n"


def test_no_command_shows_the_help(start):
    done = start("samebits")
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: samebits [OPTIONS] COMMAND")


def test_the_help_names_every_command_in_whole_lines(start):
    """In 80 columns, and nothing is cut."""
    done = start("samebits", "--help", COLUMNS="80")
    commands = done.stdout.partition("Commands:")[2]
    listed = dict(re.findall(r"^  ([a-z-]+)  +(\S.*)$", commands, re.MULTILINE))
    assert listed == {name: SUMMARIES[name] for name in COMMANDS}
    assert len(commands.strip().splitlines()) == len(COMMANDS)
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_of_a_commands_help_is_cut(start, name):
    """A summary that is too long for 80 columns ends in `...`; that of a usage line is its own."""
    done = start("samebits", name, "--help", COLUMNS="80")
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if line.endswith("...") and "sage:" not in line] == []


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (["./entrypoint", "train", "--epohcs", "3"], "./entrypoint train --help"),
        (["./entrypoint", "samebits", "smoke", "--nope"], "./entrypoint samebits smoke --help"),
        (["./entrypoint", "samebits", "smok"], "./entrypoint samebits --help"),
        (["./entrypoint", "samebits", "lock", "--nope"], "./entrypoint samebits lock --help"),
        (["./entrypoint", "python", "tools/proof.py", "--nope"], "./entrypoint python tools/proof.py --help"),
        (["./entrypoint", "python", "-m", "samebits.proof.stress", "--nope"],
         "./entrypoint python -m samebits.proof.stress --help"),
        ([".venv/bin/python", "-m", "samebits", "doctor", "--nope"], "./entrypoint samebits doctor --help"),
        (["./entrypoint", "samebits", "lint", "--select", "SB999", "src/starter"],
         "./entrypoint samebits lint --list"),
        ([".venv/bin/samebits", "lint", "--nope"], "./entrypoint samebits lint --help"),
    ],
)  # fmt: skip
def test_a_hint_runs_as_it_is_printed(command, hint):
    """From the project's folder, in a shell whose PATH does not have samebits."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/tmp")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"`{hint}`" in one_line(done.stderr)
    again = subprocess.run(hint, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (again.returncode, again.stderr) == (0, "")


def test_a_hint_is_short_where_the_environment_is_activated():
    environment = {"PATH": f"{ROOT}/.venv/bin:/usr/bin:/bin", "HOME": "/tmp"}
    done = subprocess.run(
        ["samebits", "doctor", "--nope"], cwd="/", env=environment, capture_output=True, text=True
    )
    assert "see `samebits doctor --help`" in one_line(done.stderr)


def test_a_hint_finds_the_project_from_elsewhere():
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/tmp"}
    command = [f"{ROOT}/entrypoint", "train", "--nope"]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True)
    assert f"see `{ROOT}/entrypoint train --help`" in one_line(done.stderr)


def test_the_words_help_is_the_commands(start):
    done = start("smoke", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: samebits smoke")


def test_a_reader_that_has_seen_enough_ends_it_quietly():
    done = subprocess.run(
        "./entrypoint samebits doctor | true; echo ${PIPESTATUS[0]}",
        shell=True,
        executable="/bin/bash",
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_doctor_works_where_nothing_is_installed():
    done = subprocess.run(
        ["/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "python3", "-S", "tools/image.py", "doctor"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "nvidia-container-toolkit: " in done.stdout, done.stderr
    assert done.returncode == int("wrong: " in done.stdout)
