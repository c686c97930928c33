"""A call is numbered among its like, from 1 in each step."""

from samebits.record.occurrences import Occurrences


def test_calls_are_counted_by_what_they_are_known_by():
    occurrences = Occurrences()
    assert [occurrences.count({}, "forward", name) for name in "aaba"] == [1, 2, 1, 3]


def test_a_step_of_any_optimiser_begins_again():
    occurrences = Occurrences()
    assert [occurrences.count(after, "a") for after in ({}, {"0": 1}, {"0": 1}, {"0": 1, "1": 1})] == [
        1,
        1,
        2,
        1,
    ]
