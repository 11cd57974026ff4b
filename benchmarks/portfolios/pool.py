"""Should families share one budget per dataset? Whole trainings replayed from the recording.

``python benchmarks/portfolios/pool.py`` spends the same work on each table in several ways, and
prints the mean tested utility of the sample applications' choices, tables as units:

- ``split``: each family gets the same share, spent on its default and its portfolio in order;
- ``split, ordered``: the same shares, but after its default a family trains first the configuration
  that promises the applications most for its cost;
- ``pool``: every default that fits its share, then whatever promises most of all families;
- ``all``: everything that was recorded, at any cost: what no order of the same can exceed by much.

A configuration promises what it added to its family's default on the other tables: the mean, over
these, of how far the default here plus that gain exceeds the best so far, over the square root of
its cost. Portfolios and promises are learnt on other tables. Budgets are multiples of the mean work
of a default, for each family.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
from learn import learn_portfolio
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

BUDGETS = (1, 2, 4, 8)
MODELS = ("linear", "forest", "boosting", "lightgbm", "xgboost", "net", "svm", "knn")
COST_EXPONENT = 0.5  # as in parameters_training.yml

Key = tuple[str, int]  # of a configuration: model, number


class Table:
    """The families' trainings on one table.

    Args:
        cells: By model.
        names: Applications that choose.
    """

    def __init__(self, cells: Mapping[str, RecordedTrainings], names: Sequence[str]) -> None:
        self.cells = cells
        self.names = names
        self.cost_s: dict[Key, float] = {
            (model, number): trial.last.spent_s or 0.0
            for model, cell in cells.items()
            for number, trial in cell.trials.items()
            if is_whole(trial)
        }

    def utility(self, key: Key) -> Floats:
        """Return what a configuration is worth by validated quality, shape (n_applications,)."""
        return np.array([self.cells[key[0]].utility[name][key[1]] for name in self.names])

    def judge(self, trained: Sequence[Key]) -> float:
        """Return the mean tested utility of what the applications choose."""
        found = []
        for place, name in enumerate(self.names):
            worth = [self.utility(key)[place] for key in trained]
            best = int(np.argmax(worth)) if worth else 0
            model, number = trained[best] if trained else ("", 0)
            is_any = bool(worth) and worth[best] > 0
            found.append(float(self.cells[model].tested[name][number]) if is_any else 0.0)
        return float(np.mean(found))


class Promises:
    """What configurations added to their family's default on other tables.

    Args:
        others: These tables.
    """

    def __init__(self, others: Sequence[Table]) -> None:
        self._others = others

    def choose(
        self, table: Table, trained: Sequence[Key], left_s: Mapping[str, float]
    ) -> Key | None:
        """Return the untrained configuration that promises most for its cost, if any promises.

        Args:
            table: Where.
            trained: So far; the defaults tell what a family is worth here.
            left_s: Work that each family has left.
        """
        best = np.max([table.utility(key) for key in trained], axis=0)
        found: tuple[float, Key] | None = None
        for model in {key[0] for key in trained if key[1] == 0}:
            for key in (k for k in table.cost_s if k[0] == model and k not in trained):
                cost_s = self._expect_s(table, key)
                if not cost_s <= left_s[model]:
                    continue
                gain = self._expect_gain(table, key, best)
                promise = gain / cost_s**COST_EXPONENT
                if gain > 0 and (found is None or promise > found[0]):
                    found = promise, key
        return None if found is None else found[1]

    def _expect_s(self, table: Table, key: Key) -> float:
        default = (key[0], 0)
        ratios = [
            other.cost_s[key] / other.cost_s[default]
            for other in self._others
            if key in other.cost_s and default in other.cost_s
        ]
        return float(table.cost_s[default] * np.median(ratios)) if ratios else np.inf

    def _expect_gain(self, table: Table, key: Key, best: Floats) -> float:
        default = (key[0], 0)
        gains = [
            other.utility(key) - other.utility(default)
            for other in self._others
            if key in other.cost_s and default in other.cost_s
        ]
        reached = np.clip(table.utility(default) + np.array(gains), 0.0, 1.0)
        return float(np.maximum(reached - best, 0.0).mean())


def spend_split(table: Table, orders: Mapping[str, Sequence[int]], share_s: float) -> list[Key]:
    """Train each family's configurations in order, as far as its share allows."""
    trained = []
    for model, order in orders.items():
        left_s = share_s
        for number in order:
            cost_s = table.cost_s.get((model, number))
            if cost_s is not None and cost_s <= left_s:
                left_s -= cost_s
                trained.append((model, number))
    return trained


