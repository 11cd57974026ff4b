"""Which complete trials the applications would choose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial, TrialState

from rightfit.tuning.search.cell import Cell
from rightfit.tuning.steering.demand import Demand
from rightfit.tuning.studies.live_pool import read_finished

Floats = npt.NDArray[np.float64]


def find_favourites(
    trials: Sequence[FrozenTrial], cell: Cell, demand: Demand, *, n_checkpoints: int
) -> list[int]:
    """Return the numbers of the complete trials that applications want, the most wanted first.

    They are scored anew, so an application that the search did not know finds its own too.

    Args:
        trials: All trials of the study, some of them complete.
        cell: What was searched.
        demand: What the applications ask for.
        n_checkpoints: Looks of a whole training.
    """
    outlook = demand.make_rule().survey(read_finished(trials, cell, n_checkpoints=n_checkpoints))
    complete = [trial.number for trial in trials if trial.state == TrialState.COMPLETE]
    if outlook is None or not complete:
        return []
    names = list(demand.applications.root)
    values = [[outlook.appraise(number, name) for name in names] for number in complete]
    by_number = {trial.number: trial.qualities[-1] for trial in outlook.pool.trials}
    chosen = select_covering_trials(np.array(values), np.array([by_number[n] for n in complete]))
    return [complete[position] for position in chosen]


def select_covering_trials(values: Floats, qualities: Floats) -> list[int]:
    """Choose trials until every application has its best among them.

    The best by quality comes first: limits relative to the best quality count from it. Each further
    one is that which adds the most to what the applications have already.

    Args:
        values: Worth of each trial to each application, shape (n_trials, n_applications).
        qualities: Shape (n_trials,).

    Returns:
        Positions of the chosen.

    >>> values = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.4]])
    >>> select_covering_trials(values, np.array([0.9, 0.6, 0.7]))
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
