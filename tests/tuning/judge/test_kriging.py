"""Steps between looks follow hyper-parameters and where they start."""

from __future__ import annotations

import numpy as np
import pytest

from rightfit.tuning.judge.kriging import Gauss, Kriging, Prior, add_variances

PRIOR = Prior(mean=-0.2, spread=0.2, weight=2.0)
PLACES = np.linspace(0.0, 1.0, 12)[:, None]
LENGTHS = np.array([1.0])


def fitted(places: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> Kriging:
    kriging = Kriging(places, starts, ends, PRIOR)
    kriging.fit(np.ones(places.shape[1]), 0.05)
    return kriging


def test_without_trials_a_step_is_the_prior() -> None:
    kriging = fitted(np.zeros((0, 1)), np.zeros(0), np.zeros(0))

    ahead = kriging.follow(np.array([0.5]), Gauss(-1.0))

    assert ahead.mean == pytest.approx(-1.2)
    assert ahead.variance > PRIOR.spread**2


def test_a_step_follows_those_of_similar_settings() -> None:
    starts = np.full(12, -1.0)
    kriging = fitted(PLACES, starts, starts - PLACES[:, 0])

    low, high = (kriging.follow(np.array([x]), Gauss(-1.0)).mean for x in (0.1, 0.9))

    assert low == pytest.approx(-1.1, abs=0.03)
    assert high == pytest.approx(-1.9, abs=0.03)


def test_who_is_behind_catches_up_if_the_others_did() -> None:
    starts = np.tile([-1.0, -0.4], 6)
    kriging = fitted(PLACES, starts, np.full(12, -1.2))

    ahead, behind = (kriging.follow(np.array([0.5]), Gauss(start)) for start in (-1.0, -0.4))

    assert ahead.mean == pytest.approx(-1.2, abs=0.05)
    assert behind.mean == pytest.approx(-1.2, abs=0.05)


def test_an_unknown_start_adds_to_the_error() -> None:
    starts = np.linspace(-1.5, -0.5, 12)
    kriging = fitted(PLACES, starts, starts - 0.3)

    seen = kriging.follow(np.array([0.5]), Gauss(-1.0)).variance
    predicted = kriging.follow(np.array([0.5]), Gauss(-1.0, 0.04, 5.0)).variance

    assert predicted - seen == pytest.approx(0.04, rel=0.1)


def test_the_evidence_prefers_lengths_that_explain_the_steps() -> None:
    places = np.column_stack([PLACES[:, 0], np.tile([0.0, 1.0], 6)])
    starts = np.full(12, -1.0)
    kriging = Kriging(places, starts, starts - 0.5 * places[:, 1], PRIOR)

    right = kriging.fit(np.array([6.0, 0.5]), 0.05)
    wrong = kriging.fit(np.array([0.5, 6.0]), 0.05)

    assert right > wrong


def test_degrees_of_freedom_are_those_of_the_larger_error() -> None:
    total = add_variances(0.5, (0.9, 4.0), (0.001, 100.0))

    assert (total.mean, total.variance) == (0.5, 0.901)
    assert total.dof == pytest.approx(4.0, rel=0.01)
