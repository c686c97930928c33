"""The command line: one clear line for a mistake, the right status, never a traceback."""

import subprocess

import pytest
from tests.conftest import ROOT, one_line


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["samebits", "smok"], "No such command 'smok'"),
        (["samebits", "smoke"], "Missing argument 'COMMAND...'"),
        (["samebits", "smoke", "--runs", "1", "true"], "1 is not in the range x>=2"),
        (["samebits", "exec"], "Missing argument 'CMD [ARG]...'"),
        (["samebits", "golden", "nowhere"], "nowhere is not a finished run"),
        (["samebits", "doctor", "--hots"], "No such option"),
        (["samebits", "lint", "a" * 300], "a cannot be looked at: File name too long"),
        (["samebits", "verify", "a" * 300], "a is not a finished run"),
        (["samebits", "smoke-controls", "nomodule"], "there is no module nomodule"),
        (["python", "tools/lock.py", "--chekc"], "No such option"),
        (["python", "tools/proof.py", "everything"], "'everything' is not one of"),
    ],
)
def test_a_mistake_is_one_line(start, command, said):
    done = start(*command)
    assert done.returncode == 2, done.stderr
    assert said in one_line(done.stderr)


def test_no_command_shows_the_help(start):
    done = start("samebits")
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: samebits [OPTIONS] COMMAND")


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
