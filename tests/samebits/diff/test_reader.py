"""Records that are cut off, damaged, hostile, of other versions, or long: compared as far as they go."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.samebits.diff import made
from tests.samebits.diff.made import put, step

from samebits.diff import align, reader
from samebits.diff.command import command, compare
from samebits.diff.records import Result
from samebits.errors import UsageError
from samebits.process.program import run_command
from samebits.record.format import OF_A_RUN


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two equal records of eight steps, and the file of the second one's process."""
    first = made.training(8, every=3)
    made.write(tmp_path / "a", first)
    return tmp_path / "a", made.write(tmp_path / "b", made.another(first)) / "12.jsonl"


def diff(pair: tuple[Path, Path]) -> Result:
    return compare(pair[0], pair[1].parent)


@pytest.mark.parametrize("lost", [0, 1, 40])
def test_a_killed_process_is_compared_up_to_its_last_whole_line(pair: tuple[Path, Path], lost: int) -> None:
    text = pair[1].read_bytes()
    end = text.rindex(b'{"event":"end"')
    pair[1].write_bytes(text[: end - lost])
    result = diff(pair)
    assert result.place is None
    assert result.steps == 8 - (lost > 0)
    assert any("is cut off: compared up to there" in note for note in result.notes) == (lost > 0)
    assert any("B has no end: its process was killed" in note for note in result.notes)


def test_a_process_that_is_killed_before_it_evaluates_does_not_differ(pair: tuple[Path, Path]) -> None:
    text = pair[1].read_bytes()
    pair[1].write_bytes(text[: text.index(b'{"event":"evaluation","after":{"0":6}')])
    for result in (diff(pair), compare(pair[1].parent, pair[0])):
        assert (result.place, result.steps) == (None, 6)


def test_a_killed_process_that_differs_is_different(pair: tuple[Path, Path]) -> None:
    events = made.another(made.training(8, every=3))[:-1]
    step(events, 4)["parameters"] = put(step(events, 4)["parameters"], "0.bias")
    pair[1].write_text("".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events[:-3]))
    assert "step 4, parameter `0.bias`" in str(diff(pair).place)


def swap(old: str, new: str) -> Any:
    return lambda text: text.replace(old, new, 1)


