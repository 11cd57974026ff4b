"""Qualities follow a common line from look to look."""

from __future__ import annotations

import numpy as np
import pytest

from rightfit_search.searching.pausing.observed import ObservedTrial, Pool, Seen
from rightfit_search.searching.pausing.quality_projection import StepPrior, project_quality

PRIOR = (StepPrior(0.2, 1.0, 0.1), StepPrior(0.1, 1.0, 0.05))


def trial(number: int, *qualities: float) -> ObservedTrial:
    looks = [Seen(0, None, None), *(Seen(i, q, None) for i, q in enumerate(qualities, start=1))]
    return ObservedTrial(number, tuple(looks))


def test_before_anything_has_gone_on_the_prior_speaks() -> None:
    value, spread = project_quality(Pool([trial(0, 0.4), trial(1, 0.5)], 3), PRIOR)

    assert value == pytest.approx([0.7, 0.8])
    assert spread == pytest.approx([np.hypot(0.1, 0.05)] * 2)


def test_what_has_gone_on_teaches_the_rise() -> None:
    ended = [trial(i, 0.4 + i / 100, 0.45 + i / 100, 0.46 + i / 100) for i in range(20)]

    value, spread = project_quality(Pool([*ended, trial(20, 0.5)], 3), PRIOR)

    assert value[20] == pytest.approx(0.56, abs=0.02)
    assert spread[20] < 0.06
    assert value[3] == 0.49
    assert spread[3] == 0


def test_fewer_looks_than_the_prior_use_its_last_steps() -> None:
    value, _ = project_quality(Pool([trial(0, 0.4)], 2), PRIOR)

    assert value == pytest.approx([0.5])


def test_a_trial_above_its_line_is_expected_to_stay_so_in_part() -> None:
    pool = Pool([*(trial(i, 0.4, 0.5) for i in range(8)), trial(8, 0.4, 0.6)], 3)

    value, _ = project_quality(pool, PRIOR)

    assert value[8] - value[0] > 0.1


def test_one_slow_starter_that_went_on_first_says_little_of_the_better_ones() -> None:
    better = [trial(i, 0.5 + i / 100) for i in range(9)]

    before, _ = project_quality(Pool(better, 3), PRIOR)
    after, _ = project_quality(Pool([*better, trial(9, 0.1, 0.1)], 3), PRIOR)

    assert after[8] == pytest.approx(before[8], abs=0.05)
