"""The picture of a matrix: a row a trial, a colour a hash, and whether the promise holds."""

import io
from collections.abc import Sequence

from samebits._printable import short
from samebits._report import Outcome

COLOURS: dict[Outcome, str] = {"ok": "#2a7f3f", "fail": "#c0262d", "warn": "#b8860b", "skipped": "#8a8a8a"}
REFERENCE = "#4c72b0"
INCHES = 0.24  # a row's height
LONGEST = 60  # characters of an outcome in words


def draw(reference: str, rows: Sequence[tuple[str, str, str, Outcome, str]]) -> bytes:
    """Draw trials, one below the other.

    Args:
        reference: the hash of the training as it is.
        rows: (name, what it must be, hash or nothing, outcome, outcome in words).

    Returns:
        A PNG file's bytes.
    """
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no global state, no display
    from matplotlib.figure import Figure

    others = dict.fromkeys(row[2] for row in rows if row[2] and row[2] != reference)
    cycle = colormaps["Set2"].colors  # type: ignore[attr-defined]
    colours = {sha256: cycle[at % len(cycle)] for at, sha256 in enumerate(others)} | {reference: REFERENCE}
    figure = Figure(figsize=(11, INCHES * (len(rows) + 4)), layout="constrained")
    axes = figure.add_subplot()
    for at, (name, expected, sha256, outcome, says) in enumerate(
        [("reference", "", reference, "ok", ""), *rows]
    ):
        axes.text(-0.05, at, name, ha="right", va="center", fontsize=8)
        if sha256:
            axes.barh(at, 1, color=colours[sha256], height=0.9)
            axes.text(0.5, at, short(sha256), ha="center", va="center", fontsize=7, family="monospace")
        text = says if len(says) <= LONGEST else f"{says[:LONGEST]}…"
        axes.text(1.05, at, expected, va="center", fontsize=7, color="#606060")
        axes.text(1.35, at, text, va="center", fontsize=8, color=COLOURS[outcome])
    axes.set_xlim(-1.3, 3.2)
    axes.set_ylim(len(rows) + 0.6, -1)
    axes.set_title("sha256 of the weights: a colour a hash", fontsize=9)
    axes.axis("off")
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    return picture.getvalue()
