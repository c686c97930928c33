"""A number of the system's is known again by how many bits were drawn for it, not by its size."""

import pytest

from samebits.chance import entropy


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch):
    monkeypatch.setattr(entropy, "_given", {})


@pytest.mark.parametrize("given", [b"\0\0\0\7", b"\xff\xff\xff\xff", bytes(7) + b"\1", b"\x80" + bytes(15)])
def test_a_number_is_known_again_however_small_it_is(given):
    entropy.remember_bytes(given, "os.urandom()")
    for order in ("big", "little"):
        number = int.from_bytes(given, order)
        assert entropy.source_of(number) == "os.urandom()"
        assert entropy.source_of(number % 2**32) == "os.urandom()"
        assert entropy.source_of([number]) == "os.urandom()"
    assert entropy.source_of(42) is None


@pytest.mark.parametrize("given", [b"", b"\x2a", b"\x00\x00\x2a"])
def test_few_bits_may_be_a_constant_by_accident(given):
    entropy.remember_bytes(given, "os.urandom()")
    assert entropy.source_of(42) is None
    entropy.remember(42, 16, "secrets")
    assert entropy.source_of(42) is None


def test_only_the_newest_are_kept():
    for number in range(entropy.KEPT):
        entropy.remember(2**40 + number * 2**20, 64, "secrets")
    assert len(entropy._given) <= entropy.KEPT
    assert entropy.source_of(2**40) is None
    assert entropy.source_of(2**40 + (entropy.KEPT - 1) * 2**20) == "secrets"
