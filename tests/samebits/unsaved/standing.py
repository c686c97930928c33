"""`python standing.py LIVENESS.py`: which variables are live between two items of a loop, by case, as JSON.

Runs on any Python that samebits supports, and needs nothing but the file that it tests.
"""

# ruff: noqa: C416, F841 - what comprehensions and unread variables do is the subject
import importlib.util
import json
import sys
from contextlib import nullcontext

spec = importlib.util.spec_from_file_location("liveness", sys.argv[1])
liveness = importlib.util.module_from_spec(spec)
sys.modules["liveness"] = liveness
spec.loader.exec_module(liveness)
seen = []


def batches(number=2):
    for item in range(number):
        yield item
        seen.append(sorted(liveness.live_names(sys._getframe(1))))


def read_after_written():
    step = lost = 0
    for x in batches():
        step += x
        lost = step
        print(lost, file=sys.stderr)


def read_in_the_next_round():
    hidden = 0
    for x in batches():
        y = x + hidden
        hidden = y


def read_after_the_loop():
    loss = best = 0
    for x in batches():
        loss = x
    return loss, best


def two_loops():
    history = []
    for _ in range(2):
        total = 0
        for x in batches():
            total += x
            loss = total
        history.append(loss)


def read_if():
    a = b = c = 0
    for x in batches():
        if x > 5:
            a = 1
        else:
            b = 1
        c = a + b
    return c


def handled():
    a = b = 0
    for x in batches():
        try:
            a = x
            b = 1 / (x + 1)
        except ZeroDivisionError:
            print(b)
        finally:
            del a


def inside_with():
    loss = 0
    for x in batches():
        with nullcontext():
            loss = x
        print(loss, file=sys.stderr)


def shadowed_and_read():
    x = y = 1
    for _ in batches():
        z = [x for x in range(3)]
    return x, z


def shadowed_and_written():
    x = y = 1
    for _ in batches():
        z = {x: y for x, y in [(1, 2)]}
        x = z
        y = x
    return y


def comprehension_reads():
    a = b = 1
    for x in batches():
        b = x
        c = [a for _ in range(2) if b]
    return c


def shared_with_a_function():
    calls = 0

    def count():
        nonlocal calls
        calls += 1

    for _ in batches():
        count()


def unpacked():
    a = b = c = 0
    for _ in batches():
        a, b = b, a
        c = a
    return c


def deleted():
    a = b = 0
    for x in batches():
        del a
        a = b = x
    return b


def long():  # so that jumps need an EXTENDED_ARG
    history = total = 0
    for _ in range(2):
        for x in batches():
            total = x
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
            print(total, x, sep="", end="", flush=True, file=sys.stderr)
        history += total


def enumerated():
    n = 0
    for number, x in enumerate(batches()):
        n = number + x
        print(n, file=sys.stderr)


def asked_by_next():
    it = batches()
    a = b = 0
    next(it)
    while (x := next(it, None)) is not None:
        a += x
        b = a


CASES = (
    read_after_written, read_in_the_next_round, read_after_the_loop, two_loops, read_if, handled, inside_with,
    shadowed_and_read, shadowed_and_written, comprehension_reads, shared_with_a_function, unpacked, deleted,
    long, enumerated, asked_by_next,
)  # fmt: skip
MODULE = """
total = step = used = 0
def read(): return used
for x in batches():
    step += 1
    total = step
    q = [total for total in range(2)]
"""

if __name__ == "__main__":
    live = {}
    for case in CASES:
        seen.clear()
        case()
        live[case.__name__] = seen[0]
    seen.clear()
    exec(compile(MODULE, "module.py", "exec"), {"batches": batches})
    print(json.dumps({**live, "module": seen[0]}))
