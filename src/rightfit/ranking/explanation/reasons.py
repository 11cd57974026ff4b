"""Reasons: what became of each candidate, and why, one sentence each, for all candidates at once.

Outcomes are ``winner``; ``unmeasured`` (a metric the application needs is missing); ``violates``
(breaks a limit); ``undecided`` (breaks limits, or is worth less than the winner, only by timings
that other work on the machine disturbed); ``equal`` (feasible, its utility differs from the
winner's by less than ``equal_within``); ``open`` (feasible, and none beats it significantly);
``dominated`` (a feasible rival is at least as good in every objective and better in one);
``outscored`` (all others).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit._core.formatting import add_unit, format_number, format_quality, format_share
from rightfit._core.typed_tables import table_schema, write_rows
from rightfit.measuring.naming import metric_name, metric_unit, name_candidate
from rightfit.measuring.profile import complete_columns
from rightfit.measuring.serving import Serving
from rightfit.ranking.application_ranking import (
    ApplicationRanking,
    find_near_best,
    place_in_objectives,
)
from rightfit.ranking.applications.applications import UTILITY
from rightfit.ranking.applications.utility import Bools, Ints, make_additive
from rightfit.ranking.assessment.assessment import (
    Assessment,
    describe_chosen,
    find_twins,
)
from rightfit.ranking.assessment.configurations import (
    MAX_HALF_WIDTH,
    tie_preference,
)
from rightfit.ranking.assessment.pareto import find_dominators
from rightfit.ranking.assessment.profile_table import SERVING_KEYS

Names = npt.NDArray[np.object_]

NO_RIVAL = -1
TWINS = "both are one graph with other weights, so only quality tells them apart"
NOT_AHEAD = "it is not ahead of one thread by more than it varies from process to process"
TOO_WIDE = f"a figure is known to no better than \N{PLUS-MINUS SIGN}{format_share(MAX_HALF_WIDTH)}"


@dataclass(frozen=True)
class Outcome:
    """What became of a candidate, and why; see :class:`Rejection` for the fields of both.

    ``is_equal``: practically equal to its rival, for which ``preference`` names what decides.
    """

    outcome: str
    metric: str
    is_equal: bool
    preference: str
    rival: str | None
    is_twin: bool
    value: float | None
    rival_value: float | None
    limit: float | None
    excess: float | None
    reason: str = ""


def explain_candidates(ranked: ApplicationRanking) -> pl.DataFrame:
    """Explain every candidate's place: a row of :class:`Outcome` each, by number."""
    explained = _Explanation(ranked)
    return write_rows(map(explained.explain, range(len(ranked.rank))), Outcome)