def spend_promising(
    table: Table, promises: Promises, share_s: float, *, is_shared: bool
) -> list[Key]:
    """Train the defaults that fit a share, then what promises most."""
    models = list(table.cells)
    left_s = dict.fromkeys(models, share_s)
    trained: list[Key] = []

    def pay(key: Key) -> None:
        trained.append(key)
        for model in models if is_shared else [key[0]]:
            left_s[model] -= table.cost_s[key]

    defaults = sorted(
        (table.cost_s[model, 0], model) for model in models if (model, 0) in table.cost_s
    )
    if is_shared:
        left_s = dict.fromkeys(models, share_s * len(models))
    for cost_s, model in defaults:
        if cost_s <= min(share_s, left_s[model]):
            pay((model, 0))
    while trained and (key := promises.choose(table, trained, left_s)) is not None:
        pay(key)
    return trained


def main() -> None:
    """Replay and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--by-cost", action="store_true", help="entries by gain for their cost")
    asked = parser.parse_args()
    names = list(read_samples())
    cells = [one for one in read_recorded(list_applications()) if one.model in MODELS]
    tables = {}
    for name in {cell.table: None for cell in cells}:
        of_table = {cell.model: cell for cell in cells if cell.table == name}
        if len(of_table) >= 4:
            tables[name] = Table(of_table, names)
    rng = np.random.default_rng(0)
    found: dict[str, dict[str, list[float]]] = {}
    for name, table in tables.items():
        others = [one for other, one in tables.items() if other != name and other in LEARNT_ON]
        promises = Promises(others)
        orders = {}
        for model in table.cells:
            learnt = [one.cells[model] for one in others if model in one.cells]
            portfolio = learn_portfolio(learnt, by_cost=asked.by_cost)
            rest = [n for n in range(N_DRAWN[model]) if n not in portfolio]
            orders[model] = [*portfolio, *rng.permutation(rest).tolist()]
        default_s = float(
            np.mean([table.cost_s[m, 0] for m in table.cells if (m, 0) in table.cost_s])
        )
        found[name] = {way: [] for way in ("split", "split, ordered", "pool", "all")}
        for budget in BUDGETS:
            share_s = budget * default_s
            ways = {
                "split": spend_split(table, orders, share_s),
                "split, ordered": spend_promising(table, promises, share_s, is_shared=False),
                "pool": spend_promising(table, promises, share_s, is_shared=True),
                "all": list(table.cost_s),
            }
            for way, trained in ways.items():
                found[name][way].append(table.judge(trained))
    print("budgets (mean defaults a family):", *BUDGETS)
    for title, part in (("tables left out", LEARNT_ON), ("tables kept aside", KEPT_ASIDE)):
        mine = [found[name] for name in part if name in found]
        means = {way: np.array([one[way] for one in mine]) for way in mine[0]}
        for way, values in means.items():
            gain = values - means["split"]
            error = gain.std(axis=0, ddof=1) / np.sqrt(len(mine))
            print(
                f"{title} ({len(mine)}), {way}:",
                *values.mean(axis=0).round(3),
                "gain:",
                *gain.mean(axis=0).round(3),
                "±",
                *error.round(3),
            )


if __name__ == "__main__":
    main()
