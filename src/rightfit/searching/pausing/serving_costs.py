"""What a model will cost to serve, from its structure.

Exporting and timing a model at every look would cost more than pausing saves. Costs follow from a
few counts (parameters, operations, nodes, trees): a straight line with coefficients of at least 0.
The lines come from recorded searches of the family.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rightfit.measuring.metrics import METRICS_BY_COLUMN
from rightfit.measuring.serving import Serving
from rightfit.searching.pausing.observed import Structure

MIN_SPREAD = 0.02  # no timing repeats better than this


@dataclass(frozen=True)
class CostLine:
    """``cost = intercept + slopes · counts``; of metrics of which more is better, the inverse.

    Args:
        intercept: What an empty model costs; ``None`` for what can't be measured.
        slopes: At least 0 each, by the name of the count.
        spread: Standard deviation of the logarithm of costs around the line.
    """

    intercept: float | None
    slopes: Mapping[str, float]
    spread: float

    def predict(self, structure: Structure) -> float:
        """Return the cost of a structure."""
        if self.intercept is None:
            return math.nan
        return self.intercept + sum(c * structure.get(n, 0.0) for n, c in self.slopes.items())


Lines = Mapping[tuple[Serving, str], CostLine]


class ServingCosts:
    """The cost model of one cell.

    Args:
        lines: Lines of earlier searches.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def predict(
        self, structure: Structure | None, serving: Serving, metric: str
    ) -> tuple[float, float]:
        """Return what a model will cost, and the standard deviation of its logarithm.

        Nothing known is the best that could be; NaN stands for what can't be measured.
        """
        line = self._lines.get((serving, metric))
        if line is None or structure is None:
            return to_cost(metric, 0.0), 0.0
        return to_cost(metric, line.predict(structure)), max(line.spread, MIN_SPREAD)


def to_cost(metric: str, value: float) -> float:
    """Return a metric as a cost, or a cost as its metric: the inverse where more is better."""
    if METRICS_BY_COLUMN[metric].better == "lower" or math.isnan(value):
        return value
    return 1.0 / value if value > 0 else math.inf
