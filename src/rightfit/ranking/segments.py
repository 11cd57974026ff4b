"""Segments: whether values of a column, such as stores, need a winner each.

A value has a winner of its own where the overall winner is expected to be worse on its rows, whose
qualities are shrunk towards those on all rows. Serving several models takes the memory of all of
them, which their better quality must be worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rightfit._core.formatting import clean_line, format_number
from rightfit._core.spelling import name_some
from rightfit.measuring.naming import format_metric, listing
from rightfit.measuring.profile import PREDICTIONS
from rightfit.models.quality.standard_errors import unpack_deviations
from rightfit.ranking.application_ranking import (
    ApplicationRanking,
    find_winning_rows,
    order_candidates,
)
from rightfit.ranking.applications.constraints import meets
from rightfit.ranking.applications.utility import Floats, compute_utility
from rightfit.ranking.assessment.assessment import Assessment, assess_candidates
from rightfit.ranking.assessment.configurations import is_practically_equal
from rightfit.ranking.assessment.profile_table import (
    ProfileKey,
    ProfileTable,
    read_profiles,
    replace_qualities,
)
from rightfit.ranking.explanation.decisions import Segments, SegmentWinner

MEMORY = "peak_memory_mib"


@dataclass(frozen=True)
class _Segment:
    """A value of the column: the rows of the overall and of its own winner in its profiles."""

    value: str
    n_rows: int
    assessment: Assessment
    overall: int
    best: int

    def value_of(self, row: int, total: Mapping[str, float]) -> float:
        """Return the utility of a profile where memory is that of all served models.

        It is below 0 where that breaks a limit.
        """
        application, table = self.assessment.application, self.assessment.table
        values = {name: table.values(name)[[row]] for name in application.needed_metrics()}
        values |= {name: np.array([mib]) for name, mib in total.items()}
        limits = (limit for limit in self.assessment.limits if limit.metric in total)
        if not all(meets(limit.at(np.array([row])), values[limit.metric]) for limit in limits):
            return -1.0
        return float(compute_utility(values, application)[0])


def choose_per_segment(
    ranking: ApplicationRanking, profiles: pl.DataFrame, judged: pl.DataFrame
) -> dict[str, Segments]:
    """Choose the winner of each value of an application's column, by dataset.

    Args:
        ranking: The application's ranking on all rows.
        profiles: Its profiles.
        judged: The qualities on the rows of each value (``segment``), with the number of these
            (``n_rows``); a row without a hash says why a value was not judged (``reason``).
    """
    column = ranking.assessment.application.per
    if column is None:
        return {}
    return {
        dataset: _choose(ranking, dataset, key, profiles.filter(dataset=dataset), mine, column)
        for dataset in ranking.assessment.table.datasets
        if (key := ranking.winner(dataset)) is not None
        and not (mine := judged.filter(pl.col("segment").is_not_null(), dataset=dataset)).is_empty()
    }


def pool_qualities(judged: pl.DataFrame) -> pl.DataFrame:
    """Shrink what candidates differ by on a value's rows towards what they differ by on all rows.

    The part that neither candidate nor value explains counts by the share of its variance that is
    no sampling error (empirical Bayes; Efron and Morris, Journal of the American Statistical
    Association 70, 1975). Errors that candidates share on the same rows cancel.

    Args:
        judged: Qualities on the rows of each value (``segment``), a row per hash of predictions.
    """
    judged = judged.sort("segment", PREDICTIONS)
    n_segments, n_candidates = judged["segment"].n_unique(), judged[PREDICTIONS].n_unique()
    if min(n_segments, n_candidates) < 2:
        return judged
    shape = n_segments, n_candidates
    n_rows = judged["n_rows"].to_numpy().reshape(shape)[:, 0]

    def find_differences(column: str) -> Floats:
        values = judged[column].to_numpy().reshape(shape)
        of_candidates = np.average(values, axis=0, weights=n_rows)
        differences: Floats = values - of_candidates
        differences -= differences.mean(axis=1, keepdims=True)
        return differences

    deviations = [unpack_deviations(text) for text in judged["quality_deviations"]]
    noise = np.array(
        [
            np.var(deviations[i : i + n_candidates], axis=0, ddof=1).sum()
            for i in range(0, len(deviations), n_candidates)
        ]
    )
    squares = (find_differences("quality_raw") ** 2).sum() / (n_segments - 1) / (n_candidates - 1)
    true = max(0.0, float(squares - noise.mean()))
    share = (true / (true + noise) if true else np.zeros(n_segments))[:, None]
    return judged.with_columns(
        pl.col(name) - pl.Series(((1 - share) * find_differences(name)).ravel())
        for name in ("quality", "quality_raw")
    )


def _choose(
    ranking: ApplicationRanking,
    dataset: str,
    key: ProfileKey,
    profiles: pl.DataFrame,
    judged: pl.DataFrame,
    column: str,
) -> Segments:
    table = read_profiles(profiles)
    judged = judged.cast({"dataset": table.frame.schema["dataset"]})
    skipped = judged.filter(pl.col(PREDICTIONS).is_null())
    parts = pool_qualities(judged.filter(pl.col(PREDICTIONS).is_not_null())).partition_by(
        "segment", maintain_order=True
    )
    segments = [
        segment
        for part in parts
        if (segment := _assess(ranking.assessment, dataset, key, table, part))
    ]
    different = [segment for segment in segments if segment.best != segment.overall]
    total = _add_memory(key, different, ranking.assessment.table, dataset)
    needed = ranking.assessment.application.needed_metrics()
    counted = {name: mib for name, mib in total.items() if name in needed}
    n_rows = int(judged.unique("segment")["n_rows"].sum())
    gain = sum(
        segment.n_rows
        / n_rows
        * (segment.value_of(segment.best, counted) - segment.value_of(segment.overall, {}))
        for segment in segments
    )
    is_worth = gain > 0
    winners = [
        SegmentWinner(
            segment=segment.value,
            n_rows=segment.n_rows,
            candidate=winner.candidate,
            serving=winner.serving,
            utility_gain=segment.value_of(segment.best, {}) - segment.value_of(segment.overall, {}),
        )
        for segment in (different if is_worth else [])
        for winner in (segment.assessment.table.read_key(segment.best),)
    ]
    return Segments(
        column=column,
        n_judged=len(segments),
        winners=winners,
        memory_mib=total.get(MEMORY) if winners else None,
        utility_gain=gain if winners else 0.0,
        sentence=_word(column, key, segments, different, winners, total, gain),
        skipped=[
            f"{column} {clean_line(value)}: {reason}; {key.candidate}, the overall winner, serves "
            "it"
            for value, reason in skipped.select("segment", "reason").rows()
        ],
    )


def _assess(
    overall: Assessment,
    dataset: str,
    key: ProfileKey,
    table: ProfileTable,
    judged: pl.DataFrame,
) -> _Segment | None:
    """Judge the candidates on the rows of a value; ``None``: the overall winner is not there."""
    own = replace(table, frame=replace_qualities(table.frame, judged))
    assessment = assess_candidates(own, overall.name, overall.application, overall.rules)
    row = assessment.table.find_row(dataset, key)
    if row is None:
        return None
    (first,) = find_winning_rows(assessment, order_candidates(assessment))
    judgement, within = assessment.judgement, assessment.rules.prefer_within
    stays = first is None or (
        judgement.feasible[row]
        and is_practically_equal(
            judgement.utility[row], assessment.utility[assessment.feasible].max(), within
        )
    )
    return _Segment(
        str(judged["segment"][0]),
        int(judged["n_rows"][0]),
        assessment,
        row,
        row if stays or first is None else first,
    )


def _add_memory(
    key: ProfileKey, different: Sequence[_Segment], table: ProfileTable, dataset: str
) -> dict[str, float]:
    """Add up the memory of the overall winner and the others, each in a process of its own."""
    row = table.find_row(dataset, key)
    served = {key: (table, row)} | {
        segment.assessment.table.read_key(segment.best): (segment.assessment.table, segment.best)
        for segment in different
    }
    totals = {
        name: sum(float(profiles.values(name)[at]) for profiles, at in served.values())
        for name in table.frame.columns
        if name.endswith("_mib") and table.frame[name].dtype == pl.Float64
    }
    return {name: mib for name, mib in totals.items() if np.isfinite(mib)} if different else {}


def _word(
    column: str,
    key: ProfileKey,
    segments: Sequence[_Segment],
    different: Sequence[_Segment],
    winners: Sequence[SegmentWinner],
    total: Mapping[str, float],
    gain: float,
) -> str:
    all_values = f"{key.candidate} serves all values of {column} ({len(segments)} judged)"
    if not different:
        return f"{all_values}: on none is another candidate expected to be better"
    names = {segment.assessment.table.read_key(segment.best).candidate for segment in different}
    memory = f", {format_metric(MEMORY, total[MEMORY])} together" if MEMORY in total else ""
    if not winners:
        values = [clean_line(segment.value) for segment in different]
        return (
            f"{all_values}: {listing(sorted(names))} would be better on "
            f"{name_some(values)}, but not worth the memory of "
            f"{len(names) + 1} models{memory}"
        )
    by_candidate: dict[str, list[str]] = {}
    for winner in winners:
        by_candidate.setdefault(winner.candidate, []).append(clean_line(winner.segment))
    parts = [f"{name} for {name_some(mine)}" for name, mine in by_candidate.items()]
    return (
        f"{listing(parts)}, {key.candidate} for the other values of {column}; utility "
        f"{format_number(gain)} higher on average, {len(names) + 1} models{memory}"
    )
