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
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import polars.selectors as cs

from rightfit._core.formatting import add_unit, format_number, format_quality, format_share
from rightfit._core.typed_tables import table_schema, write_rows
from rightfit.measuring.naming import metric_name, metric_unit, name_candidate
from rightfit.measuring.serving import Serving
from rightfit.ranking.application_ranking import (
    ApplicationRanking,
    find_near_best,
    place_in_objectives,
)
from rightfit.ranking.applications.applications import UTILITY
from rightfit.ranking.applications.constraints import measure_excess, relate_excess
from rightfit.ranking.applications.utility import Bools, Floats, Ints, make_additive
from rightfit.ranking.assessment.assessment import (
    Assessment,
    describe_chosen,
    find_twins,
    read_limited,
)
from rightfit.ranking.assessment.configurations import (
    MAX_HALF_WIDTH,
    PassedOverFor,
    tie_preference,
)
from rightfit.ranking.assessment.pareto import find_dominators
from rightfit.ranking.assessment.profile_table import SERVING_KEYS

Names = npt.NDArray[np.object_]

NO_RIVAL = -1
TWINS = "both are one graph with other weights, so only quality tells them apart"
PASSED_OVER: Mapping[PassedOverFor, str] = {
    "threads": "it is not ahead of one thread by more than it varies from process to process",
    "width": "a figure is known to no better than \N{PLUS-MINUS SIGN}"
    f"{format_share(MAX_HALF_WIDTH)}",
}
"""Why a serving configuration was not taken that would have been otherwise."""


def tabulate_outcomes(ranked: ApplicationRanking) -> pl.DataFrame:
    """Tell what became of each candidate.

    Returns:
        One row per candidate, by number: the fields of :class:`Rejection` that say so, and the
        other figures and names that its sentence holds.
    """
    assessment, table = ranked.assessment, ranked.assessment.table
    rows, feasible = assessment.chosen, assessment.feasible
    is_winner = (ranked.rank == 1) & feasible
    rival, is_equal, is_dominated = _find_rivals(ranked)
    missing: Names = np.full(len(rows), "", dtype=object)
    values = {name: table.values(name)[rows] for name in assessment.application.needed_metrics()}
    for row_limit in (limit.at(rows) for limit in assessment.limits):
        limited, measured = read_limited(table, row_limit, rows), values[row_limit.metric]
        values[row_limit.metric] = np.where(np.isnan(limited), measured, limited)
    for name in reversed(values):  # the first one is named
        missing[np.isnan(values[name])] = name
    broken, limit, excess = _find_broken(assessment)
    cases = [  # the first that holds
        ("winner", is_winner),
        ("unmeasured", missing != ""),
        ("undecided", assessment.undecided[rows]),
        ("violates", ~feasible),
        ("equal", is_equal),
        ("open", feasible & ranked.may_be_best),
        ("undecided", _find_undecided_rivals(ranked)),
        ("dominated", is_dominated),
    ]
    outcome = np.select([holds for _, holds in cases], [name for name, _ in cases], "outscored")
    has_broken = np.isin(outcome, ("undecided", "violates")) & ~feasible
    decisive = _find_decisive(assessment, rival, is_winner=is_winner)
    metric = np.where(missing != "", missing, np.where(feasible, decisive, broken))
    other = np.maximum(rival, 0)
    value, rival_value = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    for name, measured in values.items():
        is_meant = metric == name
        value = np.where(is_meant, measured, value)
        rival_value = np.where(is_meant, measured[other], rival_value)
    # scaled qualities are written as raw ones, where the profiles tell the scale
    scales = [table.scale_of_quality(position) for position in range(len(table.datasets))]
    scale = np.array([ends or (np.nan, np.nan) for ends in scales])[table.dataset_of_candidate]
    is_raw = (metric == "quality") & ~np.isnan(scale[:, 0])
    factor, offset = np.where(is_raw, scale[:, 0], 1.0), np.where(is_raw, scale[:, 1], 0.0)
    names = table.frame["candidate"].gather(rows)
    frame = pl.DataFrame(
        {
            "outcome": outcome,
            "is_equal": is_equal,
            "preference": np.where(is_equal, _find_preferences(assessment, rival), "").astype(str),
            "has_rival": rival != NO_RIVAL,
            "is_twin": find_twins(assessment, rows[other]) & (rival != NO_RIVAL),
            "rival": names.gather(other),
            "metric": metric.astype(str),
            "shown": np.where(is_raw, "quality_raw", metric).astype(str),
            "limit": np.where(has_broken, factor * limit + offset, np.nan),
            "excess": np.where(has_broken, factor * excess, np.nan),
            "utility": assessment.utility,
            "rival_utility": assessment.utility[other],
            "value": factor * value + offset,
            "rival_value": factor * rival_value + offset,
            "null_reason": _find_null_reasons(assessment, metric),
            **_find_passed_over(assessment),
        }
    ).with_columns(cs.float().fill_nan(None))
    of_rival = pl.col("rival", "rival_utility", "rival_value")
    return frame.with_columns(pl.when("has_rival").then(of_rival).name.keep())


