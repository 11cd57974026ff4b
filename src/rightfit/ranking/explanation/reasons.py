"""Reasons: why each candidate has its place, one sentence each, for all candidates at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl
import polars.selectors as cs

from rightfit.naming import metric_name, metric_unit, write_numbers
from rightfit.ranking.applications.applications import QUALITIES
from rightfit.ranking.applications.utility import Floats, Ints
from rightfit.ranking.contest.contest import Contest
from rightfit.ranking.contest.profile_table import FINAL
from rightfit.ranking.explanation.outcomes import KEPT, NO_RIVAL, Names, Outcomes, find_outcomes
from rightfit.ranking.rank_candidates import Ranked


def explain_candidates(ranked: Ranked) -> pl.DataFrame:
    """Explain every candidate's place.

    Returns:
        One row per candidate, by number: ``outcome``, ``rival`` (name; null: none), ``metric``,
        ``value``, ``rival_value``, ``limit``, ``excess`` and ``reason``, one sentence.
    """
    facts = _collect_facts(ranked.contest, find_outcomes(ranked))
    sentence = pl.lit(None, dtype=pl.String)
    for outcome, words in _sentences().items():
        sentence = pl.when(pl.col("outcome") == outcome).then(words).otherwise(sentence)
    columns = ("outcome", "rival", "metric", "value", "rival_value", "limit", "excess", "reason")
    return facts.with_columns(sentence.alias("reason")).select(columns)


def _sentences() -> dict[str, pl.Expr]:
    own, other = write_numbers("utility"), write_numbers("rival_utility")
    value = _with_unit("value")
    against = pl.format("{} ({} against {})", "label", value, write_numbers("rival_value"))
    scored = pl.format("utility {} against {} of {}", own, other, "rival")
    tied = pl.format(
        "with {} (utility {} against {}): the tie rule prefers {}",
        *("rival", own, other, "preference"),
    )
    is_low = pl.col("value") < pl.col("limit")
    violation = pl.format(
        "breaks a limit: {} is {}, {} {}",
        *("label", value, _with_unit("excess")),
        pl.when(is_low)
        .then(pl.format("below the {} required", _with_unit("limit")))
        .otherwise(pl.format("above the {} allowed", _with_unit("limit"))),
    )
    return {
        "winner": pl.when(pl.col("rival").is_null())
        .then(pl.format("the only feasible candidate, utility {}", own))
        .when("is_tied")
        .then(pl.concat_str(pl.lit("tied first "), tied))
        .otherwise(pl.format("highest {}; ahead most on {}", scored, against)),
        "unmeasured": pl.concat_str(
            pl.format("not measured: {}", "label"),
            pl.format(" ({})", "null_reason").fill_null(""),
        ),
        "violates": violation,
        "undecided": pl.concat_str(
            violation, pl.lit("; but other work disturbed the machine meanwhile, so it may keep it")
        ),
        "tied": pl.concat_str(pl.lit("tied "), tied),
        "dominated": pl.format(
            "dominated by {}: better in no objective, worse on {}", "rival", against
        ),
        "outscored": pl.format("{}; loses most on {}", scored, against),
    }


def _with_unit(column: str) -> pl.Expr:
    return pl.concat_str(write_numbers(column), "unit")


def _collect_facts(contest: Contest, outcomes: Outcomes) -> pl.DataFrame:
    names = contest.table.frame["candidate"].gather(contest.chosen)
    rival = np.maximum(outcomes.rival, 0)
    rival_value = _pick_values(contest, outcomes.metric, of=rival)
    factor, offset = _scale_to_raw(contest, outcomes.metric)
    is_raw = ~np.isnan(factor)
    factor, offset = np.where(is_raw, factor, 1.0), np.where(is_raw, offset, 0.0)
    metric = np.where(is_raw, "quality_raw", outcomes.metric)
    frame = pl.DataFrame(
        {
            "outcome": outcomes.outcome,
            "is_tied": outcomes.is_tied,
            "preference": _replace_each(outcomes.tie_key, describe_preference),
            "has_rival": outcomes.rival != NO_RIVAL,
            "rival": names.gather(rival),
            "metric": outcomes.metric.astype(str),
            "label": _replace_each(metric, partial(_name_metric, contest)),
            "unit": _replace_each(outcomes.metric, lambda name: f" {metric_unit(name)}".rstrip()),
            "limit": factor * outcomes.limit + offset,
            "excess": factor * outcomes.excess,
            "utility": contest.utility,
            "rival_utility": contest.utility[rival],
            "value": factor * _pick_values(contest, outcomes.metric) + offset,
            "rival_value": factor * rival_value + offset,
            "null_reason": _find_null_reasons(contest, outcomes.metric),
        }
    ).with_columns(cs.float().fill_nan(None))
    of_rival = pl.col("rival", "rival_utility", "rival_value")
    return frame.with_columns(pl.when("has_rival").then(of_rival).name.keep())


def _scale_to_raw(contest: Contest, metrics: Names) -> tuple[Floats, Floats]:
    """Return factor and offset from scaled qualities to raw ones, NaN for other metrics."""
    table = contest.table
    scales = [table.scale_of_quality(position) for position in range(len(table.datasets))]
    known = np.array([scale or (np.nan, np.nan) for scale in scales])[table.dataset_of_candidate]
    known[metrics != "quality"] = np.nan
    return known[:, 0], known[:, 1]


def _name_metric(contest: Contest, metric: str) -> str:
    """Name a metric; a quality that chose is not the one that people see, where both are known."""
    is_other = metric in QUALITIES and FINAL in contest.table.frame.columns
    return f"{metric_name(metric)} when chosen" if is_other else metric_name(metric)


def describe_preference(tie_key: str) -> str:
    """Say what a tie rule prefers.

    >>> describe_preference("lower n_threads"), describe_preference("name")
    ('the lower number of threads', 'the first by name')
    """
    if tie_key == KEPT:
        return "the earlier winner"
    side, _, column = tie_key.partition(" ")
    return f"the {side} {metric_name(column)}" if column else "the first by name"


def _replace_each(names: Names, write: Callable[[str], str]) -> pl.Series:
    """Write each of a few names that occur many times."""
    known = [str(name) for name in set(names.tolist())]
    texts = [write(name) if name else "" for name in known]
    return pl.Series(names.astype(str)).replace_strict(known, texts, return_dtype=pl.String)


def _pick_values(contest: Contest, metrics: Names, of: Ints | None = None) -> Floats:
    """Return for each candidate the value of its metric, its own or that of another candidate."""
    rows = contest.chosen if of is None else contest.chosen[of]
    picked = np.full(len(rows), np.nan)
    for metric in contest.application.needed_metrics():
        picked = np.where(metrics == metric, contest.table.values(metric)[rows], picked)
    return picked


def _find_null_reasons(contest: Contest, metrics: Names) -> pl.Series:
    """Return why the metric of each candidate was not measured, null where it was."""
    frame = contest.table.frame
    if "null_reasons" not in frame.columns:
        return pl.repeat(None, len(metrics), dtype=pl.String, eager=True)
    reasons = frame["null_reasons"].gather(contest.chosen).struct.unnest()
    metric = pl.Series(metrics.astype(str))
    found = pl.coalesce(pl.when(metric == name).then(name) for name in reasons.columns)
    return reasons.select(found).to_series()
