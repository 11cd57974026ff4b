"""Envelope: which of several straight lines is the highest, and how far it stays so."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rightfit.ranking.applications.utility import Floats


def walk_envelope(heights: Floats, slopes: Floats, first: int) -> Iterator[tuple[float, int]]:
    """Follow the highest line to the right.

    Args:
        heights: Heights of the lines where the walk begins, shape (n_lines,).
        slopes: Slopes of the lines.
        first: A line of the greatest height, where the walk begins.

    Yields:
        The distance walked to where another line takes over, and that line.

    >>> list(walk_envelope(np.array([2.0, 1.0, 0.0]), np.array([0.0, 1.0, 3.0]), 0))
    [(0.6666666666666666, 2)]
    """
    line, walked = first, 0.0
    while True:
        steeper = np.flatnonzero(slopes > slopes[line])
        if not len(steeper):
            return
        gaps = heights[line] - heights[steeper]
        crossings = np.maximum(gaps / (slopes[steeper] - slopes[line]), walked)
        walked = float(crossings.min())
        nearest = steeper[crossings == walked]
        line = int(nearest[slopes[nearest].argmax()])
        yield walked, line
