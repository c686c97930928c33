"""How easy a page is to read: known scores, what counts as a sentence, and what is shown of a hard page."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT

import readability

EASY = "The cat sat on the mat."  # 6 words of one syllable: 206.835 - 1.015 × 6 - 84.6
HARD = (
    "Reproducibility considerations necessitate comprehensive documentation of environmental configuration "
    "parameters, notwithstanding organisational difficulties."
)


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools/readability.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def page(folder: Path, text: str, name: str = "page.md") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def ease(text: str) -> float:
    sentences = readability.sentences(text)
    return readability.flesch(
        sum(s.words for s in sentences), len(sentences), sum(s.syllables for s in sentences)
    )


def test_known_scores():
    assert ease(EASY) == pytest.approx(116.145)
    # 13 words; 24 syllables by hand give 37.5, and pyphen sees two fewer.
    platypus = "The Australian platypus is seemingly a hybrid of a mammal and reptilian creature."
    assert ease(platypus) == pytest.approx(37.5, abs=15)
    assert ease(HARD) < 0 < ease(platypus) < ease(EASY)


def test_only_sentences_count():
    noise = f"""# {HARD}

<!-- {HARD} -->
{EASY}

```sh
{HARD}
```

    {HARD}
    {HARD}

| {HARD} | {HARD} |
| --- | --- |

- [The cat sat](https://example.org/{HARD.replace(" ", "-")}) on the mat.
- The cat sat on `{HARD}`.
"""
    sentences = readability.sentences(noise)
    assert [sentence.words for sentence in sentences] == [6, 6, 4]
    assert [sentence.length for sentence in sentences] == [6, 6, 5]  # a piece of code is one word long
    assert [sentence.line for sentence in sentences] == [4, 16, 17]


def test_where_a_sentence_ends():
    text = "It trains. samebits compares (twice!) See docs/run.md, version 1.5. Done?\nNo\n\n- One\n- And two"
    assert [s.text for s in readability.sentences(text)] == [
        "It trains.",
        "samebits compares (twice!",
        "See docs/run.md, version 1.5.",
        "Done?",
        "No",
        "One",
        "And two",
    ]


def test_a_page_that_is_easy_passes(tmp_path):
    done = run(page(tmp_path, EASY))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ok    ease 116.1 (at least 50)")
    assert run("--quiet", page(tmp_path, EASY)).stdout == ""


def test_a_hard_page_is_named_with_its_three_hardest_sentences(tmp_path):
    sentences = [f"{HARD[:-1]} {number}." for number in ("one", "two", "three")]
    path = page(tmp_path, f"{EASY}\n\n" + "\n".join(sentences) + "\n")
    done = run(path)
    assert done.returncode == 1
    (error,) = done.stderr.splitlines()
    assert str(path) in error
    first, *shown = done.stdout.splitlines()
    assert first.startswith("fail")
    assert [line.strip().partition(": ")[0] for line in shown] == [f"{path}:{line}" for line in (3, 4, 5)]


def test_long_sentences_of_short_words_fail_too(tmp_path):
    long = "The cat sat on the mat and " * 4 + "slept."
    assert ease(long) > 80
    done = run(page(tmp_path, long))
    assert done.returncode == 1
    assert "words in a sentence 29.0 (at most 18)" in done.stdout


def test_readme_has_the_stricter_limits(tmp_path):
    words = "The cat sat on the mat and ate the rat that ran past in haste."
    assert run(page(tmp_path, words)).returncode == 0
    done = run(page(tmp_path, words.replace(".", " then."), name="README.md"))
    assert done.returncode == 1
    assert "(at least 60)" in done.stdout
    assert "(at most 15)" in done.stdout


@pytest.mark.parametrize(
    "phrase", ["The run goes\non here.", "It mends the file.", "Mended.", "We hold it against."]
)
def test_a_phrase_that_is_not_used(tmp_path, phrase):
    done = run(page(tmp_path, f"{EASY} {phrase}"))
    assert done.returncode == 1
    assert "page.md:1: “" in done.stdout
    assert "write “" in done.stdout


def test_words_that_only_look_like_one(tmp_path):
    text = "You recommend it. He is going out, and it goes only so far. `samebits mend`\n\n    goes on\n"
    assert run(page(tmp_path, text)).returncode == 0


def test_json(tmp_path):
    hard = page(tmp_path, HARD, "hard.md")
    done = run("--json", page(tmp_path, EASY), hard)
    easy, other = json.loads(done.stdout)
    assert (easy["outcome"], easy["ease"], easy["least_ease"]) == ("ok", 116.1, 50)
    assert (other["outcome"], other["file"]) == ("fail", str(hard))
    assert other["hardest"] == [{"line": 1, "sentence": HARD}]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.md", None, "none.md cannot be read: No such file or directory"),
        ("empty.md", b"# Title\n", "empty.md has no sentence to measure"),
        ("bytes.md", b"\xff\xfe", "bytes.md is not text in UTF-8"),
    ],
)
def test_wrong_use_is_one_line(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = run(tmp_path / name)
    assert done.returncode == 2
    assert done.stderr.endswith(f"{says}\n")
    assert len(done.stderr.splitlines()) == 1
