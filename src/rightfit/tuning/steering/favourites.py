"""Which complete trials the applications would choose."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rightfit.tuning.judge.appraisal import appraise
from rightfit.tuning.judge.demand import Demand
from rightfit.tuning.studies.live_pool import SearchRecord

Floats = npt.NDArray[np.float64]


def find_favourites(search: SearchRecord, demand: Demand) -> list[int]:
    """Return the numbers of the complete trials that applications want, the most wanted first.

    They are scored anew, so an application that the search did not know finds its own too.

    Args:
        search: A search with complete trials.
        demand: What the applications ask for.
    """
    judge = demand.make_judge(search.pool)
    values = [
        [appraise(judge, trial, name) for name in judge.applications] for trial in search.complete
    ]
    qualities = [trial.qualities[-1] for trial in search.complete]
    chosen = cover_wishes(np.array(values), np.array(qualities))
    return [search.complete[position].number for position in chosen]


def cover_wishes(values: Floats, qualities: Floats) -> list[int]:
    """Choose trials until every application has its best among them.

    The best by quality comes first: limits relative to the best quality count from it. Each further
    one is that which adds the most to what the applications have already.

    Args:
        values: Worth of each trial to each application, shape (n_trials, n_applications).
        qualities: Shape (n_trials,).

    Returns:
        Positions of the chosen.

    >>> cover_wishes(np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.4]]), np.array([0.9, 0.6, 0.7]))
    [0, 1]
    """
    chosen = [int(qualities.argmax())]
    while True:
        had = values[chosen].max(axis=0)
        gains = np.maximum(values - had, 0.0).sum(axis=1)
        best = int(gains.argmax())
        if not gains[best] > 0:
            return chosen
        chosen.append(best)
