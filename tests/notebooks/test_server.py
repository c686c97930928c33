"""`make notebook`: a real server, in the home of a user whose settings would undo what it promises."""

import fcntl
import json
import os
import pty
import re
import signal
import socket
import subprocess
import termios
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import websocket
from tests.conftest import ROOT, one_line

OPEN_TO_ALL = """
c.ServerApp.ip = "0.0.0.0"
c.IdentityProvider.token = ""
c.PasswordIdentityProvider.hashed_password = ""
c.ServerApp.allow_unauthenticated_access = True
"""
STRAY = '{"argv": ["/bin/false"], "display_name": "stray", "language": "python"}'


@dataclass
class Server:
    """A running `make notebook`."""

    make: subprocess.Popen[str]
    port: int
    token: str
    temporary: Path

    def ask(self, path: str, token: str | None = None, method: str = "GET") -> Any:
        """The JSON that the server answers, or its status when it refuses."""
        headers = {"Authorization": f"token {token}"} if token else {}
        address = f"http://127.0.0.1:{self.port}{path}"
        try:
            request = urllib.request.Request(address, headers=headers, method=method)
            with NoRedirect.open(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.headers.get("Location", "")

    def execute(self, code: str, wait_for: str = "idle") -> str:
        """What code printed in a new kernel when it is idle again, or has printed `wait_for`."""
        kernel = self.ask("/api/kernels", self.token, "POST")["id"]
        channel = websocket.create_connection(
            f"ws://127.0.0.1:{self.port}/api/kernels/{kernel}/channels",
            header=[f"Authorization: token {self.token}"],
            timeout=60,
        )
        content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}}
        header = {
            "msg_id": "asked",
            "msg_type": "execute_request",
            "username": "",
            "session": "",
            "version": "5",
        }
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        channel.send(json.dumps(message | {"channel": "shell"}))
        printed = ""
        while True:
            answer = json.loads(channel.recv())
            if answer["parent_header"].get("msg_id") != "asked":
                continue
            printed += answer["content"].get("text", "")
            assert answer["msg_type"] != "error", answer["content"]
            state = answer["content"].get("execution_state")
            if wait_for in (state, printed.strip()):
                channel.close()
                return printed

    def processes(self) -> list[psutil.Process]:
        """make, the server, the kernels and what they started."""
        return [(own := psutil.Process(self.make.pid)), *own.children(recursive=True)]


class Unmoved(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        return None


NoRedirect = urllib.request.build_opener(urllib.request.ProxyHandler({}), Unmoved)


def start_server(home: Path, terminal: int = subprocess.DEVNULL) -> Server:
    """Start `make notebook` as a terminal does, in its own process group; wait until it says where it is."""
    for name, content in {
        ".jupyter/jupyter_server_config.py": OPEN_TO_ALL,
        ".jupyter/jupyter_lab_config.py": OPEN_TO_ALL,
        ".local/share/jupyter/kernels/python3/kernel.json": STRAY,
        ".local/share/jupyter/kernels/other/kernel.json": STRAY,
        ".ipython/profile_default/startup/first.py": "hostile = True",
    }.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content)
    temporary = home / "temporary"
    temporary.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "TMPDIR": str(temporary),
        "JUPYTER_TOKEN": "known-to-all",
        "JUPYTER_CONFIG_DIR": str(home / ".jupyter"),
        "JUPYTER_PATH": str(home / ".local" / "share" / "jupyter"),
        "JUPYTER_GATEWAY_URL": "http://127.0.0.1:9",
        "DISPLAY": "",
    }
    # As from a shell: what this test's own entrypoint exported must come from the server's.
    for name in ("SAMEBITS_ENTRYPOINT", "SAMEBITS_CACHE", "IPYTHONDIR", "PYTHONHASHSEED", "OMP_NUM_THREADS"):
        environment.pop(name, None)
    log = home / "log"
    with open(log, "w") as file:
        make = subprocess.Popen(
            ["make", "notebook", f"PORT={port}"],
            cwd=ROOT,
            env=environment,
            stdin=terminal,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=None if terminal == subprocess.DEVNULL else take_terminal,
        )
    server = Server(make, port, "", temporary)
    try:
        server.token = wait_for_token(make, port, log)
    except BaseException:
        end(server)
        raise
    return server


