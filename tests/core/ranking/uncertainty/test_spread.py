from __future__ import annotations

import numpy as np
import pytest
from factories.rankings import around, assess, make_application, make_profile

from rightfit.ranking.uncertainty.spread import bound_utilities

LINEAR = make_application(
    objectives={
        "quality": {"weight": 3, "worst": 0, "best": 1},
        "latency_p50_ms": {"weight": 1, "worst": 100, "best": 0},
    }
)


def test_interval_of_another_level_is_wider() -> None:
    assessment = assess(
        make_profile("a-1", **around("quality", 0.5, 0.1)),
        application=make_application(objectives={"quality": {"weight": 1, "worst": 0, "best": 1}}),
    )

    usual, wide = (0.5 - bound_utilities(assessment, level)[0][0] for level in (0.95, 0.99))

    assert usual == pytest.approx(0.1)
    assert wide == pytest.approx(0.1 * 2.575829 / 1.959964)


def test_errors_of_metrics_add_in_quadrature_each_side_for_itself() -> None:
    assessment = assess(
        make_profile(
            "a-1",
            quality=0.5,
            quality_low=0.4,
            quality_high=0.5,
            latency_p50_ms=50,
            latency_p50_ms_low=50,
            latency_p50_ms_high=90,
        ),
        application=LINEAR,
    )

    low, high = bound_utilities(assessment, 0.95)

    below = np.hypot(0.75 * 0.1, 0.25 * 0.4)
    assert low[0] == pytest.approx(assessment.utility[0] - below)
    assert high[0] == assessment.utility[0]


def test_error_beyond_the_best_bound_changes_nothing() -> None:
    assessment = assess(
        make_profile("a-1", quality=0.5, **around("latency_p50_ms", 0.5, 0.3)),
        application=make_application(),
    )

    low, high = bound_utilities(assessment, 0.95)

    assert low[0] == high[0] == assessment.utility[0]


def test_geometric_mean_spreads_towards_zero() -> None:
    assessment = assess(
        make_profile("a-1", quality=0.25, quality_low=0.0, quality_high=1.0, latency_p50_ms=1),
        application=make_application(aggregation="geometric"),
    )

    low, high = bound_utilities(assessment, 0.95)

    assert assessment.utility[0] == pytest.approx(0.5)
    assert (low[0], high[0]) == pytest.approx((0.0, 1.0))
