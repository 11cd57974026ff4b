"""Selection bias: by how much the quality of a winner is too high for having been chosen by it.

All test rows choose, so the best of several measured qualities flatters. The bias is estimated by a
bootstrap: choosing again in bags of test rows, and comparing what is chosen inside and outside the
bag (the optimism of Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 17).
"""

from __future__ import annotations

from dataclasses import replace
from math import hypot

import numpy as np

from rightfit.ranking.application_ranking import ApplicationRanking, choose_winners
from rightfit.ranking.applications.applications import QUALITIES
from rightfit.ranking.applications.constraints import judge_profiles
from rightfit.ranking.applications.utility import Floats, Ints
from rightfit.ranking.assessment.assessment import Assessment
from rightfit.ranking.explanation.decisions import CorrectedQuality
from rightfit.ranking.uncertainty.paired_comparison import read_deviations

N_BAGS = 500
BAG_SIZE = 4  # how often a bag holds a row, on average
RAW = "quality_raw"


def correct_winner(ranked: ApplicationRanking, winner: int) -> CorrectedQuality | None:
    """Correct a winner's quality for having been chosen by it.

    Args:
        ranked: The ranking.
        winner: Number of the candidate.

    Returns:
        Its corrected quality; ``None`` where nothing is known of how the qualities deviate.
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
    )
    if np.isnan(bias):
        return None
    low, high = table.read_ends(RAW, row)
    value = measured - bias
    if low is not None and high is not None:
        # the correction is uncertain by about its own size
        low, high = value - hypot(measured - low, bias), value + hypot(high - measured, bias)
    return CorrectedQuality(value=value, low=low, high=high, bias=bias)


def find_selection_bias(
    assessment: Assessment, candidates: Ints, rng: np.random.Generator
) -> float:
    """Estimate by how much the winner's raw quality is too high for having been chosen by it.

    Args:
        assessment: All candidates with their chosen profiles.
        candidates: Numbers of those of one dataset.
        rng: Source of randomness.

    Returns:
        By how much the raw quality of what is chosen in a bag is higher inside the bag than
        outside, on average; NaN where the deviations of the qualities are not known, or nothing is
        chosen in any bag.
    """
    table, rows = assessment.table, assessment.chosen[candidates]
    deviations = read_deviations(table, rows)
    if deviations is None:
        return np.nan
    drawn = rng.poisson(BAG_SIZE, size=(N_BAGS, deviations.shape[1]))
    inside = (drawn / BAG_SIZE) @ deviations.T  # (N_BAGS, n_candidates), in raw quality
    inside -= inside.mean(axis=0)  # one that wins in every bag needs no correction
    moved = {
        metric: table.values(metric)[rows] + inside * _slopes(assessment, metric, rows)
        for metric in QUALITIES
    }
    values = moved | {
        metric: np.broadcast_to(table.values(metric)[rows], inside.shape)
        for metric in assessment.application.needed_metrics()
        if metric not in moved
    }
    limits = [limit.at(rows) for limit in assessment.limits]
    for position, limit in enumerate(limits):
        if limit.kind == "max_degradation":  # it relates to the best quality of the bag
            measured = np.fmax.reduce(table.values(limit.metric)[rows])
            best = np.fmax.reduce(values[limit.metric], axis=1, keepdims=True)
            limits[position] = replace(limit, bound=limit.bound + best - measured)
    judged = judge_profiles(values, assessment.application, limits=tuple(limits))
    winners = choose_winners(assessment, candidates, judged.utility, judged.feasible, moved)
    bags = np.flatnonzero(winners >= 0)
    # what a row adds to the bag, it takes from the outside
    lucky = (1 + BAG_SIZE) * inside[bags, winners[bags]]
    return float(lucky.mean()) if len(bags) else np.nan


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
