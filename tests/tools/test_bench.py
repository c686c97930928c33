"""`make bench` prints a ratio for each comparison; a reader judges its aims, since machines are noisy."""

import json

from tests.conftest import one_line


def test_a_part_gives_its_comparisons_as_json(start):
    done = start("python", "tools/bench.py", "entrypoint", "--rounds", 1, "--json")
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)
    assert result["subject"] == "entrypoint"
    assert result["outcome"] == ("ok" if result["figure"] <= result["aim"] else "fail")


def test_an_unknown_part_is_one_line(start):
    done = start("python", "tools/bench.py", "everything")
    assert done.returncode == 2
    assert "'everything' is not one of" in one_line(done.stderr)
