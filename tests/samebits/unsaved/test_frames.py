"""A frame's variables are looked at while somebody else asks for them, too."""

import sys

from samebits.unsaved.frames import local_names, variables


def test_variables_that_appear_meanwhile_end_nothing():
    frame = sys._getframe()
    first = [1]
    for number, (_, value) in enumerate(variables(frame)):
        frame.f_locals[f"later {number}"] = value
    assert "later 0" in frame.f_locals
    assert local_names([frame])[id(first)] == "first"