def explain_candidates(ranked: ApplicationRanking) -> pl.DataFrame:
    """Explain every candidate's place.

    Returns:
        One row per candidate, by number: ``outcome``, ``rival`` (name; null: none), ``is_twin``,
        ``metric``, ``value``, ``rival_value``, ``limit``, ``excess`` and ``reason``, one sentence.
    """
    outcomes = tabulate_outcomes(ranked)
    reasons = map(_write_reason, outcomes.iter_rows(named=True))
    columns = (
        "outcome", "rival", "is_twin", "metric", "value", "rival_value", "limit", "excess", "reason"
    )  # fmt: skip
    return outcomes.with_columns(reason=pl.Series(reasons, dtype=pl.String)).select(columns)


def _write_reason(row: Mapping[str, Any]) -> str:
    """Say in one sentence what became of a candidate, and why it is not served otherwise."""
    sentence = _word_outcome(row)
    if row["is_twin"]:
        sentence += f"; {TWINS}"
    if row["passed_over"] is not None:
        sentence += f"; not served as {row['passed_over']}: {PASSED_OVER[row['passed_over_for']]}"
    return sentence


def _word_outcome(row: Mapping[str, Any]) -> str:
    label, rival = metric_name(row["shown"]) if row["shown"] else "", row["rival"]
    unit = metric_unit(row["metric"])
    utility, rival_utility = (format_quality(row[name]) for name in ("utility", "rival_utility"))
    rival_value = format_number(row["rival_value"])
    value, limit, excess = (
        add_unit(format_number(row[name]), unit) for name in ("value", "limit", "excess")
    )
    against = f"{label} ({value} against {rival_value})"
    scored = f"utility {utility} against {rival_utility} of {rival}"
    violation = ""
    if row["limit"] is not None:
        is_low = row["value"] < row["limit"]
        bound = f"below the {limit} required" if is_low else f"above the {limit} allowed"
        least = "at least " if row["null_reason"] else ""  # by a lower percentile
        violation = f"breaks a limit: {label} is {least}{value}, {excess} {bound}"
    match row["outcome"]:
        case "winner" if rival is None:
            return f"the only feasible candidate, utility {utility}"
        case "winner" | "equal" if row["is_equal"]:
            return (
                f"practically equal to {rival} (utility {utility} against {rival_utility}): "
                f"{row['preference']} decides"
            )
        case "winner":
            return f"highest {scored}; ahead most on {against}"
        case "unmeasured":
            reason = row["null_reason"]
            return f"not measured: {label}" + (f" ({reason})" if reason else "")
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


def _find_passed_over(assessment: Assessment) -> dict[str, list[str | None]]:
    """Label each candidate's configuration that only a rule kept from being chosen; and why."""
    choice, frame = assessment.choice, assessment.table.frame.select(SERVING_KEYS)
    labels = [
        None if is_allowed else Serving(*frame.row(row)).label
        for row, is_allowed in zip(
            choice.otherwise.tolist(), choice.is_allowed[choice.otherwise], strict=True
        )
    ]
    why = [
        None if label is None else "width" if is_wide else "threads"
        for label, is_wide in zip(labels, choice.is_wide[choice.otherwise], strict=True)
    ]
    return {"passed_over": labels, "passed_over_for": why}


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


def _find_broken(assessment: Assessment) -> tuple[Names, Floats, Floats]:
    """Find the limit each candidate breaks the most: metric, bound and excess."""
    rows, n = assessment.chosen, len(assessment.chosen)
    metric = np.full(n, "", dtype=object)
    bound, excess, worst = np.full(n, np.nan), np.zeros(n), np.zeros(n)
    for limit in (limit.at(rows) for limit in assessment.limits):
        amount = measure_excess(read_limited(assessment.table, limit, rows), limit)
        related = relate_excess(amount, limit)
        more = related > worst
        metric[more] = limit.metric
        bound = np.where(more, limit.bound, bound)
        excess = np.where(more, amount, excess)
        worst = np.where(more, related, worst)
    return metric, bound, excess


def _find_decisive(assessment: Assessment, rival: Ints, *, is_winner: Bools) -> Names:
    """Name the objective on which a candidate loses (a winner: gains) most against its rival."""
    goals = list(assessment.application.weighted())
    scores = np.array(assessment.scores(assessment.chosen))
    additive = make_additive(scores, assessment.application.aggregation)
    worth = assessment.application.shares()[:, None] * additive
    lost = (worth[:, np.maximum(rival, 0)] - worth) * np.where(is_winner, -1.0, 1.0)
    decisive: Names = np.array(goals, dtype=object)[np.nan_to_num(lost).argmax(axis=0)]
    return decisive


def _find_null_reasons(assessment: Assessment, metrics: Names) -> pl.Series:
    """Return why the metric of each candidate was not measured, null where it was."""
    frame = assessment.table.frame
    if "null_reasons" not in frame.columns:
        return pl.repeat(None, len(metrics), dtype=pl.String, eager=True)
    reasons = frame["null_reasons"].gather(assessment.chosen).struct.unnest()
    metric = pl.Series(metrics.astype(str))
    reason_column = pl.coalesce(pl.when(metric == name).then(name) for name in reasons.columns)
    return reasons.select(reason_column).to_series()


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
    why = (trial["stop_reason"] or "").removeprefix("failed: ").removeprefix("pausing: ")
    return f"{trial['state']}{moment}" + (f": {why}" if why else "")
