"""Assessment: every candidate as one application sees it, with its serving configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from rightfit.measuring.metrics import LATENCY_COLUMNS, METRICS_BY_COLUMN, find_slowdown
from rightfit.ranking.applications.applications import (
    Application,
    LimitKind,
    RankingRules,
    TieKey,
)
from rightfit.ranking.applications.constraints import (
    Judgement,
    Limit,
    judge_profiles,
    measure_excess,
    meets,
    relate_excess,
    resolve_limits,
)
from rightfit.ranking.applications.utility import (
    Bools,
    Floats,
    Ints,
    compute_utility,
    score_metrics,
)
from rightfit.ranking.assessment.configurations import Choice, choose_configurations
from rightfit.ranking.assessment.profile_table import (
    CANDIDATE_KEYS,
    DISTURBED,
    PATH,
    SERVING_KEYS,
    ProfileTable,
    select_profiles,
)


@dataclass(frozen=True)
class Incumbent:
    """An earlier winner that stands.

    Args:
        candidate: Its number.
        otherwise: Row of the profile that would win without the earlier ranking.
    """

    candidate: int
    otherwise: int


@dataclass(frozen=True)
class JudgedLimit:
    """A limit, and how the chosen profile of each candidate stands to it; NaN: not measured.

    Args:
        metric: Limited metric.
        kind: As written in the YAML.
        bound: Its bound for each candidate, shape (n_candidates,) like all arrays.
        value: The value that it is judged by, see :func:`read_limited`.
        excess: By how much the value is beyond the bound, in the metric's unit.
        relative: The same as a share of the bound.
    """

    metric: str
    kind: LimitKind
    bound: Floats
    value: Floats
    excess: Floats
    relative: Floats

    def read(self, number: int) -> dict[str, float | None]:
        """Return a candidate's figures by their names here; ``None``: not measured."""
        figures = {
            name: getattr(self, name)[number] for name in ("bound", "value", "excess", "relative")
        }
        return {name: None if np.isnan(x) else float(x) for name, x in figures.items()}


@dataclass(frozen=True)
class Assessment:
    """Candidates of all datasets as one application sees them.

    Args:
        name: Name of the application.
        application: Its objectives and constraints.
        table: All profiles of its request path.
        rules: Rules of ranking.
        limits: The application's limits over all profiles.
        judgement: Of all profiles, shape (n_rows,).
        undecided: Which profiles break limits only by timings taken while other work disturbed the
            machine, shape (n_rows,): on a quiet one they may keep them, see ``find_slowdown``.
        quiet_utility: Of all profiles, shape (n_rows,), were disturbed timings better by all that
            other work may have worsened them.
        chosen: Row of the profile that represents each candidate, shape (n_candidates,).
        choice: How it was chosen, were there no earlier ranking.
        kept: Winners of an earlier ranking that stand though another would win otherwise, by
            dataset position.
    """

    name: str
    application: Application
    table: ProfileTable
    rules: RankingRules
    limits: tuple[Limit, ...]
    judgement: Judgement
    undecided: Bools
    quiet_utility: Floats
    chosen: Ints
    choice: Choice
    kept: Mapping[int, Incumbent] = field(default_factory=dict)

    @property
    def tie_rule(self) -> tuple[TieKey, ...]:
        """Tie rule that holds for this application."""
        return self.rules.ties.for_application(self.name, self.application)

    @cached_property
    def utility(self) -> Floats:
        """Utility of each candidate, NaN where an objective was not measured."""
        return self.judgement.utility[self.chosen]

    @cached_property
    def feasible(self) -> Bools:
        """Feasibility of each candidate."""
        return self.judgement.feasible[self.chosen]

    @cached_property
    def judged_limits(self) -> list[JudgedLimit]:
        """How the candidates stand to each limit."""
        judged = []
        for limit in (limit.at(self.chosen) for limit in self.limits):
            value = read_limited(self.table, limit, self.chosen)
            excess = measure_excess(value, limit)
            bound, related = np.broadcast_to(limit.bound, value.shape), relate_excess(excess, limit)
            judged.append(JudgedLimit(limit.metric, limit.kind, bound, value, excess, related))
        return judged

    def scores(self, rows: Ints) -> list[Floats]:
        """Return the scores of some profiles, one array per weighted objective."""
        metrics = self.application.weighted()
        values = {metric: self.table.values(metric)[rows] for metric in metrics}
        return score_metrics(values, self.application)


