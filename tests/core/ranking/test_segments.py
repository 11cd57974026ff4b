"""Qualities of segments are shrunk by what sampling explains of their differences."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from rightfit.measuring.profile import PREDICTIONS
from rightfit.models.quality.standard_errors import pack_deviations
from rightfit.ranking.segments import pool_qualities

N_SEGMENTS, N_ROWS = 20, 100


def judge(spread: float) -> pl.DataFrame:
    """Two candidates of accuracy 0.8, whose true accuracies differ between segments."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(N_SEGMENTS):
        for name, shift in zip("ab", rng.permutation([spread, -spread]), strict=True):
            hits = rng.random(N_ROWS) < 0.8 + shift
            rows.append(
                {
                    "segment": f"{number:02}",
                    "n_rows": N_ROWS,
                    PREDICTIONS: name,
                    "quality": hits.mean(),
                    "quality_raw": hits.mean(),
                    "quality_deviations": pack_deviations((hits - hits.mean()) / N_ROWS),
                }
            )
    return pl.DataFrame(rows)


def spread_of(judged: pl.DataFrame) -> float:
    values = judged["quality_raw"].to_numpy().reshape(N_SEGMENTS, 2)
    return float(np.std(values[:, 0] - values[:, 1]))


@pytest.mark.parametrize(("spread", "low", "high"), [(0.0, 0.0, 0.3), (0.15, 0.9, 1.0)])
def test_differences_count_by_their_share_that_is_no_sampling_error(
    spread: float, low: float, high: float
) -> None:
    judged = judge(spread)

    pooled = pool_qualities(judged)

    assert low <= spread_of(pooled) / spread_of(judged) <= high
    means = [
        table.group_by("segment").agg(pl.mean("quality")).sort("segment")
        for table in (judged, pooled)
    ]
    assert means[1]["quality"].to_list() == pytest.approx(means[0]["quality"].to_list())


def test_a_single_segment_stays_as_it_was_judged() -> None:
    judged = judge(0.1)[:2]

    assert pool_qualities(judged).equals(judged)
