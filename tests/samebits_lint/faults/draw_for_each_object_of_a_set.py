"""One draw for each object, in the order of a set: that of their addresses."""

import random


class Track:
    def __init__(self, start):
        self.start = start


random.seed(1)
tracks = {Track(start) for start in (0.0, 1.0, 2.0)}
for track in tracks:
    track.start += random.gauss(0, 1)
