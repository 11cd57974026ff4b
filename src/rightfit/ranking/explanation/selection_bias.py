"""Selection bias: by how much the quality of a winner is too high for having been chosen by it.

All test rows choose, so the best of several measured qualities flatters. A bootstrap draws the test
rows anew, chooses again, and sees by how much what it chooses was lucky in that draw (Efron and
Tibshirani, An Introduction to the Bootstrap, 1993). Measured qualities lie further apart than the
true ones, since each has an error of its own; taken for true, they would let luck decide too
seldom. So they are moved together first, by the share of their variance that is no error (James and
Stein, Proceedings of the Fourth Berkeley Symposium, 1961).
"""

from __future__ import annotations

from dataclasses import replace
from math import hypot

import numpy as np

from rightfit.measuring.metrics import Figure, MetricTable
from rightfit.ranking.application_ranking import ApplicationRanking, choose_winners
from rightfit.ranking.applications.applications import QUALITIES
from rightfit.ranking.applications.constraints import judge_profiles
from rightfit.ranking.applications.utility import Floats, Ints
from rightfit.ranking.assessment.assessment import Assessment
from rightfit.ranking.uncertainty.paired_comparison import read_deviations

N_DRAWS = 500
MOST_ERRORS = 2.0  # how many times the winner's error a rival's counts as, at most
N_DIGITS = 12  # of a selection bias, after the point
RAW = "quality_raw"


def correct_winner(ranked: ApplicationRanking, winner: int) -> tuple[Figure, float] | None:
    """Correct a winner's quality for having been chosen by it.

    Args:
        ranked: The ranking.
        winner: Number of the candidate.

    Returns:
        Its corrected quality, and the bias; ``None`` where nothing is known of how the qualities
        deviate.
    """
    table = ranked.assessment.table
    row = int(ranked.assessment.chosen[winner])
    measured = float(table.values(RAW)[row])
    if np.isnan(measured):
        return None
    dataset = int(table.dataset_of_candidate[winner])
    part = table.candidate_slices[dataset]
    bias = find_selection_bias(
        ranked.assessment,
        np.arange(part.start, part.stop),
        np.random.default_rng([ranked.assessment.rules.seed, dataset]),
        winner=winner - part.start,
    )
    if np.isnan(bias):
        return None
    low, high = table.read_ends(RAW, row)
    value = measured - bias
    if low is not None and high is not None:
        # the correction is uncertain by about its own size
        low, high = value - hypot(measured - low, bias), value + hypot(high - measured, bias)
    return Figure(MetricTable.quality_raw, value, low, high), bias


def find_selection_bias(
    assessment: Assessment, candidates: Ints, rng: np.random.Generator, *, winner: int
) -> float:
    """Estimate by how much the winner's raw quality is too high for having been chosen by it.

    Args:
        assessment: All candidates with their chosen profiles.
        candidates: Numbers of those of one dataset.
        rng: Source of randomness.
        winner: Position of the winner among them.

    Returns:
        By how much the raw quality of what is chosen in a draw is above its mean, on average. A
        rival's error counts as at most twice the winner's: a wide one says nothing of its size.
        NaN where the deviations of the qualities are not known, or no draw chooses anything.
    """
    table, rows = assessment.table, assessment.chosen[candidates]
    deviations = read_deviations(table, rows)
    if deviations is None:
        return np.nan
    drawn = rng.poisson(1, size=(N_DRAWS, deviations.shape[1])).astype(np.float64)  # for BLAS
    luck = drawn @ deviations.T  # (N_DRAWS, n_candidates), in raw quality
    luck -= luck.mean(axis=0)  # one that wins in every draw needs no correction
    shift = luck + shrink(table.values(RAW)[rows], deviations)
    moved = {
        metric: table.values(metric)[rows] + shift * _slopes(assessment, metric, rows)
        for metric in QUALITIES
    }
    values = moved | {
        metric: np.broadcast_to(table.values(metric)[rows], luck.shape)
        for metric in assessment.application.needed_metrics()
        if metric not in moved
    }
    limits = [limit.at(rows) for limit in assessment.limits]
    for position, limit in enumerate(limits):
        if limit.kind == "max_degradation":  # it relates to the best quality of the draw
            measured = np.fmax.reduce(table.values(limit.metric)[rows])
            best = np.fmax.reduce(values[limit.metric], axis=1, keepdims=True)
            limits[position] = replace(limit, bound=limit.bound + best - measured)
    judged = judge_profiles(values, assessment.application, limits=tuple(limits))
    winners = choose_winners(assessment, candidates, judged.utility, judged.feasible, moved)
    chosen = np.flatnonzero(winners >= 0)
    if not len(chosen):
        return np.nan
    errors, lucky = luck.std(axis=0), winners[chosen]
    largest = np.minimum(errors, MOST_ERRORS * errors[winner])
    shares = np.divide(largest, errors, out=np.zeros_like(errors), where=errors > 0)
    bias = float((shares[lucky] * luck[chosen, lucky]).mean())
    # what is left of a winner of every draw is the rounding of its mean
    return round(bias, N_DIGITS) + 0.0  # no -0.0


def shrink(qualities: Floats, deviations: Floats) -> Floats:
    """Return what moves measured qualities to about the distance of the true ones.

    Args:
        qualities: Measured on the same rows, shape (n_candidates,).
        deviations: What each row adds to their errors, shape (n_candidates, n_rows).

    >>> shrink(np.array([0.8, 0.9]), np.zeros((2, 4))).tolist()  # no error: they are true
    [0.0, 0.0]
    """
    moved: Floats = np.zeros(len(qualities))
    indices = np.flatnonzero(~np.isnan(qualities))
    if len(indices) < 2 or np.ptp(qualities[indices]) == 0:
        return moved
    common = deviations[indices].mean(axis=0)  # what all err alike changes no choice
    error = ((deviations[indices] - common) ** 2).sum() / (len(indices) - 1)
    share = min(1.0, error / qualities[indices].var(ddof=1))
    moved[indices] = share * (qualities[indices].mean() - qualities[indices]) + 0.0  # no -0.0
    return moved


def _slopes(assessment: Assessment, metric: str, rows: Ints) -> Floats:
    """Return by how much a quality rises with the raw one, from the widths of their intervals."""
    if metric == RAW:
        return np.ones(len(rows))
    ends, raw_ends = assessment.table.interval(metric), assessment.table.interval(RAW)
    if ends is None or raw_ends is None:
        return np.zeros(len(rows))
    widths, raw_widths = (ends[1] - ends[0])[rows], (raw_ends[1] - raw_ends[0])[rows]
    slopes: Floats = np.divide(widths, raw_widths, out=np.zeros(len(rows)), where=raw_widths > 0)
    return slopes
