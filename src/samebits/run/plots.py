"""The picture of a run: every metric over the epochs."""

import io
from typing import Any

CURVES = "SAMEBITS_CURVES"  # "0": a run draws none; importing Matplotlib alone takes a third of a second


def draw(metrics: list[dict[str, Any]]) -> bytes:
    """Draw the numbers of metrics.jsonl, one panel a metric.

    Args:
        metrics: the lines of metrics.jsonl; `epoch`, where there is one, is the horizontal axis.

    Returns:
        A PNG file's bytes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no global state, no display
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = dict.fromkeys(
        name
        for line in metrics
        for name, value in line.items()
        if name != "epoch" and isinstance(value, int | float) and not isinstance(value, bool)
    )
    figure = Figure(figsize=(4.5 * max(len(names), 1), 3.2), layout="constrained")
    for position, name in enumerate(names, start=1):
        points = [
            (line.get("epoch", at), line[name]) for at, line in enumerate(metrics, start=1) if name in line
        ]
        axes = figure.add_subplot(1, len(names), position)
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, linewidth=1.2)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="epoch", title=name)
        axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    return picture.getvalue()
