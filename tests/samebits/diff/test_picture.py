"""The picture of two records: opened in a real browser, and what it holds."""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tests.samebits.diff import made
from tests.samebits.diff.browser import Browser, program
from tests.samebits.diff.made import from_step, put
from tests.samebits.diff.test_runs import LINES, WEIGHTS, finished
from tests.samebits.diff.test_values import further, hold
from tests.samebits.fingerprint.test_golden import manifest

from samebits.diff import align
from samebits.diff.command import command, compare, picture
from samebits.diff.grid import (
    DIFFERS,
    LARGEST,
    NOT_FINITE,
    NOTHING,
    ONLY_FIRST,
    ONLY_SECOND,
    SAME,
    UNUSED,
    Grid,
    columns,
    size,
    size_of_numbers,
)
from samebits.diff.page import MOST_BYTES, Drawn, as_json
from samebits.diff.page import page as whole_page
from samebits.diff.picture import Picture
from samebits.diff.records import Result
from samebits.record.format import AFTER_BACKWARD

WITH_BROWSER = pytest.mark.skipif(program() is None, reason="no Chromium here: apt-get install chromium")
COMPACT = (",", ":")  # as records are written
DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)
CELL = """
(() => {
  const box = document.getElementById("rows").firstChild.getBoundingClientRect();
  const at = shown.findIndex((line) => line.cells && line.rows.length === 1 && line.rows[0].name === NAME);
  return [box.left + plan.label + (COLUMN + 0.5) * plan.cell, box.top + 3 + (at + 0.5) * ROW];
})()
"""


def spread(events: list[dict[str, Any]], start: int = 4) -> None:
    """A gradient differs at a step, its weight after it, and all weights after the next."""

    def change(event: dict[str, Any]) -> None:
        names = ("2.weight",) if event["step"] == start else made.NAMES
        for name in names:
            event["gradients"] = {AFTER_BACKWARD: put(event["gradients"][AFTER_BACKWARD], name)}
            event["parameters"] = put(event["parameters"], name)

    from_step(events, start, change)


def page(folder: Path, first: Any, second: Any, **more: Any) -> Path:
    """The picture of two records, as the command writes it."""
    a, b = (
        made.write(folder / name, *(each if isinstance(each[0], list) else [each]))
        for name, each in zip("ab", (first, second), strict=True)
    )
    for number, array in more.items():
        hold({"a": a, "b": b}[number[0]], **{f"gradients/{AFTER_BACKWARD}/2.weight": array})
    path = folder / "picture.html"
    done = CliRunner().invoke(command, [str(a), str(b), "--html", str(path)], standalone_mode=False)
    assert done.exception is None, done.output
    assert done.output.endswith(f"picture: {path}\n")
    return path


def data(path: Path) -> dict[str, Any]:
    """What stands in a page for its script."""
    match = DATA.search(path.read_text())
    assert match is not None
    content: dict[str, Any] = json.loads(match[1])
    return content


def rows(path: Path, process: int = 0) -> dict[str, Any]:
    return {row["name"]: row for row in data(path)["processes"][process]["rows"]}


