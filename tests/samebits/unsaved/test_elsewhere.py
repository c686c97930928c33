"""Threads of the user's that run beside a training are named: their state is out of reach."""

import threading

from samebits.unsaved.elsewhere import beside


def wait(event: threading.Event) -> None:
    event.wait(60)


def named() -> dict[str, tuple[str, str]]:
    return {one["name"]: (one["kind"], one["where"].rpartition(":")[0]) for one in beside()}


def test_a_thread_of_the_users_is_named_while_it_runs() -> None:
    here, before = "tests/samebits/unsaved/test_elsewhere.py", named()
    event = threading.Event()
    ours = threading.Thread(target=wait, args=(event,), name="refresher")
    theirs = threading.Thread(target=event.wait, args=(60,), name="a library's")
    ours.start()
    theirs.start()
    try:
        assert named() == {**before, "refresher": ("thread", here)}
    finally:
        event.set()
        ours.join()
        theirs.join()
    assert named() == before