HOSTILE = {
    "garbage": lambda text: text + "\x00\xff" * 100 + "\n",
    "nothing": lambda text: text.replace('{"event":"step","optimizer":0,"class":"SGD","step":5', "\n", 1),
    "a list": swap('{"event":"step","optimizer":0,"class":"SGD","step":5', '[]\n{"event":"step","step":'),
    "deep": swap('"losses":[[', '"losses":' + "[" * 100_000),
    "a long number": swap('"step":5', '"step":' + "9" * 10_000),
    "negative": swap('"step":5', '"step":-5'),
    "text for a table": swap('"generators":{"before"', '"generators":"x","x":{"before"'),
    "no names": swap('"names":{"parameters":0,"buffers":1,"state":2}', '"names":{"parameters":99}'),
    "odd digests": swap('"parameters":"', '"parameters":"zz'),
    "short names": swap('"shapes":[[8,4],', '"shapes":['),
    "a missing name": swap('"skipped":false,', ""),
    "a surrogate": swap('"class":"SGD"', '"class":"\\ud800"'),
    "an endless optimiser": swap('"after":{"0":', '"after":{"' + "9" * 5000 + '":'),
    "a terminal's words": swap('"model":"Net"', '"model":"\\u001b[2J"'),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_anybody_may_have_written_is_compared_as_far_as_it_goes(
    case: str, pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    text = HOSTILE[case](pair[1].read_text())
    assert text != pair[1].read_text()
    pair[1].write_text(text)
    for more in ((), ("--json",)):
        status = run_command(command, "samebits diff", [str(pair[0]), str(pair[1].parent), *more])
        said = capsys.readouterr()
        assert status in (0, 1, 2)
        assert "\x1b" not in said.out + said.err
        assert len(said.err.splitlines()) == (status == 2)


def test_a_generator_that_is_half_a_character_may_differ(tmp_path: Path) -> None:
    first = made.training(4)
    second = made.another(first)
    for who, events in enumerate((first, second)):
        for event in events:
            if event["event"] == "step":
                for states in event["generators"].values():
                    states["\ud800"] = made.digest(who)
    assert compare(made.write(tmp_path / "a", first), made.write(tmp_path / "b", second)).place is None


def test_a_resumption_is_found_whatever_the_optimiser_is_called(tmp_path: Path) -> None:
    whole = made.training(6)
    for event in whole:
        if event["event"] == "step":
            event["class"] = 'an "optimiser"'
    resumed = [event for event in made.another(whole) if event["event"] not in ("step", "end")]
    resumed[-1]["parameters"] = made.digests("weights", 4)
    resumed += [step(made.another(whole), number) | {"step": number - 4} for number in (5, 6)]
    result = compare(made.write(tmp_path / "a", whole), made.write(tmp_path / "b", resumed))
    assert (result.place, result.steps) == (None, 6)


def test_a_damaged_line_is_named(pair: tuple[Path, Path]) -> None:
    pair[1].write_text(swap('"skipped":false,', "")(pair[1].read_text()))
    with pytest.raises(UsageError, match=r"12.jsonl, line 9 is damaged \(step has no 'skipped'"):
        diff(pair)


@pytest.mark.parametrize("case", ["a line", "the first line", "the length"])
def test_what_is_damaged_is_never_the_same(
    case: str, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged, text = pair[1], pair[1].read_text()
    if case == "the first line":
        damaged = pair[1].with_name("13.jsonl")  # of another process
    elif case == "the length":
        monkeypatch.setattr(reader, "LONGEST", max(map(len, text.splitlines())) + 2)
        text += "x" * reader.LONGEST
    damaged.write_text(text.replace('"class":"SGD","step":5', '"step":5') if case == "a line" else text)
    if case == "the first line":
        damaged.write_text("{}\n")
    both = [str(pair[0]), str(pair[1].parent)]
    for words in (both, both[::-1], [*both, "--json"]):
        assert run_command(command, "samebits diff", words) == 2
        said = capsys.readouterr()
        assert not said.out
        (line,) = said.err.splitlines()
        assert "is damaged" in line


def test_what_follows_a_damaged_line_is_not_missing(pair: tuple[Path, Path]) -> None:
    """Such as an evaluation, which only the other one has then."""
    text = pair[1].read_text()
    at = text.index('{"event":"evaluation","after":{"0":6}')
    pair[1].write_text(f"{text[:at]}[]\n{text[at:]}")
    with pytest.raises(UsageError, match="is damaged"):
        diff(pair)


def test_a_difference_before_a_damaged_line_is_named(pair: tuple[Path, Path]) -> None:
    events = made.another(made.training(8, every=3))
    step(events, 4)["parameters"] = put(step(events, 4)["parameters"], "0.bias")
    text = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events)
    pair[1].write_text(text.replace('"class":"SGD","step":5', '"step":5'))
    assert run_command(command, "samebits diff", [str(pair[0]), str(pair[1].parent)]) == 1


def test_a_size_that_is_not_fixed_can_be_read(pair: tuple[Path, Path]) -> None:
    """As of jagged tensors."""
    for path in (pair[0] / "11.jsonl", pair[1]):
        path.write_text(path.read_text().replace('"shapes":[[8,4],', '"shapes":[[-1,4],'))
        assert "[-1,4]" in path.read_text()
    assert (diff(pair).place, diff(pair).steps) == (None, 8)


def test_what_cannot_be_compared_is_one_line(pair: tuple[Path, Path], tmp_path: Path) -> None:
    empty, silent, strange = tmp_path / "empty", tmp_path / "silent", tmp_path / "strange"
    for folder in (empty, silent, strange):
        folder.mkdir()
    (silent / "3.jsonl").write_text("")
    (strange / "3.jsonl").write_text("no JSON\n")
    idle = made.write(tmp_path / "idle", [each for each in made.training(0) if each["event"] != "initial"])
    newer = made.training(2)
    newer[0]["format"] = 99
    other = made.training(2)
    other[0]["digest"] = 99
    of_a_run = made.training(2)
    of_a_run[0]["level"] = OF_A_RUN
    run = tmp_path / "run"
    run.mkdir()
    (run / "manifest.json").write_text("{}")
    cases = {
        tmp_path / "nothing": "does not exist: give a folder that `samebits record` wrote",
        empty: "is not a record that can be read: no process has written there",
        silent: "is not a record that can be read: no process has written there",
        strange: "is damaged in its first line",
        idle: "has nothing to compare: no training was recorded",
        made.write(tmp_path / "newer", newer): "has format 99 with digests of version 1, this version",
        made.write(tmp_path / "other", other): "with digests of version 99, this version",
        run: "give two of one kind",
        made.write(tmp_path / "of-a-run", of_a_run): "by itself, .* give two of one kind",
    }
    for path, text in cases.items():
        with pytest.raises(UsageError, match=text):
            compare(pair[0], path)


def test_a_file_of_one_process_will_do(pair: tuple[Path, Path]) -> None:
    assert compare(pair[0] / "11.jsonl", pair[1]).place is None


def backwards(digests: str) -> str:
    return "".join(digests[at : at + 32] for at in range(len(digests) - 32, -1, -32))


def test_names_differ_by_line_and_not_the_tensors(pair: tuple[Path, Path]) -> None:
    """The same tensors in another order of the table are the same tensors."""
    events = made.another(made.training(8, every=3))
    events[4] |= {name: events[4][name][::-1] for name in ("names", "shapes")}
    for event in events:
        if event["event"] in ("initial", "step"):
            event["parameters"] = backwards(event["parameters"])
            event["gradients"] = {when: backwards(text) for when, text in event.get("gradients", {}).items()}
    pair[1].write_text("".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events))
    assert diff(pair).place is None


@pytest.mark.parametrize("seeded", [True, False])
def test_steps_from_another_line_of_code_are_not_even_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeded: bool
) -> None:
    """A line was added above the loop; and Python's generator may have had no seed."""
    first = made.training(60, every=2)
    second = made.another(first)
    for event in second:
        if event["event"] in ("step", "evaluation"):
            event["line"] = "train.py:99"
            event["moves"] = [["torch", made.digest("moved"), "a step", "train.py:99"]]
        for states in (event.get("generators", {}), *event.get("generators", {}).values()):
            if not seeded and isinstance(states, dict) and "python" in states:
                states["python"] = made.digest("another")
    step(second, 50)["lrs"] = [0.2]
    made.write(tmp_path / "a", first)
    parsed = []
    monkeypatch.setattr(align, "parse_event", lambda line: parsed.append(line) or reader.parse_event(line))
    result = compare(tmp_path / "a", made.write(tmp_path / "b", second))
    assert result.place is not None
    assert (result.place.what, result.place.step, result.steps) == ("learning rate", 50, 49)
    assert result.last == "step 49"
    assert len(parsed) < 40, len(parsed)


