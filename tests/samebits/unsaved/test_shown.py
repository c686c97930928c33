"""Which variables only end in what is printed or logged."""

import ast

import pytest

from samebits.unsaved.shown import only_shown

LOOP = """
def train():
    {before}
    for epoch in run.epochs(3):
        {head}
        for i, (x, y) in enumerate(run.batches(loader)):
            {body}
        {end}
"""


@pytest.mark.parametrize(
    ("before", "head", "body", "end", "name", "shown"),
    [
        (
            "",
            "total = 0.0",
            "total += loss(x).item()",
            "print(total / 3)",
            "total",
            True,
        ),
        ("", "total = 0.0", "total += error.item()", "print(total / 3)", "total", True),
        ("", "total = 0.0", "total += error.item()", "run.log(mean=total / 3)", "total", True),
        ("", "total = 0.0", "total += error.item()", "schedule.step(total)", "total", False),
        ("", "total = 0.0", "total += error.item()", "mean = total / 3; optimizer.lr = mean", "total", False),
        ("", "", "print(i) if i else None", "", "i", False),
        ("", "", "print(f'{i}: {x}')", "", "i", True),
        ("", "", "if i % 100 == 0: print(i)", "", "i", True),
        ("", "", "if i % 4 == 0: optimizer.step()", "", "i", False),
        ("", "", "if i > 4: break", "", "i", False),
        ("step = 0", "", "step += 1", "logger.info('%d', step)", "step", True),
        ("step = 0", "", "step += 1; group['lr'] = step", "", "step", False),
        ("losses = []", "", "losses.append(error.item())", "print(sum(losses))", "losses", True),
        ("losses = []", "", "losses.append(error.item())", "decide(losses)", "losses", False),
        ("best = 0", "", "", "best = max(best, accuracy); print(best)", "best", True),
        ("best = 0", "", "", "if accuracy > best: best = accuracy; save(model)", "best", False),
        ("t0 = time.time()", "", "", "print(time.time() - t0)", "t0", True),
        ("a = b = 0", "", "a = b + 1; b = a", "print(a)", "b", True),
        ("a = b = 0", "", "a = b + 1; b = a", "return a", "b", False),
        ("hidden = 0", "", "hidden = model(x, hidden)", "print(hidden)", "hidden", False),
        ("seen = 0", "", "seen += len(x)\n            def f(): return seen", "", "seen", False),
        ("n = 0", "", "n += 1\n            while n < 3: train_more()", "", "n", False),
    ],
)
def test_a_variable_that_is_only_shown(
    before: str, head: str, body: str, end: str, name: str, shown: bool
) -> None:
    parts = {"before": before, "head": head, "body": body, "end": end}
    text = LOOP.format(**{part: code or "pass" for part, code in parts.items()})
    assert (name in only_shown(ast.parse(text).body[0])) == shown
