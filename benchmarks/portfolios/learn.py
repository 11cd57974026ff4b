"""Learn each family's portfolio, and how much it gains on tables that it was not learnt on.

``python benchmarks/portfolios/learn.py`` reads ``recorded/portfolios.parquet`` and prints, for each
family, the entries in order, and for all of them the mean utility of what the sample applications
would choose after so many whole trainings: of the portfolio learnt on all other tables (leave one
out), and of the default followed by configurations at random. The lists in
``rightfit/defaults/parameters_models.yml`` are learnt on all tables of ``LEARNT_ON``; each says
how its quality, its parameters and its training relate to the default's.

A portfolio begins with the default. Each further entry is the one that adds most utility on
average over tables and applications (greedy submodular maximisation: Nemhauser, Wolsey and Fisher
1978; for portfolios of configurations Wistuba et al. 2015). With ``--by-cost`` it is the one that
adds most for what its training costs (Streeter and Golovin 2008).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from record import N_DRAWN
from tables import KEPT_ASIDE, LEARNT_ON
from worth import (
    Floats,
    RecordedTrainings,
    is_whole,
    list_applications,
    read_recorded,
    read_samples,
)

from rightfit.tuning.pausing.observed import Seen

MAX_ENTRIES = 16
MIN_GAIN = 2e-3  # of utility, on average over tables and applications
TRAININGS = (1, 2, 3, 4, 6, 8, 12)
N_ORDERS = 50


def learn_portfolio(cells: Sequence[RecordedTrainings], *, by_cost: bool = False) -> list[int]:
    """Return numbers of configurations, the default first, the most useful of the rest next.

    Args:
        cells: One family's recordings on several tables.
        by_cost: Whether an entry's gain counts per unit of its training; else by itself.
    """
    worth = stack_worth(cells)
    costs = np.ones(worth.shape[1])
    if by_cost:
        costs = np.array([cost_in_defaults(cells, number) for number in range(worth.shape[1])])
    chosen = [0]
    while len(chosen) < MAX_ENTRIES:
        reached = worth[:, chosen].max(axis=1, keepdims=True)
        gains = np.maximum(worth - reached, 0.0).mean(axis=0)
        gains[gains < MIN_GAIN] = 0.0
        rates = gains / costs
        if not rates.any():
            break
        chosen.append(int(rates.argmax()))
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
    rows = [np.resize(one, n_numbers) for cell in cells for one in _pad(cell, n_numbers)]
    return np.array(rows)


def _pad(cell: RecordedTrainings, n_numbers: int) -> list[Floats]:
    return [np.concatenate([one, np.zeros(n_numbers - len(one))]) for one in cell.own.values()]


def judge_order(cell: RecordedTrainings, order: Sequence[int], names: Sequence[str]) -> list[float]:
    """Return mean tested utility of what is chosen after so many of ``TRAININGS``."""
    means = []
    for n_trained in TRAININGS:
        trained = [number for number in order[:n_trained] if number < len(cell.utility[names[0]])]
        found = []
        for name in names:
            utility = cell.utility[name][trained]
            chosen = trained[int(utility.argmax())]
            found.append(cell.tested[name][chosen] if utility.max() > 0 else 0.0)
        means.append(float(np.mean(found)))
    return means


def compare(
    cells: Sequence[RecordedTrainings], names: Sequence[str], *, by_cost: bool
) -> Iterator[dict[str, Any]]:
    """Yield a row per table: mean tested utility after ``TRAININGS`` of each order.

    Args:
        cells: One family's recordings.
        names: Applications that choose; portfolios are learnt for all of them.
        by_cost: Whether portfolios weigh what an entry's training costs.
    """
    rng = np.random.default_rng(0)
    n_numbers = N_DRAWN[cells[0].model]
    for cell in cells:
        others = [c for c in cells if c.table != cell.table and c.table in LEARNT_ON]
        portfolio = learn_portfolio(others, by_cost=by_cost)
        rest = [n for n in range(n_numbers) if n not in portfolio]
        orders = [[0, *(1 + rng.permutation(n_numbers - 1))] for _ in range(N_ORDERS)]
        yield {
            "table": cell.table,
            "portfolio": judge_order(cell, [*portfolio, *rest], names),
            "random": np.mean([judge_order(cell, o, names) for o in orders], axis=0).tolist(),
        }


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
    """Learn, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(N_DRAWN), choices=list(N_DRAWN))
    parser.add_argument("--by-cost", action="store_true", help="most for the cost comes first")
    asked = parser.parse_args()
    cells = read_recorded(list_applications())
    rows = []
    for model in asked.models:
        of_model = [cell for cell in cells if cell.model == model]
        learnt_on = [cell for cell in of_model if cell.table in LEARNT_ON]
        if not learnt_on:
            continue
        rows += list(compare(of_model, list(read_samples()), by_cost=asked.by_cost))
        print(f"  {model}:\n    portfolio:")
        for number in learn_portfolio(learnt_on, by_cost=asked.by_cost)[1:]:
            print("      -", describe_entry(learnt_on, number))
    print("trainings:", *TRAININGS)
    for title, part in (("tables left out", LEARNT_ON), ("tables kept aside", KEPT_ASIDE)):
        tables = [table for table in part if any(row["table"] == table for row in rows)]
        means = {
            order: np.array(
                [np.mean([r[order] for r in rows if r["table"] == t], axis=0) for t in tables]
            )
            for order in ("portfolio", "random")
        }
        gain = means["portfolio"] - means["random"]
        error = gain.std(axis=0, ddof=1) / np.sqrt(len(tables))
        for order, values in means.items():
            print(f"{title} ({len(tables)}), {order}:", *values.mean(axis=0).round(3))
        print("  gain:", *gain.mean(axis=0).round(3), "standard error:", *error.round(3))


if __name__ == "__main__":
    main()
