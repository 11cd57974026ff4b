"""What a trial could be worth counts every outcome by its probability."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from recordings import application

from rightfit.tuning.judge.estimate import Estimate, make_estimate
from rightfit.tuning.judge.outlook import Outlook, Projection, look_ahead


def project(gap: Estimate, size_mib: float = 1.0, size_spread: float = 0.0) -> Projection:
    """Return a trial in two serving configurations, the second of twice the size."""
    value = np.array([[size_mib], [2 * size_mib]])
    spread = np.full((2, 1), size_spread)
    return Projection(gap, ("model_size_mib",), Estimate(value, spread, np.full((2, 1), np.inf)))


def look(projection: Projection, **limits: Any) -> Outlook:
    return look_ahead(
        projection, application(**limits), best_quality=-np.inf, limit_confidence=0.995
    )


def test_a_known_trial_gains_its_lead_and_nothing_if_behind() -> None:
    outlook = look(project(make_estimate(0.2)))

    assert outlook.expected == pytest.approx(0.8)
    assert outlook.expect_gain(0.7) == pytest.approx(0.1)
    assert outlook.expect_gain(0.9) == 0.0


def test_the_expected_gain_is_that_of_the_normal_distribution() -> None:
    spread = 0.05
    outlook = look(project(make_estimate(0.2, spread)))

    level = 0.2 * spread / math.sqrt(2 * math.pi)  # of a normal error at its median

    assert outlook.expect_gain(0.8) == pytest.approx(level, rel=0.05)


def test_what_breaks_a_limit_gains_nothing() -> None:
    outlook = look(project(make_estimate(0.2), size_mib=4.0), max_size_mib=5)

    np.testing.assert_allclose(outlook.expect_gains(0.7), [0.1, 0.0])
    assert outlook.violation is None


def test_a_limit_that_is_kept_by_half_of_the_draws_halves_the_gain() -> None:
    outlook = look(project(make_estimate(0.2), size_mib=5.0, size_spread=0.3), max_size_mib=5)

    assert outlook.expect_gains(0.7)[0] == pytest.approx(0.05, rel=0.02)


def test_a_limit_broken_everywhere_is_a_violation() -> None:
    outlook = look(project(make_estimate(0.2), size_mib=6.0), max_size_mib=5)

    assert np.isnan(outlook.expected)
    assert outlook.violation is not None
    assert (outlook.violation.metric, outlook.violation.value) == ("model_size_mib", 6.0)


def test_the_best_is_hoped_for_of_what_nobody_has_measured() -> None:
    outlook = look(project(make_estimate(0.2), size_mib=6.0, size_spread=np.inf), max_size_mib=5)

    assert outlook.expect_gain(0.7) == pytest.approx(0.1)


def test_an_error_of_many_orders_of_magnitude_is_no_fault() -> None:
    outlook = look(project(make_estimate(0.2), size_mib=6.0, size_spread=1e4), max_size_mib=5)

    assert 0.0 < outlook.expect_gain(0.7) < 0.1


@pytest.mark.parametrize(("min_quality", "chance"), [(0.8, 0.5), (0.78, 0.97725), (0.5, 1.0)])
def test_a_quality_validated_on_few_rows_counts_by_its_chance_to_keep_the_limit(
    min_quality: float, chance: float
) -> None:
    known = project(make_estimate(0.2))

    outlook = look(replace(known, quality_error=0.01), min_quality=min_quality)

    assert outlook.expected == pytest.approx(0.8 * chance, rel=1e-4)
    assert look(known, min_quality=min_quality).expected == pytest.approx(0.8)
