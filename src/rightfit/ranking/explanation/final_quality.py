"""The winner's quality, free of the luck that it was chosen by."""

from __future__ import annotations

from dataclasses import replace
from math import hypot

import numpy as np

from rightfit.ranking.application_ranking import ApplicationRanking, choose_winners
from rightfit.ranking.applications.applications import QUALITIES
from rightfit.ranking.applications.constraints import judge_profiles
from rightfit.ranking.applications.utility import Bools, Floats, Ints
from rightfit.ranking.assessment.assessment import Assessment
from rightfit.ranking.assessment.profile_table import FINAL
from rightfit.ranking.explanation.decisions import FinalQuality
from rightfit.ranking.uncertainty.paired_comparison import read_deviations

N_BAGS = 500
BAG_SIZE = 4  # how often a bag holds a row, on average
RAW = "quality_raw"


def judge_winner(ranked: ApplicationRanking, winner: int) -> FinalQuality | None:
    """Judge a winner on the rows that were held out, else by nested resampling.

    Returns:
        Its quality; ``None`` where nothing is known of how the qualities deviate.
    """
    table = ranked.assessment.table
    row = table.frame.row(int(ranked.assessment.chosen[winner]), named=True)
    chosen_by = row.get("quality_raw")
    if chosen_by is None:
        return None
    if row[FINAL] is not None:
        ends = row[f"{FINAL}_low"], row[f"{FINAL}_high"]
        return FinalQuality(raw=row[FINAL], raw_low=ends[0], raw_high=ends[1], chosen_by=chosen_by)
    dataset = int(table.dataset_of_candidate[winner])
    part = table.candidate_slices[dataset]
    raw = chosen_by - find_optimism(
        ranked.assessment,
        np.arange(part.start, part.stop),
        ranked.rank_low[part] == 1,
        np.random.default_rng([ranked.assessment.rules.seed, dataset]),
    )
    if np.isnan(raw):
        return None
    low, high = row.get("quality_raw_low"), row.get("quality_raw_high")
    if low is not None and high is not None:
        # the correction is uncertain by about its own size
        low = raw - hypot(chosen_by - low, chosen_by - raw)
        high = raw + hypot(high - chosen_by, chosen_by - raw)
    return FinalQuality(raw=raw, raw_low=low, raw_high=high, chosen_by=chosen_by, how="nested")


def find_optimism(
    assessment: Assessment, candidates: Ints, could_win: Bools, rng: np.random.Generator
) -> float:
    """Estimate how much of the winner's raw quality is the luck that it was chosen by.

    Args:
        assessment: All candidates with their chosen profiles.
        candidates: Numbers of those of one dataset.
        could_win: Whether no other candidate significantly beats them, shape (n_candidates,).
        rng: Source of randomness.

    Returns:
        By how much the raw quality of what is chosen in a bag is higher inside the bag than
        outside, on average; NaN where the deviations of the qualities are not known, or nothing is
        chosen in any bag.
    """
    table, rows = assessment.table, assessment.chosen[candidates]
    found = read_deviations(table, rows)
    if found is None:
        return np.nan
    drawn = rng.poisson(BAG_SIZE, size=(N_BAGS, found.shape[1]))
    inside = (drawn / BAG_SIZE) @ found.T  # (N_BAGS, n_candidates), in raw quality
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
    allowed = judged.feasible & could_win
    winners = choose_winners(assessment, candidates, judged.utility, allowed, moved)
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
