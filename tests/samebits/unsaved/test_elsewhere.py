"""Threads and processes that the script started are named: what they remember is out of reach."""

import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from samebits.unsaved.elsewhere import beside

HERE = "tests/samebits/unsaved/test_elsewhere.py"
SLEEP = [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"]


def wait(event: Any) -> None:
    event.wait(60)


def named() -> dict[str, tuple[str, str]]:
    return {row["name"]: (row["kind"], row["where"].rpartition(":")[0]) for row in beside()}


@pytest.fixture
def event() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_thread_of_the_users_is_named_while_it_runs(event: threading.Event) -> None:
    before = named()
    ours = threading.Thread(target=wait, args=(event,), name="refresher")
    theirs = threading.Thread(target=event.wait, args=(60,), name="a library's")
    ours.start()
    theirs.start()
    assert named() == {**before, "refresher": ("thread", HERE)}
    event.set()
    ours.join()
    theirs.join()
    assert named() == before


def test_what_a_pool_runs_for_the_user_is_named(event: threading.Event) -> None:
    before = named()
    with ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
        began = threading.Event()
        pool.submit(lambda: (began.set(), wait(event)))
        assert began.wait(60)
        assert named() == {**before, "pool_0": ("thread", HERE)}
        event.set()


def test_a_thread_in_which_a_library_calls_the_user_is_the_librarys(event: threading.Event) -> None:
    """Such as a loader's, which reads the user's data set."""
    library: dict[str, Callable[[Any], None]] = {}
    path = f"{pytest.__file__.rpartition('/')[0]}/loader.py"  # lies among the installed packages
    exec(compile("def read(function, event): function(event)", path, "exec"), library)
    before = named()
    thread = threading.Thread(target=library["read"], args=(wait, event))
    thread.start()
    assert named() == before
    event.set()
    thread.join()


class Workers:
    """Stands for a library's, such as a DataLoader's."""

    def __init__(self, *workers: Any) -> None:
        self.workers = workers
        for worker in workers:
            worker.start()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_of_the_users_is_named_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    before = named()
    context = multiprocessing.get_context("fork")
    event = context.Event()
    monkeypatch.setattr(Workers, "__module__", "torch.utils.data")
    library = Workers(context.Process(target=wait, args=(event,), name="a data worker"))
    ours = [context.Process(target=wait, args=(event,), name="actor")]
    ours[0].start()
    context.Process(target=wait, args=(event,), name="forgotten").start()
    try:
        assert named() == {**before, "actor": ("process", ""), "forgotten": ("process", "")}
    finally:
        event.set()
        for child in multiprocessing.active_children():
            child.join()
    assert library.workers[0].exitcode == 0
    assert named() == before


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_processes_of_a_pool_of_the_users_are_named() -> None:
    before = named()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert set(named().values()) - set(before.values()) == {("process", "")}
        assert len(named()) == len(before) + 2, pool


class Simulator:
    def __init__(self) -> None:
        self.servers = [subprocess.Popen(SLEEP, stdin=subprocess.PIPE)]


def test_a_command_is_named_while_it_runs() -> None:
    """Whether a variable has it, or an object."""
    before = named()
    with ExitStack() as stack:
        simulator = Simulator()
        server = subprocess.Popen([*SLEEP, "other"], stdin=subprocess.PIPE)
        ended = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
        children = [*simulator.servers, server]
        for child in (*children, ended):
            stack.enter_context(child)
        ended.wait()
        words = [" ".join(child.args)[:60] for child in children]
        assert set(named()) == {*before, *(f"{text}…" if len(text) == 60 else text for text in words)}
        assert {named()[name] for name in set(named()) - set(before)} == {("process", "")}
        for child in children:
            child.terminate()
            child.wait()
        assert named() == before