def assess_candidates(
    table: ProfileTable, name: str, application: Application, rules: RankingRules
) -> Assessment:
    """Judge the profiles of the application's request path and choose one for each candidate."""
    table = select_profiles(table, application)
    limits = find_limits(table, application)
    values = {metric: table.values(metric) for metric in application.needed_metrics()}
    judgement = judge_profiles(values, application, limits=limits)
    disturbed = table.frame[DISTURBED].fill_null(value=False).to_numpy()
    quiet = {}  # the metrics as good as disturbed timings may be on a quiet machine
    for metric, measured in values.items():
        slowdown = find_slowdown(metric)
        is_rate = slowdown > 1 and METRICS_BY_COLUMN[metric].better == "higher"
        quiet[metric] = measured * np.where(disturbed, slowdown if is_rate else 1 / slowdown, 1.0)
    undecided = np.isfinite(judgement.excess) & ~np.isnan(judgement.utility)
    undecided &= judgement.excess > 0
    for limit in limits:
        undecided &= meets(limit, quiet[limit.metric])
    rule = rules.ties.for_application(name, application)
    choice = choose_configurations(
        table,
        application,
        judgement,
        limits=limits,
        undecided=undecided,
        rule=rule,
        equal_within=rules.prefer_within,
    )
    return Assessment(
        name,
        application,
        table,
        rules,
        limits,
        judgement,
        undecided,
        compute_utility(quiet, application),
        choice.chosen,
        choice,
    )


def find_limits(table: ProfileTable, application: Application) -> tuple[Limit, ...]:
    """Resolve an application's constraints against the best value measured for each dataset."""
    best = {
        metric: table.best_by_dataset(metric)
        for metric, constraint in application.constraints.items()
        if constraint.max_degradation is not None
    }
    return resolve_limits(application, best)


def read_limited(table: ProfileTable, limit: Limit, rows: Ints) -> Floats:
    """Read the values that a limit is judged by, NaN where nothing proves them.

    A latency percentile that was not measured is no less than a lower one. Where the lower one
    breaks the limit, however much other work slowed it, it is the value: the least it can be.

    Args:
        table: The profiles.
        limit: The limit of these rows.
        rows: Rows of profiles.
    """
    values = table.values(limit.metric)[rows]
    percentiles = tuple(LATENCY_COLUMNS.values())
    if limit.is_floor or limit.metric not in percentiles:
        return values
    disturbed = table.frame[DISTURBED].fill_null(value=False).to_numpy()[rows]
    for lower in reversed(percentiles[: percentiles.index(limit.metric)]):
        least = table.values(lower)[rows] / np.where(disturbed, find_slowdown(lower), 1.0)
        values = np.where(np.isnan(values) & (measure_excess(least, limit) > 0), least, values)
    return values


def describe_chosen(assessment: Assessment) -> pl.DataFrame:
    """Return keys, request path and hardware tier of each candidate's chosen profile."""
    keys = (*CANDIDATE_KEYS, *SERVING_KEYS)
    return assessment.table.frame.select(
        pl.lit(assessment.name).alias("application"),
        pl.col(keys).exclude("n_threads").cast(pl.String),
        pl.col("n_threads").cast(pl.Int64),
        pl.col(PATH),
        pl.col("feeding_ms"),
        pl.col("settings"),
        pl.col("min_hardware_tier_name").alias("hardware_tier"),
    )[assessment.chosen]


def find_twins(assessment: Assessment, rows: Ints | int) -> Bools:
    """Tell whose chosen profile serves the same graph as another one, with other weights.

    Args:
        assessment: The candidates.
        rows: Row of the other profile, of each candidate or of all of them.

    Returns:
        Shape (n_candidates,); nobody is a twin of itself.
    """
    classes = assessment.table.cost_class_of_row
    is_same: Bools = classes[assessment.chosen] == classes[rows]
    are_twins: Bools = is_same & (assessment.chosen != rows)
    return are_twins
