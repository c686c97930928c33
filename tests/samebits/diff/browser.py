"""A real browser without a window, spoken to through two pipes: no server, no library, no network.

The protocol: https://chromedevtools.github.io/devtools-protocol/, messages as JSON with a NUL behind each.
"""

import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60  # seconds


def program() -> str | None:
    """The browser of this machine."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Browser:
    """One window, 1240 by 1000 pixels.

    Args:
        folder: for its profile.

    Attributes:
        events: what it told since the last `open`.
    """

    def __init__(self, folder: Path) -> None:
        path = program()
        assert path is not None
        reads, self._to = _high(*os.pipe())
        self._from, writes = _high(*os.pipe())
        words = [path, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        words += [f"--user-data-dir={folder}", "--window-size=1240,1000", "--no-first-run"]
        script = f'exec "$0" "$@" 3<&{reads} 4>&{writes}'  # dash has numbers up to 9 only
        self._process = subprocess.Popen(
            ["bash", "-c", script, *words],
            pass_fds=(reads, writes),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)
        self._numbers, self._rest, self.events = itertools.count(1), b"", list[dict[str, Any]]()
        self._session = ""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for name in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{name}.enable")

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(PATIENCE)
        os.close(self._to)
        os.close(self._from)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            assert select.select([self._from], [], [], max(0, end - time.monotonic()))[0], (
                "it does not answer"
            )
            part = os.read(self._from, 1 << 16)
            assert part, "it has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, page: Path) -> None:
        """Show a file."""
        self.events.clear()
        self.ask("Page.navigate", url=page.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())

    def value(self, script: str) -> Any:
        """What an expression of JavaScript gives."""
        result = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def point(self, x: float, y: float) -> None:
        """Move the pointer."""
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key: str) -> None:
        """Press a key."""
        for what in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=what, key=key)

    def asked_for(self) -> list[str]:
        """The addresses that the page has asked for."""
        sent = (event for event in self.events if event.get("method") == "Network.requestWillBeSent")
        return [event["params"]["request"]["url"] for event in sent]

    def complaints(self) -> list[str]:
        """What stands in the console: errors, warnings, messages."""
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [json.dumps(event["params"]) for event in self.events if event.get("method") in kinds]


def _high(*pipes: int) -> list[int]:
    """The same pipes under numbers that are not 3 or 4."""
    copies = [fcntl.fcntl(pipe, fcntl.F_DUPFD_CLOEXEC, 10) for pipe in pipes]
    for pipe in pipes:
        os.close(pipe)
    return copies
