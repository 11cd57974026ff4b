"""What training costs, predicted from a family's counts of its work.

A search's budget and its steps count these CPU seconds, not those that the process took: the same
data, configuration and seed give the same search, whatever else the machine does. A line per
family with coefficients of at least 0, fitted to the logarithms of timed trainings
(``benchmarks/constants/learn_costs.py``), turns the counts of a look into CPU seconds of the
machine on which they were timed. On tables that it has not seen it is a factor of up to three or
four off, see ``docs/decisions/0023-budgets-of-work.md``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from rightfit.searching.pausing.serving_costs import CostLine

SHIPPED = "training_costs.json"


def predict_cpu_s(family: str, counts: Mapping[str, float]) -> float | None:
    """Return the CPU seconds that a training and its validation usually take.

    Args:
        family: Import path of the family.
        counts: From its :meth:`~rightfit.models.family.Family.count_work`.

    Returns:
        ``None`` for a family without a line: what its training takes has to be timed.
    """
    line = _read_lines().get(name_line(family))
    return None if line is None else line.predict(counts)


def name_line(family: str) -> str:
    """Return the name of a family's line.

    >>> name_line("rightfit.models.forest"), name_line("sklearn:sklearn.svm.SVC")
    ('forest', 'sklearn:sklearn.svm.SVC')
    """
    return family.removeprefix("rightfit.models.").removeprefix("libraries.")


@cache
def _read_lines() -> dict[str, CostLine]:
    document = json.loads(files(__package__).joinpath(SHIPPED).read_text(encoding="utf-8"))
    return {family: CostLine(**line) for family, line in document.items()}
