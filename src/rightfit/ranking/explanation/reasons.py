"""Wording: the reason for each candidate's place as one sentence, for all candidates at once."""

from __future__ import annotations

import numpy as np
import polars as pl
import polars.selectors as cs

from rightfit.ranking.applications.utility import Floats, Ints
from rightfit.ranking.contest.contest import Contest
from rightfit.ranking.explanation.outcomes import NOBODY, Names, Outcomes, find_outcomes
from rightfit.ranking.ranked import Ranked

N_DIGITS = 3


def show_number(column: str) -> pl.Expr:
    """Return an expression that writes a number with three significant digits.

    >>> pl.DataFrame({"x": [0.04821, 25.0, 16_493_210.0]}).select(show_number("x"))["x"].to_list()
    ['0.0482', '25', '16500000']
    """
    rounded = pl.col(column).round_sig_figs(N_DIGITS)
    whole = rounded.round(0)  # the digits' rounding leaves 16499999.999999998
    shown = pl.when(rounded.abs() >= 10**N_DIGITS).then(whole).otherwise(rounded)
    return shown.round(12).cast(pl.String).str.strip_suffix(".0")


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
    own, other = show_number("utility"), show_number("rival_utility")
    against = pl.format(
        "{} ({} against {})", "metric", show_number("value"), show_number("rival_value")
    )
    scored = pl.format("utility {} against {} of {}", own, other, "rival")
    tied = pl.format(
        "tied with {}: utility {} against {} cannot be told apart; the tie rule decides by {}",
        *("rival", own, other, "tie_key"),
    )
    is_low = pl.col("value") < pl.col("limit")
    side = pl.when(is_low).then(pl.lit("least")).otherwise(pl.lit("most"))
    violation = pl.format(
        "violates {}: {} where at {} {} is allowed (by {})",
        *("metric", show_number("value"), side, show_number("limit"), show_number("excess")),
    )
    return {
        "winner": pl.when(pl.col("rival").is_null())
        .then(pl.format("the only feasible candidate, utility {}", own))
        .when("is_tied")
        .then(pl.concat_str(pl.lit("first, but "), tied))
        .otherwise(pl.format("highest {}; ahead most on {}", scored, against)),
        "unmeasured": pl.concat_str(
            pl.format("not measured: {}", "metric"),
            pl.format(" ({})", "null_reason").fill_null(""),
        ),
        "violates": violation,
        "tied": tied,
        "dominated": pl.format("dominated by {}: nowhere better, worse on {}", "rival", against),
        "outscored": pl.format("{}; loses most on {}", scored, against),
    }


def _collect_facts(contest: Contest, outcomes: Outcomes) -> pl.DataFrame:
    names = contest.table.frame["candidate"].gather(contest.chosen)
    rival = np.maximum(outcomes.rival, 0)
    value = _pick_values(contest, outcomes.metric)
    frame = pl.DataFrame(
        {
            "outcome": outcomes.outcome,
            "is_tied": outcomes.is_tied,
            "tie_key": outcomes.tie_key.astype(str),
            "has_rival": outcomes.rival != NOBODY,
            "rival": names.gather(rival),
            "metric": outcomes.metric.astype(str),
            "limit": outcomes.limit,
            "excess": outcomes.excess,
            "utility": contest.utility,
            "rival_utility": contest.utility[rival],
            "value": value,
            "rival_value": _pick_values(contest, outcomes.metric, of=rival),
            "null_reason": _find_null_reasons(contest, outcomes.metric),
        }
    ).with_columns(cs.float().fill_nan(None))
    of_rival = pl.col("rival", "rival_utility", "rival_value")
    return frame.with_columns(pl.when("has_rival").then(of_rival).name.keep())


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
    reasons = pl.DataFrame(
        {"json": frame["null_reasons"].gather(contest.chosen), "metric": metrics.astype(str)}
    )
    path = pl.format("$.{}", "metric")
    return reasons.select(pl.col("json").str.json_path_match(path)).to_series()
