"""`samebits lock` in a project with environment.yml, two locks, a wheel of its own and no folder locks/."""

import hashlib
import json
import re
import socket
import subprocess
import threading
import time

from tests.conftest import one_line
from tests.packages import make_wheel
from tests.samebits.lock.conftest import INTERPRETER, Project

from samebits.lock.uv import BOOTSTRAP

OURS = "./vendor/ours-1.0-py3-none-any.whl"


def test_its_own_wheel_is_the_first_row_and_brings_its_dependencies(thin: Project) -> None:
    assert thin.rows() == [OURS, "loner==1.5", "tiny==1.0"]
    digest = hashlib.sha256((thin.folder / OURS).read_bytes()).hexdigest()
    assert f"\n{OURS} --hash=sha256:{digest}\n" in thin.text("requirements.lock")
    assert "://" not in thin.text("requirements.lock")
    done = thin.run("lock", "--check")
    assert (done.returncode, done.stdout) == (0, "conda-lock.yml, requirements.lock: up to date\n")
    before = thin.files()
    done = thin.run("lock")
    assert done.stdout == "requirements.lock: no packages to change\nrequirements.lock: unchanged\n"
    assert thin.files() == before


def test_a_changed_request_and_a_changed_wheel(thin: Project) -> None:
    thin.edit("- tiny==1.0 ", "- tiny==2.0 ")
    done = thin.run("lock", "--check")
    assert done.returncode == 1
    assert one_line(done.stderr) == (
        "samebits: requirements.lock does not answer what environment.yml asks for; run `make lock`"
    )
    make_wheel(thin.folder / "vendor", "ours", "1.0", ["loner<1"])  # built again, under the same name
    thin.edit("- tiny==2.0 ", "- more==2.0\n      - tiny==2.0 ")
    assert "no solution" in one_line(thin.run("lock").stderr).lower()
    make_wheel(thin.folder / "vendor", "ours", "1.0", ["loner<1.5"])
    assert thin.run("lock").returncode == 0
    assert thin.rows() == [OURS, "loner==1.0", "more==2.0", "tiny==2.0"]
    (thin.folder / OURS).unlink()
    done = thin.run("lock")
    assert (done.returncode, "there is no file ./vendor/ours" in one_line(done.stderr)) == (2, True)


def test_an_older_lock_is_said_when_the_environment_is_made(thin: Project) -> None:
    words = [INTERPRETER, "-PSB", "-m", "samebits.bootstrap.locks_whole"]

    def said() -> str:
        environment = {"PYTHONPATH": str(BOOTSTRAP.parents[1])}
        return subprocess.run(words, cwd=thin.folder, env=environment, capture_output=True, text=True).stderr

    assert said() == ""
    thin.edit("- tiny==1.0 ", "- loner==1.0\n      - tiny==1.0 ")
    assert one_line(said()) == (
        "samebits: environment.yml is newer than requirements.lock: run `make lock`, then `make env`"
    )


# ---------------------------------------------------------------- another index


def test_another_index_has_other_builds(thin: Project) -> None:
    """Of what it has newer, its own; the rest stays. The lock says where the wheels are from."""
    thin.edit("- ./vendor/ours-1.0-py3-none-any.whl\n", "- loner==1.5\n")
    assert thin.run("lock").returncode == 0
    assert thin.rows() == ["loner==1.5", "tiny==1.0"]
    shown = thin.run("lock", "--index", thin.other, "--dry-run")
    assert "  tiny  1.0 -> 1.0+cpu\n" in shown.stdout
    assert thin.run("lock", "--index", thin.other).returncode == 0
    named = f"--extra-index-url {thin.other}"
    assert thin.rows() == [named, "loner==1.5", "tiny==1.0+cpu"]
    # It is asked again without being named again, until somebody says otherwise.
    before = thin.files()
    assert thin.run("lock").returncode == 0
    assert thin.files() == before
    assert thin.run("lock", "--check").returncode == 0
    assert thin.run("lock", "--index", "default").returncode == 0
    assert thin.rows() == ["loner==1.5", "tiny==1.0"]


def test_an_environment_is_made_of_both_indexes(thin: Project) -> None:
    """By `make env`, which reads in the lock where its wheels are."""
    assert thin.run("lock", "--index", thin.other).returncode == 0
    thin.make_environment()
    assert thin.python("import tiny; print(tiny.VERSION)") == "1.0+cpu\n"


def test_a_password_is_used_and_not_written(thin: Project) -> None:
    address = thin.other.replace("//", "//me:secret@")
    assert thin.run("lock", "--index", address).returncode == 0
    assert f"--extra-index-url {thin.other}\n" in thin.text("requirements.lock")
    assert "tiny==1.0+cpu" in thin.rows()
    done = thin.run("lock", "--index", "http://me:secret@127.0.0.1:9/simple")
    assert done.returncode == 1
    assert "asked was http://127.0.0.1:9/simple and http" in one_line(done.stderr)
    assert "secret" not in done.stderr


def test_what_is_no_index_is_one_line(thin: Project) -> None:
    before = thin.files()
    done = thin.run("lock", "--index", "cpu")
    assert (done.returncode, "--index cpu: expected the address" in one_line(done.stderr)) == (2, True)
    assert thin.files() == before


# ---------------------------------------------------------------- the conda half


def test_a_silent_channel_is_said_at_once(thin: Project) -> None:
    """Before any solver is started; and what is under `pip:` needs no channel."""
    before = thin.text("conda-lock.yml")
    thin.edit("- conda-forge", "- http://127.0.0.1:9/conda-forge")
    thin.edit("- tiny==1.0 ", "- tiny==2.0 ")
    began = time.monotonic()
    done = thin.run("lock")
    assert time.monotonic() - began < 10
    assert done.returncode == 1
    line = one_line(done.stderr)
    assert "127.0.0.1:9 does not answer" in line
    assert "`./entrypoint samebits lock --conda PATH`" in line
    assert "`channels:`" in line
    assert (thin.text("conda-lock.yml"), "tiny==1.0" in thin.rows()) == (before, True)
    assert not (thin.folder / ".venv-conda-lock").exists()


def test_a_channel_that_answers_is_asked(thin: Project) -> None:
    """Whatever it answers: conda-lock comes next, from the lock that is part of samebits."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            requests.append(connection.recv(1000))
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        port = listening.getsockname()[1]
        thin.edit("- conda-forge", f"- http://127.0.0.1:{port}/conda-forge")
        done = thin.run("lock")
    assert requests[0].startswith(b"HEAD /conda-forge/linux-64/repodata.json.zst ")
    # It is what is missing, as this test's index does not have it: the channel was no reason.
    assert re.search(r"\.venv-conda-lock: conda-lock cannot be installed", one_line(done.stderr))


def test_json(thin: Project) -> None:
    thin.edit("- tiny==1.0 ", "- tiny==2.0 ")
    done = thin.run("lock", "--dry-run", "--json")
    change = {"name": "tiny", "old": "1.0", "new": "2.0"}
    assert json.loads(done.stdout) == {"locks": {"requirements.lock": [change]}, "decides_bits": []}
