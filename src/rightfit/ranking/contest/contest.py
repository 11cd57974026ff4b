"""Contest: every candidate judged by one application, each with its best serving configuration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rightfit.ranking.applications.applications import Application
from rightfit.ranking.applications.constraints import (
    Judgement,
    Limit,
    judge_profiles,
    resolve_limits,
)
from rightfit.ranking.applications.tie_rules import RankingRules, TieKey
from rightfit.ranking.applications.utility import Bools, Floats, Ints
from rightfit.ranking.contest.configuration_choice import choose_configurations
from rightfit.ranking.contest.profile_table import ProfileTable


@dataclass(frozen=True)
class Contest:
    """Candidates of all datasets as one application sees them.

    Args:
        name: Name of the application.
        application: Who judges.
        table: All profiles.
        rules: Rules of ranking.
        limits: The application's limits over all profiles.
        judgement: Of all profiles, shape (n_rows,).
        chosen: Row of the profile that stands for each candidate, shape (n_candidates,).
    """

    name: str
    application: Application
    table: ProfileTable
    rules: RankingRules
    limits: tuple[Limit, ...]
    judgement: Judgement
    chosen: Ints

    @property
    def tie_rule(self) -> tuple[TieKey, ...]:
        """Tie rule that holds for this application."""
        return self.rules.ties.for_application(self.name)

    @cached_property
    def utility(self) -> Floats:
        """Utility of each candidate, NaN where an objective was not measured."""
        return self.judgement.utility[self.chosen]

    @cached_property
    def feasible(self) -> Bools:
        """Feasibility of each candidate."""
        return self.judgement.feasible[self.chosen]


def hold_contest(
    table: ProfileTable, name: str, application: Application, rules: RankingRules
) -> Contest:
    """Judge all profiles and choose the one that stands for each candidate."""
    limits = find_limits(table, application)
    judgement = judge_profiles(read_values(table, application), application, limits=limits)
    chosen = choose_configurations(table, judgement, rules.ties.for_application(name))
    return Contest(name, application, table, rules, limits, judgement, chosen)


def find_limits(table: ProfileTable, application: Application) -> tuple[Limit, ...]:
    """Resolve an application's constraints against the best value measured for each dataset."""
    best = {
        metric: table.best_by_dataset(metric)
        for metric, constraint in application.constraints.items()
        if constraint.max_degradation is not None
    }
    return resolve_limits(application, best)


def read_values(table: ProfileTable, application: Application) -> dict[str, Floats]:
    """Return the profiles' values of every metric the application needs."""
    return {metric: table.values(metric) for metric in application.needed_metrics()}