def wait_for_token(make: subprocess.Popen[str], port: int, log: Path) -> str:
    deadline = time.monotonic() + 120
    said = None
    while said is None or not answers(port):  # it says where it is a moment before it listens
        said = re.search(rf"http://127\.0\.0\.1:{port}/\S*\?token=(\S+)", log.read_text())
        assert make.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    return said[1]


def take_terminal() -> None:
    """Make standard input the terminal whose Ctrl-C this process group gets."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def end(server: Server) -> None:
    for process in server.processes() if server.make.poll() is None else []:
        process.kill()
    server.make.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("home"))
    yield server
    end(server)


def test_it_listens_on_loopback_only(server):
    listening = {
        connection.laddr
        for process in server.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert ("127.0.0.1", server.port) in listening
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_nobody_comes_in_without_the_token(server):
    assert server.ask("/api/kernels")[0] == 403
    assert server.ask("/api/kernels", "known-to-all")[0] == 403
    assert server.ask("/api/kernels", method="POST")[0] == 403
    status, where = server.ask("/lab")
    assert status == 302
    assert where.startswith("/login")


def test_the_token_is_fresh(server):
    assert re.fullmatch("[0-9a-f]{48}", server.token)


def test_the_users_own_kernels_are_not_offered(server):
    offered = server.ask("/api/kernelspecs", server.token)["kernelspecs"]
    assert list(offered) == ["python3"]
    assert offered["python3"]["spec"]["display_name"] != "stray"


def test_a_kernel_has_the_environment_and_the_interpreter(server):
    code = """
        import json, os, sys, samebits.process.check
        faults = [fault.line for fault in samebits.process.check.faults()]
        print(json.dumps([sys.executable, os.environ["PYTHONHASHSEED"], faults, "hostile" in globals()]))
    """
    interpreter, hash_seed, faults, hostile = json.loads(server.execute(code))
    assert Path(interpreter).parent == ROOT / ".venv" / "bin"
    assert hash_seed == "0"
    assert faults == []
    assert not hostile


def test_it_says_what_of_the_users_it_does_not_read(server):
    log = (server.temporary.parent / "log").read_text()
    (said,) = re.findall(r"^samebits: `make notebook` reads none of (.*)", log, re.MULTILINE)
    assert "JUPYTER_TOKEN" in said
    assert "~/.jupyter/jupyter_server_config.py" in said
    assert "~/.ipython/profile_default/startup/first.py" in said


def test_a_taken_port_is_one_line(server):
    command = ["make", "--no-print-directory", "notebook", f"PORT={server.port}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    ours = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("make"))
    assert f"cannot listen on 127.0.0.1:{server.port}" in one_line(ours)


def test_a_wrong_port_is_one_line(start):
    done = start("python", ROOT / "tools" / "notebooks.py", "lab", "--port", "70000")
    assert done.returncode == 2
    assert "70000" in one_line(done.stderr)


@pytest.mark.parametrize("by", ["SIGTERM to make", "SIGINT to all", "Ctrl-C"])
def test_it_ends_with_its_kernels(tmp_path, by):
    ours, terminal = pty.openpty()
    server = start_server(tmp_path, terminal if by == "Ctrl-C" else subprocess.DEVNULL)
    try:
        # A kernel in the middle of a cell, with a process of its own below it, like a data worker.
        code = "import subprocess, time; subprocess.Popen(['sleep', '600']); print('busy'); time.sleep(600)"
        server.execute(code, wait_for="busy")
        processes = server.processes()
        assert {"make", "sleep"} <= {process.name() for process in processes}
        if by == "Ctrl-C":
            os.write(ours, b"\x03")
        elif by == "SIGINT to all":
            os.killpg(server.make.pid, signal.SIGINT)
        else:
            server.make.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(processes, timeout=60)
        for process in alive:
            process.kill()
        assert alive == []
        assert list(server.temporary.iterdir()) == []
    finally:
        end(server)
        os.close(ours)
        os.close(terminal)