class _Explanation:
    """An application's ranking, as far as the candidates' places follow from it."""

    def __init__(self, ranked: ApplicationRanking) -> None:
        self.assessment = assessment = ranked.assessment
        table, rows = assessment.table, assessment.chosen
        self.ranked = ranked
        self.is_winner = (ranked.rank == 1) & assessment.feasible
        self.rivals, self.is_equal, self.is_dominated = _find_rivals(ranked)
        self.may_gain = _find_undecided_rivals(ranked)
        self.decisive = _find_decisive(assessment, self.rivals, is_winner=self.is_winner)
        self.are_twins = find_twins(assessment, rows[self.rivals])
        self.preferences = _find_preferences(assessment, self.rivals)
        self.values = {
            name: table.values(name)[rows] for name in assessment.application.needed_metrics()
        }
        self.limits = assessment.judged_limits
        for limit in self.limits:
            measured = self.values[limit.metric]
            self.values[limit.metric] = np.where(np.isnan(limit.value), measured, limit.value)
        self.scales = [table.scale_of_quality(dataset) for dataset in range(len(table.datasets))]
        profiles = complete_columns(table.frame[rows])
        self.names = profiles["candidate"].to_list()
        self.null_reasons = profiles["null_reasons"].to_list()

    def explain(self, number: int) -> Outcome:
        missing = next((name for name, of in self.values.items() if np.isnan(of[number])), None)
        outcome, is_feasible = self.find_outcome(number, missing), self.assessment.feasible[number]
        metric, limit, excess = missing or str(self.decisive[number]), None, None
        if missing is None and not is_feasible:
            broken = max(self.limits, key=lambda limit: limit.relative[number])
            metric, limit, excess = broken.metric, broken.bound[number], broken.excess[number]
        rival = int(self.rivals[number])
        value, other = self.values[metric][number], self.values[metric][rival]
        shown, factor, offset = metric, 1.0, 0.0
        scale = self.scales[self.assessment.table.dataset_of_candidate[number]]
        if metric == "quality" and scale is not None:  # in the metric of the dataset
            shown, (factor, offset) = "quality_raw", scale
        explained = Outcome(
            outcome=outcome,
            metric=metric,
            is_equal=bool(self.is_equal[number]),
            preference=str(self.preferences[number]) if self.is_equal[number] else "",
            rival=None if rival == NO_RIVAL else self.names[rival],
            is_twin=rival != NO_RIVAL and bool(self.are_twins[number]),
            value=_number(factor * value + offset),
            rival_value=None if rival == NO_RIVAL else _number(factor * other + offset),
            limit=None if limit is None else _number(factor * limit + offset),
            excess=None if excess is None else _number(factor * excess),
        )
        sentence = self.word(number, explained, shown)
        if explained.is_twin:
            sentence += f"; {TWINS}"
        return replace(explained, reason=f"{sentence}{self.name_passed_over(number)}")

    def find_outcome(self, number: int, missing: str | None) -> str:
        cases = (
            ("winner", self.is_winner[number]),
            ("unmeasured", missing is not None),
            ("undecided", self.assessment.undecided[self.assessment.chosen[number]]),
            ("violates", not self.assessment.feasible[number]),
            ("equal", self.is_equal[number]),
            ("open", self.ranked.may_be_best[number]),
            ("undecided", self.may_gain[number]),
            ("dominated", self.is_dominated[number]),
        )
        return next((name for name, holds in cases if holds), "outscored")

    def word(self, number: int, explained: Outcome, shown: str) -> str:
        label, rival, metric = metric_name(shown), explained.rival, explained.metric
        unit = metric_unit(metric)
        null_reason = (self.null_reasons[number] or {}).get(metric)
        utility = format_quality(self.assessment.utility[number])
        rival_utility = format_quality(self.assessment.utility[self.rivals[number]])
        value, limit, excess = (
            add_unit(format_number(figure), unit)
            for figure in (explained.value, explained.limit, explained.excess)
        )
        against = f"{label} ({value} against {format_number(explained.rival_value)})"
        scored = f"utility {utility} against {rival_utility} of {rival}"
        violation = ""
        if explained.limit is not None and explained.value is not None:
            is_low = explained.value < explained.limit
            bound = f"below the {limit} required" if is_low else f"above the {limit} allowed"
            least = "at least " if null_reason else ""  # by a lower percentile
            violation = f"breaks a limit: {label} is {least}{value}, {excess} {bound}"
        match explained.outcome:
            case "winner" if rival is None:
                return f"the only feasible candidate, utility {utility}"
            case "winner" | "equal" if explained.is_equal:
                return (
                    f"practically equal to {rival} (utility {utility} against {rival_utility}): "
                    f"{explained.preference} decides"
                )
            case "winner":
                return f"highest {scored}; ahead most on {against}"
            case "unmeasured":
                return f"not measured: {label}" + (f" ({null_reason})" if null_reason else "")
            case "violates":
                return violation
            case "undecided":
                chance = "meet it" if violation else "be better"
                disturbed = "but other work disturbed the machine meanwhile, so it may"
                return f"{violation or scored}; {disturbed} {chance}"
            case "open":
                return f"{scored}; not told apart by these measurements"
            case "dominated":
                return f"dominated by {rival}: better in no objective, worse on {against}"
            case _:
                return f"{scored}; loses most on {against}"

    def name_passed_over(self, number: int) -> str:
        """Name the serving configuration that only a rule kept from being chosen, and the rule."""
        choice = self.assessment.choice
        row = int(choice.otherwise[number])
        if choice.is_allowed[row]:
            return ""
        label = Serving(*self.assessment.table.frame.select(SERVING_KEYS).row(row)).label
        return f"; not served as {label}: {TOO_WIDE if choice.is_wide[row] else NOT_AHEAD}"


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _find_rivals(ranked: ApplicationRanking) -> tuple[Ints, Bools, Bools]:
    """Return each candidate's rival, whether it is practically equal to it, or dominated by one.

    The rival is the winner, or what dominates the candidate; a winner's is the best of the others,
    of practically equal ones where there are any.
    """
    assessment, n = ranked.assessment, len(ranked.rank)
    rival: Ints = np.full(n, NO_RIVAL, dtype=np.int64)
    equal, dominated = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    for part in assessment.table.candidate_slices:
        candidates = ranked.order[part]
        candidates = candidates[assessment.feasible[candidates]]
        if len(candidates) < 2:
            continue
        utility, within = assessment.utility[candidates], assessment.rules.equal_within
        near = (utility == utility[0]) | (np.abs(utility - utility[0]) < within)
        equal[candidates] = near & (near.sum() > 1)
        dominator = find_dominators(place_in_objectives(assessment, candidates))
        lost = (dominator >= 0) & ~near & ~ranked.may_be_best[candidates]
        dominated[candidates] = lost
        rival[candidates] = candidates[np.where(lost, dominator, 0)]
        equals = np.flatnonzero(near[1:])
        rival[candidates[0]] = candidates[1 + (equals[0] if len(equals) else 0)]
    return rival, equal, dominated