LIMITED = """
import resource, sys, time
from pathlib import Path
from samebits.diff.command import compare
for other in sys.argv[2:]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    result = compare(Path(sys.argv[1]), Path(other))
    spent = time.process_time() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    step = result.place and result.place.step
    print(result.place is None, result.steps, step, round(spent, 2), grown // 1024)
"""


def long_record(path: Path, steps: int, change: int = 0) -> Path:
    events = made.training(1)
    path.mkdir()
    with open(path / "11.jsonl", "w") as file:
        for event in events[:-2]:
            file.write(json.dumps(event, separators=(",", ":")) + "\n")
        head, tail = json.dumps(events[-2], separators=(",", ":")).split('"step":1,')
        other = tail.replace('"lrs":[0.1]', '"lrs":[0.2]')
        for number in range(1, steps + 1):
            file.write(f'{head}"step":{number},{other if number == change else tail}\n')
        file.write(json.dumps({"event": "end", "steps": steps, "exception": None}) + "\n")
    return path


@pytest.mark.parametrize("steps", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_long_record_is_read_quickly_and_in_bounded_memory(steps: int, tmp_path: Path) -> None:
    paths = long_record(tmp_path / "a", steps), long_record(tmp_path / "b", steps)
    last = long_record(tmp_path / "c", steps, change=steps)
    words = [sys.executable, "-c", LIMITED, *map(str, (*paths, last))]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    print(done.stdout)
    shown = f"True {steps} None", f"False {steps - 1} {steps}"
    for line, wanted in zip(done.stdout.splitlines(), shown, strict=True):
        *verdict, seconds, megabytes = line.split()
        assert " ".join(verdict) == wanted
        assert float(seconds) <= 5
        assert int(megabytes) <= 50
