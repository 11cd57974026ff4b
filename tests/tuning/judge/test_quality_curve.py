"""Final quality is projected from the curve, the other curves and similar settings."""

from __future__ import annotations

import numpy as np

from rightfit.tuning.judge.observed import ObservedTrial, Pool, Seen
from rightfit.tuning.judge.quality_curve import QualityProjection


def trial(number: int, place: float, *gaps: float) -> ObservedTrial:
    looks = (Seen(0, None, None), *(Seen(i, 1 - gap, None) for i, gap in enumerate(gaps, 1)))
    return ObservedTrial(number, (place,), looks)


HALVING = [trial(i, i / 10, 0.4 + i / 50, 0.2 + i / 100, 0.1 + i / 200) for i in range(8)]


def project(pool: list[ObservedTrial], new: ObservedTrial, *, neighbours: bool = False) -> float:
    projection = QualityProjection(uses_neighbours=neighbours)
    projection.learn(Pool(pool, 3))
    return float(projection.project(new).value)


def test_a_curve_goes_on_as_the_others_did() -> None:
    np.testing.assert_allclose(project(HALVING, trial(9, 0.5, 0.4)), 0.1, rtol=0.02)


def test_a_finished_trial_is_known_exactly() -> None:
    projection = QualityProjection(uses_neighbours=True)
    projection.learn(Pool(HALVING, 3))

    estimate = projection.project(trial(9, 0.5, 0.4, 0.2, 0.15))

    np.testing.assert_allclose([estimate.value, estimate.spread], [0.15, 0.0])


def test_the_error_shrinks_as_the_training_goes_on() -> None:
    projection = QualityProjection(uses_neighbours=False)
    projection.learn(Pool(HALVING, 3))

    early = projection.project(trial(9, 0.5, 0.4)).spread
    late = projection.project(trial(9, 0.5, 0.4, 0.2)).spread

    assert late < early


def test_before_training_similar_settings_tell() -> None:
    rising = [trial(i, i / 7, 0.1 * (i + 1), 0.1 * (i + 1), 0.1 * (i + 1)) for i in range(8)]

    low = project(rising, trial(9, 0.0), neighbours=True)
    high = project(rising, trial(9, 1.0), neighbours=True)

    assert low < 0.3 < 0.5 < high


def test_without_any_trial_everything_is_possible() -> None:
    projection = QualityProjection(uses_neighbours=True)
    projection.learn(Pool([], 3))

    assert np.isinf(projection.project(trial(0, 0.5)).spread)
