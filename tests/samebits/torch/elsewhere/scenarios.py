"""Runs of a training script: uninterrupted, stopped here and there, told to stop, evaluated otherwise."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.conftest import Started, one_line

HERE = Path(__file__).parent
# The steps that are counted when the second epoch is evaluated after its last step.
EVALUATED = {"lightning": 25, "huggingface": 13, "accelerate": 26}
Said = dict[str, list[tuple[int, str]]]  # by the run's name: each process's exit status and our lines


def play(
    start: Callable[..., Started], folder: Path, library: str, middle: int, end: int, refused: Iterable[str]
) -> Said:
    """Each scenario in a process of its own, one after the other.

    Args:
        library: the end of the scripts' names.
        middle: a step within the first epoch, at which to stop.
        end: the last step of the first or second epoch.
        refused: what is wrong, for the script of what cannot be held.
    """

    def scenario(
        name: str, *arguments: str, stop: int | None = None, script: str = "train"
    ) -> dict[str, Any]:
        variables = {} if stop is None else {"SAMEBITS_STOP_AT": str(stop)}
        return {"script": f"{script}_{library}", "name": name, "arguments": arguments, "variables": variables}

    scenarios = [
        scenario("reference"),
        scenario("stopped", stop=0),
        scenario("stopped", stop=middle),
        scenario("stopped", stop=end),
        scenario("stopped", stop=end + 3),
        scenario("stopped"),
        scenario("killed", "--kill-at=6"),
        scenario("killed"),
        scenario("died", f"--die-at=after step {EVALUATED[library]}"),
        scenario("died", "--die-at=finish"),
        scenario("died"),
        scenario("often", "--checkpoint-every=3", stop=end - 1),
        scenario("often", "--checkpoint-every=3"),
        scenario("seldom", "--evaluate-every=3"),
        *(scenario(f"refused-{what}", f"--what={what}", script="refuse") for what in refused),
    ]
    done = start("python", HERE / "forked.py", json.dumps(scenarios), cwd=folder)
    assert done.returncode == 0, done.stderr
    said: Said = {}
    for line in done.stdout.splitlines():
        if line.startswith('["'):  # libraries print, too
            name, status, text = json.loads(line)
            said.setdefault(name, []).append((status, text))
    return said


def same(folder: Path, first: str, second: str, name: str = "weights.safetensors") -> bool:
    return (folder / first / name).read_bytes() == (folder / second / name).read_bytes()


def check_resumed(said: Said, folder: Path, middle: int, end: int) -> None:
    """Interrupted, told to stop and evaluated otherwise: the same bits."""
    assert [status for status, _ in said["stopped"]] == [75, 75, 75, 75, 0]
    assert said["stopped"][1][1].endswith(f"saved after step {middle}; run the same command again to resume")
    assert said["stopped"][3][1].startswith(f"resumes after step {end}, after epoch ")
    assert [status for status, _ in said["killed"]] == [75, 0]
    assert one_line(said["killed"][0][1]).startswith("samebits: SIGTERM: saved after step ")
    assert [status for status, _ in said["often"]] == [75, 0]
    [(status, text)] = said["died"]  # the two that were killed said nothing more
    assert status == 0, text
    assert text.startswith("resumes after step "), text
    for name in ("stopped", "killed", "died", "often"):
        assert same(folder, "reference", name), name
        assert same(folder, "reference", name, "metrics.jsonl"), name
    assert same(folder, "reference", "seldom")  # evaluating changes no weights
    lines = [json.loads(line) for line in (folder / "reference/metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]


def check_refused(said: Said, refused: Mapping[str, str]) -> None:
    """Each in one line that has these words."""
    for what, words in refused.items():
        [(status, text)] = said[f"refused-{what}"]
        assert status == 2, text
        assert words in one_line(text), text
