from __future__ import annotations

import numpy as np
import pytest
from factories.rankings import make_application

from rightfit.ranking.applications.constraints import (
    Limit,
    judge_profiles,
    measure_excess,
    relate_excess,
    resolve_limits,
)

CONSTRAINTS = {
    "quality": {"max_degradation": 0.1},
    "latency_p50_ms": {"min": 2, "max": 20},
}


def test_limits_are_resolved_in_the_order_of_the_yaml() -> None:
    limits = resolve_limits(
        make_application(constraints=CONSTRAINTS), {"quality": np.array([0.9, 0.8])}
    )

    assert [(limit.metric, limit.kind) for limit in limits] == [
        ("quality", "max_degradation"),
        ("latency_p50_ms", "min"),
        ("latency_p50_ms", "max"),
    ]
    assert limits[0].bound == pytest.approx([0.8, 0.7])
    assert limits[2].bound == 20


def test_loss_that_is_exactly_allowed_is_not_broken_by_rounding() -> None:
    raw = np.array([0.722, 0.702])
    quality = (raw - 0.5) / (1.0 - 0.5)
    application = make_application(constraints={"quality": {"max_degradation": 0.04}})
    (limit,) = resolve_limits(application, {"quality": quality.max()})

    assert quality[0] - 0.04 > quality[1]
    assert measure_excess(quality, limit).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("kind", "value", "excess"),
    [
        ("min", 10.0, 0.0),
        ("min", 7.5, 2.5),
        ("max", 10.0, 0.0),
        ("max", 12.0, 2.0),
        ("max_degradation", 9.0, 1.0),
    ],
)
def test_excess_is_the_amount_beyond_the_limit(kind: str, value: float, excess: float) -> None:
    limit = Limit("latency_p50_ms", kind, np.array(10.0))  # type: ignore[arg-type]

    assert measure_excess(np.array([value]), limit).tolist() == [excess]
    assert relate_excess(np.array([excess]), limit).tolist() == [excess / 10]


def test_excess_over_a_limit_of_zero_stays_as_it_is() -> None:
    limit = Limit("gpu_util_pct", "max", np.array(0.0))

    assert relate_excess(np.array([3.0]), limit).tolist() == [3.0]


def test_profile_is_feasible_only_within_all_limits_and_measured() -> None:
    application = make_application(constraints={"quality": {"min": 0.5}, "cpu_cores": {"max": 2}})
    values = {
        "quality": np.array([0.5, 0.25, 0.5, 0.5, 0.25]),
        "latency_p50_ms": np.array([10.0, 10.0, 10.0, np.nan, 10.0]),
        "cpu_cores": np.array([2.0, 2.0, np.nan, 2.0, 3.0]),
    }

    judged = judge_profiles(values, application, limits=resolve_limits(application, {}))

    assert judged.feasible.tolist() == [True, False, False, False, False]
    assert judged.excess.tolist() == [0.0, 0.5, np.inf, 0.0, 1.0]
