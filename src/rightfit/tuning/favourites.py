"""Which complete trials the applications would choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import optuna
from optuna.trial import TrialState

from rightfit.tuning.appraisal import appraise
from rightfit.tuning.budget import finished_trials
from rightfit.tuning.live_pool import observe_pool

if TYPE_CHECKING:
    from rightfit.tuning.search import Cell, SearchSettings

Floats = npt.NDArray[np.float64]


def find_favourites(study: optuna.Study, cell: Cell, settings: SearchSettings) -> list[int]:
    """Return the numbers of the complete trials that applications want, the most wanted first.

    They are scored anew, so an application that the search did not know finds its own too.

    Args:
        study: The search.
        cell: What was searched.
        settings: How; without a demand there are no favourites.
    """
    if settings.demand is None:
        return []
    finished = finished_trials(study)
    pool = observe_pool(finished, cell, n_checkpoints=settings.n_checkpoints)
    judge = settings.demand.make_judge()
    judge.learn(pool)
    complete = {trial.number for trial in finished if trial.state == TrialState.COMPLETE}
    trials = [trial for trial in pool.trials if trial.number in complete]
    values = np.array(
        [[appraise(judge, trial, name) for name in judge.applications] for trial in trials]
    )
    qualities = np.array([trial.qualities[-1] for trial in trials])
    return [trials[position].number for position in cover_wishes(values, qualities)]


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