def cells(row: dict[str, Any], part: str = "", view: int = 0) -> list[int]:
    """What a row shows, with what is the same."""
    layers = [row["seen"][view], *([row["cells"][part][view]] if part in row["cells"] else [])]
    plain = [
        [what for what, often in zip(runs[::2], runs[1::2], strict=True) for _ in range(often)]
        for runs in layers
    ]
    return [max(column) for column in zip(*plain, strict=True)]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser for all tests of this file."""
    window = Browser(tmp_path_factory.mktemp("profile"))
    yield window
    window.close()


# ---------------------------------------------------------------- in a browser
@WITH_BROWSER
def test_the_picture_shows_the_verdict_and_names_what_the_pointer_is_on(
    browser: Browser, tmp_path: Path
) -> None:
    first = made.training(8, every=2)
    second = made.another(first)
    spread(second)
    array = np.ones((3, 8), dtype="f4")
    path = page(tmp_path, first, second, a=array, b=further(array, 3, 7, 9))
    browser.open(path)
    title = browser.value("document.querySelector('h1').textContent")
    assert title.startswith("First difference: step 4, gradient of 2.weight: ")
    assert title.endswith("; 3 of 24 elements differ, by at most 2 ULPs")
    assert browser.value("document.getElementById('rows').dataset.firstDifference") == "4"
    assert "first difference: step 4" in browser.value("document.getElementById('axis').textContent")

    def hover(name: str, column: int) -> str:
        script = CELL.replace("NAME", json.dumps(name)).replace("COLUMN", str(column))
        browser.point(*browser.value(script))
        tip = browser.value("[tip.style.visibility, tip.innerText]".replace("tip", "byId('tip')"))
        assert tip[0] == "visible"
        return str(tip[1])

    said = hover("2.weight", 4)
    assert "2.weight\nstep 4 · train.py:30\n" in said
    assert "gradient: 3 of 24 elements differ, by at most 2 ULPs" in said
    assert "weight differs" in said
    assert "same" in hover("2.weight", 3)
    assert "differs first at step 5" in hover("0.bias", 7)
    assert "evaluation\nstep 2 · train.py:40\nsame" in hover("evaluation", 2)
    browser.value("byId('rows').focus()")
    browser.press("Home")
    assert "2.weight\nstep 4" in browser.value("byId('tip').innerText")
    browser.press("ArrowRight")
    assert "2.weight\nstep 5" in browser.value("byId('tip').innerText")
    browser.press("Enter")
    labels = browser.value("[...document.querySelectorAll('#rows text')].map((text) => text.textContent)")
    assert "2 (2)" in labels  # the module is closed
    assert browser.value("asSvg()").startswith("<svg")
    assert browser.complaints() == []
    assert browser.asked_for() == [path.as_uri()]


@WITH_BROWSER
def test_names_from_a_record_are_text(browser: Browser, tmp_path: Path) -> None:
    first = made.training(3)
    hostile = "</script><img src=http://example.org/x onerror=alert(1)>`.weight"
    for event in first:
        if event["event"] == "names" and event["names"]:
            event["names"] = [event["names"][0].replace("0.weight", hostile), *event["names"][1:]]
    second = made.another(first)
    from_step(second, 2, lambda event: event.update(parameters=put(event["parameters"], "0.weight")))
    path = page(tmp_path, first, second)
    browser.open(path)
    assert hostile.partition("`")[0] in browser.value("document.querySelector('h1').textContent")
    assert browser.value("document.images.length") == 0
    assert (browser.complaints(), browser.asked_for()) == ([], [path.as_uri()])


@WITH_BROWSER
def test_ranks_are_chosen_and_that_of_the_verdict_comes_first(browser: Browser, tmp_path: Path) -> None:
    ranks = [made.training(5, pid=pid) for pid in (11, 12)]
    for number, events in enumerate(ranks):
        events[0] |= {"rank": number, "world_size": 2}
    others = [made.another(made.another(made.another(events))) for events in ranks]
    spread(others[1], 3)
    path = page(tmp_path, ranks, others)
    browser.open(path)
    assert browser.value("[...document.querySelectorAll('option')].map((each) => each.text)") == [
        "rank 0",
        "rank 1",
    ]
    assert browser.value("document.querySelector('select').value") == "1"
    first = "document.getElementById('rows').dataset.firstDifference"
    assert browser.value(first) == "3"
    browser.value("document.querySelector('select').value = 0")
    browser.value("document.querySelector('select').dispatchEvent(new Event('change'))")
    assert browser.value(first) == ""
    assert (browser.complaints(), browser.asked_for()) == ([], [path.as_uri()])


# ---------------------------------------------------------------- what it holds
def test_nothing_is_taken_from_elsewhere(tmp_path: Path) -> None:
    first = made.training(3)
    text = page(tmp_path, first, made.another(first)).read_text()
    assert "Same: 3 steps" in text
    addresses = set(re.findall(r"(?:https?:)?//[\w.]+\.\w+[^\"' )]*", text))
    assert addresses == {"http://www.w3.org/2000/svg"}, "the name of SVG, which is never fetched"
    assert not re.search(r"<(?:script|link|img)[^>]*(?:src|href)=\"(?!data:)", text)


def test_every_part_has_its_cells(tmp_path: Path) -> None:
    first = made.training(4, every=2)
    second = made.another(first)
    spread(second, 3)
    from_step(second, 4, lambda event: event.update(lrs=[0.05]))
    from_step(second, 3, lambda event: event["losses"].__setitem__(0, [made.digest("loss"), 0.4]))
    shown = rows(page(tmp_path, first, second))
    assert cells(shown["2.weight"], "gradient") == [SAME, SAME, SAME, DIFFERS, DIFFERS]
    assert cells(shown["0.bias"], "weight") == [SAME, SAME, SAME, SAME, DIFFERS]
    assert cells(shown["learning rate"]) == [NOTHING, SAME, SAME, SAME, LARGEST]
    assert cells(shown["loss"]) == [NOTHING, SAME, SAME, LARGEST, LARGEST]
    assert cells(shown["evaluation"]) == [NOTHING, NOTHING, SAME, NOTHING, SAME]
    assert cells(shown["torch's generator"]) == [SAME] * 5
    assert ["", 0, 4, "0.1 in A, 0.05 in B"] in shown["learning rate"]["details"]


def test_what_only_one_has_is_told_apart(tmp_path: Path) -> None:
    first, second = made.training(3), made.another(made.training(5, every=1))
    second = [event for event in second if event["event"] != "evaluation" or event["after"] == {"0": 2}]
    shown = rows(page(tmp_path, first, second))
    assert cells(shown["batch"]) == [NOTHING, SAME, SAME, SAME, ONLY_SECOND, ONLY_SECOND]
    assert cells(shown["evaluation"])[2] == ONLY_SECOND


@pytest.mark.parametrize("later", [0, 1])
def test_a_resumed_run_begins_at_its_step(tmp_path: Path, later: int) -> None:
    whole = made.training(8)
    resumed = made.another(whole)[:8]
    resumed[7]["parameters"] = made.digests("weights", 3)
    for number in range(4, 9):
        resumed.append(made.step(made.another(whole), number) | {"step": number - 3})
    spread(resumed, start=3)
    both = [whole, resumed] if later else [resumed, whole]
    path = page(tmp_path, *both)
    (view,) = data(path)["processes"][0]["views"]
    assert (view["first"], view["last"]) == (3, 8)
    (drawn,) = data(path)["processes"]
    assert (drawn["start"], drawn["step"]) == (3, 6)
    shown = rows(path)
    assert cells(shown["2.weight"], "weight") == [NOTHING, SAME, SAME, DIFFERS, DIFFERS, DIFFERS]
    assert cells(shown["0.bias"], "weight") == [NOTHING, SAME, SAME, SAME, DIFFERS, DIFFERS]


def test_what_a_killed_process_did_not_reach_is_not_missing(tmp_path: Path) -> None:
    whole = made.training(6)
    killed = [each for each in made.another(whole)[:-1] if each.get("step", 0) <= 4]
    resumed = made.another(killed)[:8]
    resumed[7]["parameters"] = made.digests("weights", 3)
    for number in (4, 5, 6):
        resumed.append(made.step(made.another(whole), number) | {"step": number - 3})
    path = page(tmp_path, whole, [killed, resumed])
    assert [each["label"] for each in data(path)["processes"]] == ["main", "main (2)"]
    assert cells(rows(path)["batch"]) == [NOTHING, SAME, SAME, SAME, SAME, NOTHING, NOTHING]
    assert cells(rows(path, 1)["batch"]) == [NOTHING, SAME, SAME, SAME]


@WITH_BROWSER
def test_the_last_number_of_the_axis_is_not_cut(browser: Browser, tmp_path: Path) -> None:
    """Also where the font is wider than the page has measured."""
    result = Result(None, "", (), 0, "", {}, ())
    grid = Grid([columns("all steps", 1, 1_000_000)])
    grid.row("inputs", "batch", "step 0")
    path = tmp_path / "picture.html"
    path.write_text(whole_page(tmp_path, tmp_path, result, [Drawn("main", grid)]))
    browser.open(path)
    browser.value("pen.measureText = (text) => ({ width: 5 * text.length }); draw()")
    ends = browser.value("""[...document.querySelectorAll("#axis text")].map((node) =>
        [node.textContent, node.getBBox().x + node.getBBox().width <= plan.width + 0.5])""")
    assert ends[-1] == ["1,000,000", True]


def test_the_mode_of_a_layer_has_a_cell(tmp_path: Path) -> None:
    first = made.training(4)
    second = made.another(first)
    from_step(second, 3, lambda event: event["calls"][0].update(other_mode=["1"]))
    path = page(tmp_path, first, second)
    row = rows(path)["control flow"]
    assert row["first"] == 3
    assert row["details"][0][3] == "the mode of `1`: training in A, evaluation in B"
    assert data(path)["processes"][0]["name"] == "control flow"


def test_another_type_has_no_size(tmp_path: Path) -> None:
    first = made.training(6)
    second = made.another(first)
    spread(second)
    array = np.ones((3, 8), dtype="f4")
    row = rows(page(tmp_path, first, second, a=array, b=array.astype("f8")))["2.weight"]
    assert cells(row, "gradient")[4] == DIFFERS


def test_a_damaged_record_is_drawn_as_far_as_it_goes(tmp_path: Path) -> None:
    first = made.training(5)
    second = made.another(first)
    spread(second, 2)
    made.step(second, 4)["lrs"] = "0.1"
    shown = rows(page(tmp_path, first, second))
    assert cells(shown["0.bias"], "weight") == [SAME, SAME, SAME, DIFFERS, ONLY_FIRST, ONLY_FIRST]


def test_a_generator_that_nobody_uses_is_no_difference(tmp_path: Path) -> None:
    first = made.training(3)
    second = made.another(first)
    for event in second:
        for states in (event.get("generators", {}), *event.get("generators", {}).values()):
            if isinstance(states, dict) and "python" in states:
                states["python"] = made.digest("another")
    shown = rows(page(tmp_path, first, second))
    assert cells(shown["python's generator"]) == [UNUSED] * 4


def test_many_steps_share_a_column_and_the_first_difference_has_a_view_of_its_own(tmp_path: Path) -> None:
    first = made.training(900)
    second = made.another(first)
    spread(second, 417)
    path = page(tmp_path, first, second)
    whole, around = data(path)["processes"][0]["views"]
    assert (whole["each"], around["each"]) == (3, 1)
    assert (around["first"], around["last"]) == (397, 496)
    row = rows(path)["2.weight"]
    assert cells(row, "weight").index(DIFFERS) == 417 // 3
    assert cells(row, "weight", view=1).index(DIFFERS) == 20
    assert row["first"] == 417


def test_steps_that_differ_alike_are_read_once_and_the_cells_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(3)
    first = made.training(1_300)
    second = made.another(first)
    for event in second:
        if event["event"] != "step" or event["step"] < 500:
            continue
        for name in made.NAMES:
            if draw.random() < 0.97:
                event["parameters"] = put(event["parameters"], name)
        if draw.random() < 0.1:
            event["losses"] = [[made.digest(draw.random()), event["losses"][0][1] * (1 + draw.random())]]
        if draw.random() < 0.1:
            event["lrs"] = [draw.choice((0.2, "nan", None))]
        if draw.random() < 0.1:
            event["calls"][0]["arguments"] = made.digest(draw.random())
        if draw.random() < 0.1:
            event["generators"]["after"]["torch"] = made.digest(draw.random())
    counts = []
    parse = align.parse_event

    def counted(line: bytes) -> Any:
        counts[-1] += 1
        return parse(line)

    monkeypatch.setattr(align, "parse_event", counted)
    drawn = []
    for fast in (True, False):
        folder = tmp_path / str(fast)
        folder.mkdir()
        counts.append(0)
        with monkeypatch.context() as patch:
            if not fast:
                patch.setattr(Picture, "_shown", lambda *_: False)
            shown = data(page(folder, first, second))["processes"]
            for row in shown[0]["rows"]:
                row["details"] = sorted(map(str, row["details"]))
        drawn.append(shown)
    assert counts[0] < counts[1] - 100
    for fast, slow in zip(drawn[0][0]["rows"], drawn[1][0]["rows"], strict=True):
        assert {**fast, "details": []} == {**slow, "details": []}


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    first = made.training(2)
    a, b = (made.write(tmp_path / name, events) for name, events in zip("ab", (first, first), strict=True))
    done = CliRunner().invoke(command, [str(a), str(b), "--html", str(tmp_path / "no/p.html")])
    assert "cannot write" in str(done.exception)
    assert not (tmp_path / "no").exists()


def test_a_picture_of_finished_runs_has_lines_and_final_weights(tmp_path: Path) -> None:
    first = finished(tmp_path / "a", manifest())
    lines = [
        LINES[0],
        {**LINES[1], "loss": 0.25},
        {**LINES[2], "batches": "f" * 64},
        {"epoch": 4, "loss": 0.1},
    ]
    second = finished(tmp_path / "b", manifest(), lines, further(WEIGHTS, 2, 3))
    path = tmp_path / "picture.html"
    done = CliRunner().invoke(command, [str(first), str(second), "--html", str(path)], standalone_mode=False)
    assert done.return_value == 1, done.output
    shown = rows(path)
    assert cells(shown["loss"]) == [SAME, LARGEST, SAME, ONLY_SECOND, NOTHING]
    assert cells(shown["batches"]) == [SAME, SAME, DIFFERS, NOTHING, NOTHING]
    assert cells(shown["w"], "weight") == [NOTHING] * 4 + [size(2)]
    (drawn,) = data(path)["processes"]
    assert (drawn["step"], drawn["end"]) == (2, 5)
    steps = made.training(4), made.another(made.training(4))
    spread(steps[1], 3)
    for folder, events in zip((first, second), steps, strict=True):
        (folder / "record.jsonl").write_text(
            "".join(f"{json.dumps(event, separators=COMPACT)}\n" for event in events)
        )
    CliRunner().invoke(command, [str(first), str(second), "--html", str(path)], standalone_mode=False)
    assert [each["label"] for each in data(path)["processes"]] == ["first steps", "metrics"]
    assert cells(rows(path)["0.bias"], "weight") == [SAME, SAME, SAME, SAME, DIFFERS]


@WITH_BROWSER
def test_runs_whose_final_weights_differ_only_are_drawn(browser: Browser, tmp_path: Path) -> None:
    first = finished(tmp_path / "a", manifest())
    second = finished(tmp_path / "b", manifest(), weights=further(WEIGHTS, 2))
    path = tmp_path / "picture.html"
    CliRunner().invoke(command, [str(first), str(second), "--html", str(path)], standalone_mode=False)
    browser.open(path)
    axis = browser.value("document.getElementById('axis').textContent")
    assert "first difference: the final weights" in axis
    browser.value("byId('rows').focus()")
    browser.press("Home")
    said = browser.value("byId('tip').innerText")
    assert "w\nthe final weights\nweight: 1 of 6 elements differ, by at most 2 ULPs" in said
    assert (browser.complaints(), browser.asked_for()) == ([], [path.as_uri()])


# ---------------------------------------------------------------- columns, sizes, bounds
@pytest.mark.parametrize(
    ("last", "each"), [(0, 1), (399, 1), (400, 2), (1_199, 3), (10_000, 30), (1_000_000, 3_000)]
)
def test_columns_are_round_and_few(last: int, each: int) -> None:
    view = columns("", 0, last)
    assert view.each == each
    assert view.count <= 400
    assert (view.column(0), view.column(last), view.column(last + 1)) == (0, view.count - 1, None)


def test_a_column_is_as_different_as_its_worst_step() -> None:
    grid = Grid([columns("", 0, 999)])
    row = grid.row("parameters", "w", "step 0")
    for step, what, words in ((3, DIFFERS, "a"), (4, size(5), "b"), (5, DIFFERS, "c")):
        grid.mark(row, "weight", step, what, words)
    assert row.cells["weight"][0][1] == size(5)
    assert grid.details == {(0, "weight", 0, 1): (size(5), "b")}
    assert row.first == 3


def test_sizes_rise_with_ulps() -> None:
    sizes = [size(ulps) for ulps in (0, 1, 2, 10, 11, 1_000, 1_001, 100_000, 100_001, 1e30)]
    assert sizes == sorted(sizes)
    assert sizes[0] == sizes[1] == DIFFERS + 1 < sizes[2]
    assert sizes[-1] == LARGEST
    assert size_of_numbers(1.0, 1.0 + 2**-23) == DIFFERS + 1
    assert size_of_numbers(0.1, 0.2) == LARGEST
    assert size_of_numbers(0.1, "nan") == NOT_FINITE
    assert size_of_numbers(None, 0.1) == size_of_numbers("nan", "nan") == DIFFERS
    assert size_of_numbers(1e308, -1e308) == LARGEST


@pytest.mark.parametrize("number", [300, 4_000])
def test_a_page_is_small_whatever_differs(number: int) -> None:
    draw = random.Random(7)
    grid = Grid([columns("", 1, 400)])
    for at in range(number):
        name = f"layers.{at // 40}.block.{at // 4 % 10}.part.{at % 4}"
        row = grid.row("parameters", name, "step 0", name.rpartition(".")[0])
        for part in ("gradient", "weight"):
            row.cells[part] = [bytearray(draw.choices((SAME, DIFFERS, ONLY_FIRST), k=400))]
    assert len(as_json([Drawn("main", grid)])) <= MOST_BYTES
    assert len(grid.rows) <= number


def test_the_text_below_has_the_causes(tmp_path: Path) -> None:
    first = made.training(3)
    second = made.another(first)
    from_step(second, 2, lambda event: event.update(lrs=[0.01]))
    a, b = (made.write(tmp_path / name, events) for name, events in zip("ab", (first, second), strict=True))
    text = picture(a, b, compare(a, b))
    (tmp_path / "picture.html").write_text(text)
    assert data(tmp_path / "picture.html")["processes"][0]["name"] == "learning rate"
    assert "<li>the schedule gives another learning rate (train.py:30)</li>" in text
