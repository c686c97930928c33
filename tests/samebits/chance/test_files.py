"""A cache of an earlier process is named; one that this process made itself is not."""

import pytest
from tests.samebits.chance.conftest import marked

JOBLIB = """
import sys
from joblib import Memory

memory = Memory("cached", verbose=0)

@memory.cache
def features(number):
    return number + 1

assert features(3) == features(3) == 4  #!
"""

TFDATA = """
import tensorflow as tf

data = tf.data.Dataset.range(4).cache("cached").batch(2)  #!
assert len(list(data)) == len(list(data)) == 2
"""

DECLARED = TFDATA.replace(
    "import tensorflow", "import samebits\nsamebits.data_sha256('cached.index')\nimport tensorflow"
)


def test_a_cache_of_an_earlier_process_is_named(watched):
    assert watched(JOBLIB) == [], "it writes the cache itself"
    (named,) = watched(JOBLIB)
    assert [named["where"]] == marked(JOBLIB)
    assert named["kind"] == "file"
    assert named["source"] == "joblib's Memory: cached/joblib is older than the run"


@pytest.mark.slow
def test_a_cache_of_tfdata_is_named_unless_it_is_declared(watched):
    assert watched(TFDATA) == []
    (named,) = watched(TFDATA)
    assert [named["where"]] == marked(TFDATA)
    assert named["source"] == "tf.data's cache(…): cached.index is older than the run"
    assert watched(DECLARED) == []
