"""Learn each family's portfolio: the lists in ``searching/default_values/parameters_models.yml``.

``python benchmarks/constants/learn_portfolios.py`` reads ``recorded/portfolios.parquet`` and prints
each family's entries in order, learnt on all tables of ``LEARNT_ON``; each says how its quality,
its parameters and its training relate to the default's.

A portfolio begins with the default. Each further entry is the one that adds most utility on
average over tables and applications (greedy submodular maximisation: Nemhauser, Wolsey and Fisher
1978; for portfolios of configurations Wistuba et al. 2015).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from record_portfolios import N_DRAWN
from recorded_worth import Floats, RecordedTrainings, is_whole, list_applications, read_recorded
from tables import LEARNT_ON

from rightfit_search.searching.pausing.observed import Seen

MAX_ENTRIES = 16
MIN_GAIN = 2e-3  # of utility, on average over tables and applications


def learn_portfolio(cells: Sequence[RecordedTrainings]) -> list[int]:
    """Return numbers of configurations, the default first, the most useful of the rest next.

    Args:
        cells: One family's recordings on several tables.
    """
    worth = stack_worth(cells)
    chosen = [0]
    while len(chosen) < MAX_ENTRIES:
        reached = worth[:, chosen].max(axis=1, keepdims=True)
        gains = np.maximum(worth - reached, 0.0).mean(axis=0)
        gains[gains < MIN_GAIN] = 0.0
        if not gains.any():
            break
        chosen.append(int(gains.argmax()))
    return chosen


def cost_in_defaults(cells: Sequence[RecordedTrainings], number: int) -> float:
    """Return what training a configuration costs, in trainings of the default on the same tables.

    Args:
        cells: One family's recordings.
        number: The configuration's; the cost of one that was nowhere trained whole is infinite.
    """
    both = _with_default(cells, number)
    if not both:
        return np.inf
    ratios = [cell.trials[number].last.spent_s / cell.trials[0].last.spent_s for cell in both]
    return float(np.exp(np.mean(np.log(ratios))))


def _with_default(cells: Sequence[RecordedTrainings], number: int) -> list[RecordedTrainings]:
    """Return the cells where a configuration and the default were trained whole."""
    return [c for c in cells if all(n in c.trials and is_whole(c.trials[n]) for n in (0, number))]


def stack_worth(cells: Sequence[RecordedTrainings]) -> Floats:
    """Return what each configuration is worth, shape (n_tables · n_applications, n_numbers)."""
    n_numbers = N_DRAWN[cells[0].model]
    worth = [one for cell in cells for one in cell.own.values()]
    return np.array([np.pad(one, (0, n_numbers - len(one))) for one in worth])


def describe_entry(cells: Sequence[RecordedTrainings], number: int) -> str:
    """Return an entry as YAML, with a remark on what it is for."""
    both = _with_default(cells, number)
    ends = [(cell.trials[number].last, cell.trials[0].last) for cell in both]
    quality = np.mean([(one.quality or 0.0) - (default.quality or 0.0) for one, default in ends])
    size = np.exp(np.mean([np.log(_count(one) / _count(default)) for one, default in ends]))
    training = cost_in_defaults(cells, number)
    searched = next(c.searched[number] for c in cells if number in c.searched)
    shown = ", ".join(f"{name}: {_round(value)}" for name, value in searched.items())
    remark = f"quality {quality:+.3f}, size x {size:.2g}, training x {training:.2g}"
    return f"{{{shown}}}  # {remark}"


def _count(look: Seen) -> float:
    return (look.structure or {})["n_parameters"]


def _round(value: object) -> object:
    return float(f"{value:.2g}") if isinstance(value, float) else value


def main() -> None:
    """Learn and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(N_DRAWN), choices=list(N_DRAWN))
    asked = parser.parse_args()
    cells = read_recorded(list_applications())
    for model in asked.models:
        learnt_on = [cell for cell in cells if cell.model == model and cell.table in LEARNT_ON]
        if not learnt_on:
            continue
        print(f"  {model}:\n    portfolio:")
        for number in learn_portfolio(learnt_on)[1:]:
            print("      -", describe_entry(learnt_on, number))


if __name__ == "__main__":
    main()
