"""Which line of the user's code has begun what a thread executes."""

SCRIPT = """
import queue, sys, threading
from samebits.record import threads
from samebits.record.places import line_of

threads.watch()
threads.watch()
from concurrent.futures import ThreadPoolExecutor
from functools import partial

lines = queue.Queue()
library = {"line_of": line_of, "sys": sys, "put": lines.put, "__name__": "library"}
exec(compile("def look(*_): put(line_of(sys._getframe(0)))", threads.__file__, "exec"), library)
look = library["look"]  # as code of a library, which has no line of the user's

with ThreadPoolExecutor(1) as pool:
    list(pool.map(look, [1]))  # map
    pool.submit(look).result()  # submit
    pool.submit(partial(pool.submit, look)).result()  # nested
threading.Timer(0, look).start()  # timer
timed = [lines.get(timeout=20) for _ in range(4)]
look()  # here
print(*timed, lines.get())
"""


def test_a_thread_has_the_line_that_began_its_work(start, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = start("python", "script.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    texts = SCRIPT.split("\n")
    called = [texts[int(line.partition(":")[2]) - 1] for line in done.stdout.split()]
    assert [text.rpartition("# ")[2] for text in called] == ["map", "submit", "nested", "timer", "here"]
