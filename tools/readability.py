"""How easy the pages are to read: three checks of README.md and docs.

Flesch's reading ease, from 0 (hard) to 100 (easy), with the syllables that pyphen finds:

    206.835 - 1.015 × words in a sentence - 84.6 × syllables in a word

Text of short words passes that test even when its sentences are long. So the mean length of a sentence has a
limit of its own, in which a piece of inline code counts as one word. And some phrases are not used at all,
because readers do not know them, or know them with another meaning.

Only sentences count: code blocks, tables, headings, comments and addresses are left out.
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pyphen

from samebits.errors import CheckFailed, UsageError
from samebits.process.program import run_command

ROOT = Path(__file__).parents[1]
HARDEST = 3  # sentences that are shown of a page that fails
LEAST = 8  # words in a sentence that is shown: the score of a shorter one says little

# What not to write, and what to write.
PHRASES = {
    r"mend(?:s|ed|ing)?": "fix",
    r"tells? of": "shows",
    r"go(?:es|ing)? on|went on": "continue, resume",
    r"let pass": "allow",
    r"(?:hold|holds|held) (?:\S+ )?against": "compare with",
    r"for want of": "because there is no …",
    r"of ours": "our",
    r"of one's own": "of your own",
    r"through the same door": "the same way",
    r"as ever": "as always; or leave it out",
    r"nevertheless": "anyway",
}

# Between two words: also those in two lines of a comment, or of a text in code.
BETWEEN = r"\s+(?:#\s+|[\"']\s+f?[\"'])?"

FENCED = re.compile(r"^( *)(```|~~~).*?^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
INDENTED = re.compile(r"(?<=\n)[ \t]*\n(?: {4,}[^\n]*\n|[ \t]*\n(?= {4}))+")  # code, after an empty line
NO_SENTENCE = re.compile(r"^[ \t]*(\||#{1,6} ).*$", re.MULTILINE)  # a row of a table, a heading
CODE = re.compile(r"(`+)[^`].*?\1", re.DOTALL)
CODE_WORD = "\ue000"  # stands for a piece of inline code; no text has it
LINK = re.compile(r"!?\[([^\]]*)\]\(([^)]*)\)")
ADDRESS = re.compile(r"\bhttps?://\S+")
ITEM = re.compile(r"^[ \t]*(?:[-*+]|\d+\.)[ \t]+", re.MULTILINE)
# Before each paragraph and each item of a list.
BLOCK = re.compile(r"(?=\n[ \t]*\n)|(?=\n[ \t]*(?:[-*+]|\d+\.)[ \t])")
# After the mark that ends a sentence, and what may close there.
END = re.compile(r"(?<=[.!?…])[\"”')*_]*(?=\s+(?:[^a-z\s]|samebits\b|oneDNN\b))")
WORD = re.compile(r"[A-Za-zÀ-ɏ]+(?:['’][A-Za-z]+)?")

dictionary = pyphen.Pyphen(lang="en_US")


@dataclass(frozen=True)
class Sentence:
    """A sentence of a page.

    Attributes:
        line: the line that it begins on, counted from 1.
        text: the sentence in one line, inline code included.
        words: its words, without inline code.
        length: its words, with one for each piece of inline code.
        syllables: those of its words.
    """

    line: int
    text: str
    words: int
    length: int
    syllables: int


@dataclass(frozen=True)
class Limits:
    """What a page must reach: the least reading ease, and the greatest mean length of a sentence in words."""

    ease: float
    length: float


README, PAGE = Limits(60, 15), Limits(50, 18)


def flesch(words: int, sentences: int, syllables: int) -> float:
    return 206.835 - 1.015 * words / sentences - 84.6 * syllables / words


def count_syllables(word: str) -> int:
    return len(dictionary.positions(word.lower())) + 1


def prose(text: str) -> str:
    """A Markdown page without what is no sentence; every line keeps its number."""

    def blank(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n")

    for pattern in (FENCED, COMMENT, INDENTED, NO_SENTENCE):
        text = pattern.sub(blank, text)
    text = CODE.sub(lambda match: CODE_WORD + blank(match), text)
    text = LINK.sub(lambda match: match[1] + "\n" * match[2].count("\n"), text)
    return ADDRESS.sub("", text)


def sentences(text: str) -> list[Sentence]:
    """The sentences of a Markdown page. A paragraph and an item of a list end one, too."""
    rows = []
    line = 1
    for block in BLOCK.split(prose(text)):
        for piece in END.split(block):
            content = ITEM.sub("", piece.strip("\n"))
            words = WORD.findall(content)
            if words:
                begin = line + piece[: len(piece) - len(piece.lstrip())].count("\n")
                shown = " ".join(content.split()).replace(CODE_WORD, "`…`")
                length = len(words) + content.count(CODE_WORD)
                rows.append(Sentence(begin, shown, len(words), length, sum(map(count_syllables, words))))
            line += piece.count("\n")
    return rows


def find_phrases(text: str) -> list[tuple[int, str, str]]:
    """Where a text has a phrase that is not used: the line, the phrase, and what to write."""
    rows = []
    for phrase, instead in PHRASES.items():
        for match in re.finditer(rf"\b(?:{phrase.replace(' ', BETWEEN)})\b", text, re.IGNORECASE):
            line = text.count("\n", 0, match.start()) + 1
            rows.append((line, " ".join(match[0].split()), instead))
    return sorted(rows)


def measure(page: Path) -> dict[str, Any]:
    """What is measured of a page, as `--json` prints it."""
    try:
        text = page.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{page} is not text in UTF-8") from None
    except OSError as error:
        raise UsageError(f"{page} cannot be read: {error.strerror}") from None
    measured = sentences(text)
    if not measured:
        raise UsageError(f"{page} has no sentence to measure")
    limits = README if page.name == "README.md" else PAGE
    words = sum(sentence.words for sentence in measured)
    ease = flesch(words, len(measured), sum(sentence.syllables for sentence in measured))
    length = sum(sentence.length for sentence in measured) / len(measured)
    replace = find_phrases(prose(text))
    ok = ease >= limits.ease and length <= limits.length and not replace
    long_enough = [sentence for sentence in measured if sentence.words >= LEAST]
    hardest = sorted(
        long_enough,
        key=lambda sentence: flesch(sentence.words, 1, sentence.syllables) + sentence.words - sentence.length,
    )
    return {
        "file": str(page.relative_to(ROOT) if page.is_relative_to(ROOT) else page),
        "outcome": "ok" if ok else "fail",
        "ease": round(ease, 1),
        "least_ease": limits.ease,
        "words_in_a_sentence": round(length, 1),
        "most_words": limits.length,
        "phrases": [{"line": line, "phrase": phrase, "instead": new} for line, phrase, new in replace],
        "hardest": [{"line": sentence.line, "sentence": sentence.text} for sentence in hardest[:HARDEST]],
    }


def show(row: dict[str, Any]) -> None:
    """One line of a page; of one that fails also what to change."""
    click.echo(
        f"{row['outcome']:4}  ease {row['ease']:5.1f} (at least {row['least_ease']})  "
        f"words in a sentence {row['words_in_a_sentence']:4.1f} (at most {row['most_words']})  {row['file']}"
    )
    if row["outcome"] == "ok":
        return
    for place in row["phrases"]:
        click.echo(f"      {row['file']}:{place['line']}: “{place['phrase']}”: write “{place['instead']}”")
    if row["ease"] < row["least_ease"] or row["words_in_a_sentence"] > row["most_words"]:
        for place in row["hardest"]:
            click.echo(f"      {row['file']}:{place['line']}: {place['sentence']}")


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@click.option("--quiet", is_flag=True, help="Print only the pages that fail.")
@click.option("--json", "json_", is_flag=True, help="Print a list of all pages instead of a table.")
def command(files: tuple[Path, ...], quiet: bool, json_: bool) -> None:
    """Check that README.md and docs, or the given pages, are easy to read."""
    pages = files or (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    rows = [measure(page) for page in pages]
    if json_:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for row in rows:
            if not quiet or row["outcome"] == "fail":
                show(row)
    failed = [row["file"] for row in rows if row["outcome"] == "fail"]
    if failed:
        raise CheckFailed(f"hard to read: {', '.join(failed)}; rewrite the sentences that are shown first")


if __name__ == "__main__":
    sys.exit(run_command(command, "tools/readability.py"))