def _find_undecided_rivals(ranked: ApplicationRanking) -> Bools:
    """Tell which candidates may be better than a winner, but for other work on the machine.

    They were timed while it was disturbed. On a quiet machine they may meet the limits, and be
    worth more than the winner is as it was measured.
    """
    assessment = ranked.assessment
    quiet = assessment.quiet_utility[assessment.chosen]
    may_gain = assessment.undecided[assessment.chosen] | (
        assessment.feasible & (quiet > assessment.utility)
    )
    for part in assessment.table.candidate_slices:
        winner = int(ranked.order[part.start])
        may_gain[part] &= assessment.feasible[winner] & (quiet[part] > assessment.utility[winner])
        # what would make its twins better would make it better, too
        may_gain[part] &= ~find_twins(assessment, assessment.chosen[winner])[part]
        may_gain[winner] = False
    return may_gain


def _find_preferences(assessment: Assessment, rival: Ints) -> Names:
    """Name what decides between each candidate and its rival: the first tie key that differs.

    Args:
        assessment: The candidates.
        rival: Number of each one's rival.
    """
    other = np.maximum(rival, 0)
    preference: Names = np.full(len(rival), "the name", dtype=object)
    for key in reversed(assessment.tie_rule):
        if key.by == UTILITY:
            value = assessment.utility
        else:
            value = tie_preference(assessment.table, key, assessment.chosen)
        preference[value != value[other]] = f"the {key.prefer} {metric_name(key.by)}"
    # the keys decide among those near the highest utility, whichever of them comes first
    parts, within = assessment.table.candidate_slices, assessment.rules.prefer_within
    near = np.concatenate([find_near_best(assessment, part, within) for part in parts])
    preference[~(near & near[other])] = "the higher utility"
    for position, part in enumerate(parts):
        if position in assessment.kept:
            preference[part] = "the last run's winner"
    return preference


def _find_decisive(assessment: Assessment, rival: Ints, *, is_winner: Bools) -> Names:
    """Name the objective on which a candidate loses (a winner: gains) most against its rival."""
    goals = list(assessment.application.weighted())
    scores = np.array(assessment.scores(assessment.chosen))
    additive = make_additive(scores, assessment.application.aggregation)
    worth = assessment.application.shares()[:, None] * additive
    lost = (worth[:, np.maximum(rival, 0)] - worth) * np.where(is_winner, -1.0, 1.0)
    decisive: Names = np.array(goals, dtype=object)[np.nan_to_num(lost).argmax(axis=0)]
    return decisive


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """A row of the table ``rejections``: a candidate, winners included, or an unfinished trial.

    Args:
        application: Of a stopped trial the last one that dropped it; ``None``: it was not stopped
            by applications, so it counts for all.
        dataset: Name of the dataset.
        model: The candidate's family.
        candidate: Its name; of a trial ``{model}-{number}``.
        rank: ``None`` for trials.
        outcome: See the module, or ``stopped`` or ``failed``.
        rival: Candidate it is tied with, lost to or, for a winner, is ahead of; ``None``: none.
        is_twin: Whether both are the same graph with other weights, so that they cost the same.
        metric: Metric that is missing, that breaks its limit the most, or on which the most utility
            is lost against the rival (for a winner: gained).
        value: Its value.
        rival_value: The rival's.
        limit: Bound that is broken.
        excess: Amount by which it is broken, in the metric's unit.
        reason: One sentence.
    """

    application: str | None
    dataset: str
    model: str
    candidate: str
    rank: int | None = None
    outcome: str
    rival: str | None = None
    is_twin: bool = False
    metric: str | None
    value: float | None = None
    rival_value: float | None = None
    limit: float | None = None
    excess: float | None = None
    reason: str


def tabulate_rejections(ranked: list[ApplicationRanking], trials: pl.DataFrame) -> pl.DataFrame:
    """Give the reason for every candidate's place and for every trial that did not end complete."""
    tables = []
    columns = table_schema(Rejection).items()
    for ranking in ranked:
        keys = describe_chosen(ranking.assessment).with_columns(rank=pl.Series(ranking.rank))
        whole = pl.concat([keys, explain_candidates(ranking)], how="horizontal")
        tables.append(
            whole.select(pl.col(name).cast(dtype) for name, dtype in columns)[ranking.order]
        )
    unfinished = [
        Rejection(
            application=trial["stopped_by"] or None,
            dataset=trial["dataset"],
            model=trial["model"],
            candidate=name_candidate(trial["model"], trial["number"]),
            outcome=trial["state"],
            metric=None,
            reason=_describe_end(trial),
        )
        for trial in trials.filter(pl.col("state") != "complete").to_dicts()
    ]
    return pl.concat([*tables, write_rows(unfinished, Rejection)])


def _describe_end(trial: Mapping[str, Any]) -> str:
    checkpoint = trial["stop_checkpoint"]
    moment = {None: "", 0: " before training"}.get(checkpoint, f" at checkpoint {checkpoint}")
    return ": ".join(filter(None, (f"{trial['state']}{moment}", trial["stop_reason"])))
