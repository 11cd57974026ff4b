"""Which cascades are worth measuring: predicted from answers on validation rows and measured costs.

A cascade costs what its cheap model costs, and for the rows passed on what its expensive one costs.
Of all pairs and thresholds those are taken, one after the other, that add most to the area that the
candidates dominate in quality against the logarithm of the throughput.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Answers = npt.NDArray[np.float32]  # class probabilities, shape (n_rows, n_classes)
Score = Callable[[Answers], float]  # quality of answers to the validation rows; higher is better
Point = tuple[float, float]  # quality, rows per second

PASSED_ON = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5)  # shares of the rows that thresholds are tried for
MIN_SPEED_UP = 3.0  # of the cheap model against the expensive one, below which little can be gained


@dataclass(frozen=True)
class Member:
    """A candidate that a cascade may be made of."""

    name: str
    answers: Answers
    rows_per_s: float


@dataclass(frozen=True)
class Cascade:
    """Two candidates in a row, and what that promises.

    Args:
        cheap: Candidate that answers first.
        expensive: Candidate that answers where the first is not sure.
        threshold: Highest probability from which the first is sure.
        passed_on: Share of the validation rows that the second answers.
        quality: Quality on the validation rows.
        rows_per_s: Predicted throughput.
    """

    cheap: str
    expensive: str
    threshold: float
    passed_on: float
    quality: float
    rows_per_s: float

    def __str__(self) -> str:
        return (
            f"{self.cheap}, and {self.expensive} for the {self.passed_on:.0%} of the rows of which "
            f"the first is less than {self.threshold:.3g} sure"
        )


def choose_cascades(members: Sequence[Member], score: Score, *, n_cascades: int) -> list[Cascade]:
    """Choose the cascades that promise most beyond what single candidates reach.

    Returns:
        None that a single candidate, or one before it, equals in both quality and throughput.
    """
    reached = [(score(member.answers), member.rows_per_s) for member in members]
    possible = list(predict_cascades(members, score))
    chosen: list[Cascade] = []
    while possible and len(chosen) < n_cascades:
        gains = [_area([*reached, (one.quality, one.rows_per_s)]) for one in possible]
        best = int(np.argmax(gains))
        if gains[best] <= _area(reached):
            break
        chosen.append(possible.pop(best))
        reached.append((chosen[-1].quality, chosen[-1].rows_per_s))
    return chosen


def predict_cascades(members: Sequence[Member], score: Score) -> Iterator[Cascade]:
    """Yield every cascade whose second model is better and much slower than its first."""
    qualities = {member.name: score(member.answers) for member in members}
    for cheap in members:
        sureness = cheap.answers.max(axis=1)
        for expensive in members:
            is_slow = cheap.rows_per_s >= MIN_SPEED_UP * expensive.rows_per_s
            if not is_slow or qualities[expensive.name] <= qualities[cheap.name]:
                continue
            for threshold in np.unique(np.quantile(sureness, PASSED_ON)):
                unsure = sureness < threshold
                passed_on = float(unsure.mean())
                mixed = np.where(unsure[:, None], expensive.answers, cheap.answers)
                yield Cascade(
                    cheap=cheap.name,
                    expensive=expensive.name,
                    threshold=float(threshold),
                    passed_on=passed_on,
                    quality=score(mixed),
                    rows_per_s=1 / (1 / cheap.rows_per_s + passed_on / expensive.rows_per_s),
                )


def _area(points: Sequence[Point]) -> float:
    """Return the area dominated in quality against the logarithm of the throughput.

    It is measured from the lowest of both: what no point has is nothing gained.
    """
    worst = min(quality for quality, _ in points)
    slowest = min(rows_per_s for _, rows_per_s in points)
    area, reached = 0.0, worst
    for quality, rows_per_s in sorted(points, key=lambda point: (-point[1], -point[0])):
        if quality > reached:
            area += (quality - reached) * math.log(rows_per_s / slowest)
            reached = quality
    return area
