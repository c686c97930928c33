"""Marks: which lines a project gets."""

import pytest

from samebits.bootstrap.only import is_marked, select

EVERY = "".join(
    f"{mark}  # only: {mark}\n"
    for mark in ("torch", "keras", "torch alone", "keras alone", "both", "template")
)


@pytest.mark.parametrize(
    ("project", "lines"),
    [
        ("torch", ["torch", "torch alone"]),
        ("keras", ["keras", "keras alone"]),
        ("both", ["torch", "keras", "both"]),
    ],
)
def test_a_line_goes_to_the_projects_of_its_mark(project, lines):
    assert select(f"first\n{EVERY}last\n", project).splitlines() == ["first", *lines, "last"]


@pytest.mark.parametrize("mark", ["# only: keras", "// only: keras", "<!-- only: keras -->"])
def test_a_mark_is_a_comment_of_its_files_kind(mark):
    assert select(f"a\nb  {mark}\n", "torch") == "a\n"
    assert select(f"a\nb  {mark}\n", "keras") == "a\nb\n"


BLOCK = "a\n\n\n# only: keras\nb\n\n\nc\n\n\n# only: end\n\n\nd\n"


def test_a_block_goes_with_its_blank_lines():
    assert select(BLOCK, "torch") == "a\n\n\nd\n"
    assert select(BLOCK, "both") == "a\n\n\nb\n\n\nc\n\n\nd\n"


def test_of_two_gaps_the_longer_stays():
    assert select("a\n\n# only: keras\nb\n# only: end\n\n\nd\n", "torch") == "a\n\n\nd\n"
    assert select("a\n\n\n# only: keras\nb\n# only: end\n\nd\n", "torch") == "a\n\n\nd\n"
    assert select("a\n\n\n# only: keras\nb\n# only: end\n", "torch") == "a\n"


def test_a_text_without_marks_is_left_alone():
    text = "a\n\n\n\nThe only: end of it\n# read by its owner only: nobody else\nno newline at the end"
    assert select(text, "torch") == text
    assert not is_marked(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a  # only: jax\n", "line 1: `only: jax` is none of both,"),
        ("a\n# only: end\n", "line 2: `only: end` ends no block"),
        ("# only: keras\n# only: torch\n", "line 2: a block within the block of line 1"),
        ("a\n# only: keras\nb\n", "line 2: the block has no `only: end`"),
    ],
)
def test_a_wrong_mark_is_told_with_its_line(text, says):
    with pytest.raises(ValueError, match=says):
        select(text, "torch")
