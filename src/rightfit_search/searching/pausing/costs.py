"""What a model costs to serve and a training takes, by straight lines from a few counts.

Exporting and timing a model at every look would cost more than pausing saves. What it will cost to
serve follows from counts of its structure (parameters, operations, nodes, trees); the lines come
from recorded searches of the family.

A search's budget and its steps count usual CPU seconds, not those that the process took: the same
data, configuration and seed give the same search, whatever else the machine does. A line per
family, fitted to the logarithms of timed trainings (``benchmarks/constants/learn_costs.py``), turns
the counts of a look into CPU seconds of the machine on which they were timed. On tables that it has
not seen it is a factor of up to three or four off, see ``docs/decisions/0023-budgets-of-work.md``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from rightfit.measuring.metrics import METRICS_BY_COLUMN
from rightfit.measuring.serving import Serving
from rightfit_search.searching.pausing.observed import Structure

MIN_SPREAD = 0.02  # no timing repeats better than this
TRAINING_COSTS = "training_costs.json"


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


def predict_cpu_s(family: str, counts: Mapping[str, float]) -> float | None:
    """Return the CPU seconds that a training and its validation usually take.

    Args:
        family: Reference of the family.
        counts: From its :meth:`~rightfit_search.families.family.Family.count_work`.

    Returns:
        ``None`` for a family without a line: what its training takes has to be timed.
    """
    line = _read_lines().get(family)
    return None if line is None else line.predict(counts)


@cache
def _read_lines() -> dict[str, CostLine]:
    document = json.loads(files(__package__).joinpath(TRAINING_COSTS).read_text(encoding="utf-8"))
    return {family: CostLine(**line) for family, line in document.items()}
