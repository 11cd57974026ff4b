from __future__ import annotations

from dataclasses import replace

import pytest
from factories.reports import make_load_step

from rightfit.ranking.records.load_records import LoadCurve
from rightfit_deploy.winner_size import read_served_figures


@pytest.mark.parametrize(
    ("disturbed", "remedy"), [(True, "on a quiet machine"), (False, "Try a larger machine")]
)
def test_load_that_never_meets_the_limit_is_refused_with_a_remedy(
    disturbed: bool, remedy: str
) -> None:
    step = replace(make_load_step(26, (8.0, 18.8, 25.0)), others_cores=0.5 * disturbed)
    curve = LoadCurve((), (step,), 30, None, limit_ms=10, knee_per_s=None)

    with pytest.raises(
        ValueError, match=f"meets a p99 of 10 ms; the lowest has 25 ms.*{remedy}.*, or raise"
    ):
        read_served_figures(curve)
