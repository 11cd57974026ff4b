"""The winner's quality, free of the luck that it was chosen by."""

from __future__ import annotations

from math import hypot

import numpy as np

from rightfit.ranking.contest.profile_table import FINAL
from rightfit.ranking.explanation.decisions import FinalQuality
from rightfit.ranking.rank_candidates import Ranked
from rightfit.ranking.uncertainty.nested import judge_outside_bags


def judge_winner(ranked: Ranked, winner: int) -> FinalQuality | None:
    """Judge a winner on the rows that were held out, else by nested resampling.

    Returns:
        Its quality; ``None`` where nothing is known of how the qualities deviate.
    """
    table = ranked.contest.table
    row = table.frame.row(int(ranked.contest.chosen[winner]), named=True)
    chosen_by = row.get("quality_raw")
    if chosen_by is None:
        return None
    if row.get(FINAL) is not None:
        ends = row[f"{FINAL}_low"], row[f"{FINAL}_high"]
        return FinalQuality(raw=row[FINAL], raw_low=ends[0], raw_high=ends[1], chosen_by=chosen_by)
    dataset = int(table.dataset_of_candidate[winner])
    part = table.candidate_slices[dataset]
    raw = judge_outside_bags(
        ranked.contest,
        np.arange(part.start, part.stop),
        ranked.rank_low[part] == 1,
        np.random.default_rng([ranked.contest.rules.seed, dataset]),
    )
    if np.isnan(raw):
        return None
    low, high = row.get("quality_raw_low"), row.get("quality_raw_high")
    if low is not None and high is not None:
        # the correction is uncertain by about its own size
        low = raw - hypot(chosen_by - low, chosen_by - raw)
        high = raw + hypot(high - chosen_by, chosen_by - raw)
    return FinalQuality(raw=raw, raw_low=low, raw_high=high, chosen_by=chosen_by, how="nested")
