"""Replay searches with and without portfolios: which order, and trained whole or under the rule?

``python benchmarks/portfolios/replay.py`` reads ``recorded/portfolios.parquet``. It reads the
tables that portfolios are learnt on; with ``--aside`` those kept aside instead, on which nothing
was chosen. ``--by-cost`` learns portfolios that begin with what is cheap to train. Budgets are work
(see ``training_costs.py``) in trainings of the family's default. Portfolios are learnt on all other
tables. Each search ends as a live one does. A line per budget and method: the mean utility that
applications lose with its whole trainings against the best of everything recorded, by validated
quality, and the difference to the first method with its standard error, tables as units. Methods:

- ``default, pausing``: the default whole, then drawn configurations under the pausing rule;
- ``default, whole``: the default, then drawn configurations one after the other;
- ``whole``: the portfolio one after the other, then drawn configurations;
- ``pausing``: the portfolio, then drawn configurations, all but the default under the rule;
- ``whole in S, pausing``: the portfolio one after the other within the share S of the budget, then
  what is left of it and drawn configurations under the rule;
- ``whole in S or N, pausing``: the same within N trainings of the default, where that is more.

With ``--parts`` it replays what ships, ``whole in 0.5, pausing``, with one part of the pausing
rule switched off at a time (those of ``benchmarks/stopping_parts.py`` that need no measuring), and
the differences are to the whole rule.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from learn import learn_portfolio
from record import N_CHECKPOINTS, N_DRAWN
from tables import KEPT_ASIDE, LEARNT_ON
from worth import SERVINGS, RecordedTrainings, list_applications, read_recorded, read_samples

from rightfit.parameters.defaults import read_default
from rightfit.ranking.applications.applications import Application, Applications
from rightfit.tuning.pausing.observed import ObservedTrial, Pool
from rightfit.tuning.pausing.pausing_params import PausingParams
from rightfit.tuning.pausing.pausing_rule import ApplicationTargets, PausingRule
from rightfit.tuning.pausing.priors import Prior

sys.path.append(str(Path(__file__).resolve().parents[1]))
from stopping_parts import ABLATIONS, Ablation

PARAMS = PausingParams.model_validate(read_default("training")["pausing"])
BREADTH = 0.25
BUDGETS = (4, 8, 16)
N_ORDERS = 2


@dataclass
class Replay:
    """A search over recorded trainings.

    Args:
        cell: What was recorded.
        order: Numbers of the configurations that are asked for, in their order.
        budget_s: Work that it may spend.
    """

    cell: RecordedTrainings
    order: Sequence[int]
    budget_s: float
    spent_s: float = 0.0
    trials: list[ObservedTrial] = field(default_factory=list)

    def look(self, place: int) -> bool:
        """Train a configuration to its next look; return whether the budget allowed that."""
        whole = self.cell.trials[self.order[place]].looks
        known = self.trials[place].looks if place < len(self.trials) else whole[:1]
        if len(known) == len(whole):
            return False
        cost_s = whole[len(known)].spent_s - known[-1].spent_s
        if self.spent_s + cost_s > self.budget_s and place > 0:
            return False
        self.spent_s += cost_s
        seen = replace(self.cell.trials[self.order[place]], number=place)
        seen = replace(seen, looks=whole[: len(known) + 1])
        self.trials[place : place + 1] = [seen]
        return True

    def train(self, place: int) -> None:
        """Train a configuration as far as the budget allows."""
        while self.look(place):
            pass

    @property
    def pool(self) -> Pool:
        """The trials as far as they went."""
        return Pool(self.trials, N_CHECKPOINTS)

    @property
    def left_s(self) -> float:
        """What is left of the budget."""
        return self.budget_s - self.spent_s


def search_whole(search: Replay, *, share: float = 1.0, n_whole: int | None = None) -> None:
    """Train configurations one after the other within a share of the budget."""
    for place in range(len(search.order) if n_whole is None else n_whole):
        if place and search.spent_s >= share * search.budget_s:
            return
        search.train(place)


def search_by_rule(search: Replay, rule: PausingRule) -> None:
    """Take first looks within their share, then follow the rule, as a live search does."""
    while len(search.trials) < len(search.order):
        usual_s = float(np.mean([trial.looks[1].spent_s for trial in search.trials]))
        if usual_s * (len(search.trials) + 1) > BREADTH * search.budget_s:
            break
        if not search.look(len(search.trials)):
            break
    while (forecast := rule.forecast(search.pool)) is not None:
        step = forecast.choose(search.left_s)
        if step is not None:
            if not search.look(step.number):
                return
        elif len(search.trials) < len(search.order) and forecast.usual_s <= search.left_s:
            if not search.look(len(search.trials)):
                return
        else:
            return


def judge(search: Replay, names: Sequence[str]) -> float:
    """Return the mean utility that applications lose with the whole trainings of a search."""
    trained = [search.order[t.number] for t in search.trials if search.pool.is_trained(t)]
    lost = []
    for name in names:
        utility = search.cell.utility[name]
        if utility.max() > 0:  # else nothing recorded is feasible
            lost.append(utility.max() - utility[trained].max(initial=0.0))
    return float(np.mean(lost)) if lost else float("nan")


@dataclass(frozen=True)
class Method:
    """How a search orders and trains its configurations.

    Args:
        has_portfolio: Whether the portfolio comes first.
        share: Of the budget, within which what comes first is trained whole; 0: the default alone.
        least: Trainings of the default, whose work is allowed for that in any case.
        is_paused: Whether the rest is under the pausing rule; else it is trained whole.
    """

    has_portfolio: bool
    share: float
    is_paused: bool
    least: float = 0.0


BASELINE = "default, pausing"
METHODS = {
    BASELINE: Method(has_portfolio=False, share=0.0, is_paused=True),
    "default, whole": Method(has_portfolio=False, share=1.0, is_paused=False),
    "whole": Method(has_portfolio=True, share=1.0, is_paused=False),
    "pausing": Method(has_portfolio=True, share=0.0, is_paused=True),
    "whole in 0.5, pausing": Method(has_portfolio=True, share=0.5, is_paused=True),
    "whole in 1.0, pausing": Method(has_portfolio=True, share=1.0, is_paused=True),
} | {
    f"whole in 0.5 or {least}, pausing": Method(
        has_portfolio=True, share=0.5, is_paused=True, least=least
    )
    for least in (2, 3, 4)
}


SHIPPED = "whole in 0.5, pausing"
PRIOR_OF_QUALITY = "prior of quality"
PARTS = {ablation.part: ablation for ablation in ABLATIONS} | {
    PRIOR_OF_QUALITY: Ablation(PRIOR_OF_QUALITY)  # here the prior is the cell's own
}
COSTS = ("priors", "prior of costs", "learning of costs")  # recorded costs are the prior's lines


def compare(
    cell: RecordedTrainings,
    portfolio: Sequence[int],
    applications: dict[str, Application],
    budgets: Sequence[float],
    *,
    of_parts: bool,
) -> dict[tuple[float, str], float]:
    """Return the mean loss over orders of each budget and method, or each part switched off."""
    found: dict[tuple[float, str], list[float]] = {}
    entries = [number for number in portfolio if number in cell.trials]
    unit_s = cell.trials[0].last.spent_s
    names = [part for part in PARTS if part not in COSTS] if of_parts else list(METHODS)
    for order, budget, name in itertools.product(range(N_ORDERS), budgets, names):
        method = METHODS[SHIPPED if of_parts else name]
        drawn = [n for n in np.random.default_rng([order]).permutation(list(cell.trials)) if n]
        firsts = entries if method.has_portfolio else [0]
        numbers = [*firsts, *(int(n) for n in drawn if n not in firsts)]
        search = Replay(cell, numbers, budget * unit_s)
        if method.is_paused:
            share = max(method.share, method.least / budget)
            search_whole(search, share=share, n_whole=len(firsts))
            with ExitStack() as patches:
                part = PARTS[name] if of_parts else PARTS["nothing"]
                for constant in part.constants:
                    patches.enter_context(patch.object(*constant))
                search_by_rule(search, make_rule(cell, applications, part))
        else:
            search_whole(search)
        found.setdefault((budget, name), []).append(judge(search, list(applications)))
    return {key: float(np.mean(values)) for key, values in found.items()}


def make_rule(
    cell: RecordedTrainings, applications: dict[str, Application], without: Ablation
) -> PausingRule:
    """Return the rule of a search that knows no other family, with a part switched off."""
    params = PARAMS.model_copy(update=without.pausing)
    prior = Prior(lines=cell.prior.lines) if without.part == PRIOR_OF_QUALITY else cell.prior
    return PausingRule(
        ApplicationTargets(Applications(applications), params, SERVINGS, None, prior)
    )


def replay_tables(
    models: Sequence[str], budgets: Sequence[float], *, of_parts: bool, by_cost: bool, aside: bool
) -> Iterator[tuple[str, Mapping[tuple[float, str], float]]]:
    """Yield each table and its losses, model by model; portfolios are learnt on other tables.

    Args:
        models: Families.
        budgets: In trainings of the default.
        of_parts: Whether parts of the rule are switched off; else methods are compared.
        by_cost: Whether portfolios weigh what an entry's training costs.
        aside: Whether it is the tables that no portfolio was learnt on.
    """
    cells = read_recorded(list_applications())
    samples = read_samples()
    for model in models:
        of_model = [cell for cell in cells if cell.model == model]
        for cell in of_model:
            others = [c for c in of_model if c.table != cell.table and c.table in LEARNT_ON]
            if (cell.table in KEPT_ASIDE) == aside and 0 in cell.trials and others:
                portfolio = learn_portfolio(others, by_cost=by_cost)
                yield cell.table, compare(cell, portfolio, samples, budgets, of_parts=of_parts)


def main() -> None:
    """Replay and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(N_DRAWN))
    parser.add_argument("--budgets", nargs="+", type=float, default=list(BUDGETS))
    parser.add_argument("--parts", action="store_true", help="switch off the rule's parts")
    parser.add_argument("--by-cost", action="store_true", help="most for the cost comes first")
    parser.add_argument("--aside", action="store_true", help="the tables that are kept aside")
    asked = parser.parse_args()
    losses_of = replay_tables(
        asked.models,
        asked.budgets,
        of_parts=asked.parts,
        by_cost=asked.by_cost,
        aside=asked.aside,
    )
    rows: dict[tuple[float, str], dict[str, list[float]]] = {}
    for table, losses in losses_of:
        for key, loss in losses.items():
            rows.setdefault(key, {}).setdefault(table, []).append(loss)
    baseline = "nothing" if asked.parts else BASELINE
    for (budget, method), by_table in rows.items():
        first = rows[budget, baseline]
        lost = np.array([np.nanmean(values) for values in by_table.values()])
        gains = np.array([np.nanmean(first[table]) for table in by_table]) - lost
        error = np.nanstd(gains, ddof=1) / np.sqrt(len(gains))
        print(
            f"{budget:4g} {'without ' if asked.parts else ''}{method:22} "
            f"lost {np.nanmean(lost):.4f}  gain {np.nanmean(gains):+.4f} ± {error:.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
