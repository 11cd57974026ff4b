from __future__ import annotations

import numpy as np
import pytest
from factories.rankings import around, assess, make_application, make_profile

from rightfit.ranking.uncertainty.selection_probability import simulate_best

QUALITY_ALONE = {"quality": {"weight": 1, "worst": 0, "best": 1}}


def simulate(*rows: dict[str, object], **constraints: dict[str, float]) -> np.ndarray:
    application = make_application(objectives=QUALITY_ALONE, constraints=constraints)
    assessment = assess(*rows, application=application)
    return simulate_best(
        assessment, np.arange(len(assessment.chosen)), n_draws=20_000, rng=np.random.default_rng(0)
    )


def test_chance_of_the_better_of_two_is_that_of_the_normal_difference() -> None:
    reach = 1.959964 * 0.03

    chances = simulate(
        make_profile("a-1", **around("quality", 0.56, reach)),
        make_profile("a-2", **around("quality", 0.50, reach)),
    )

    # it is not worse by 0.01 or more: Phi(0.07 / (0.03 sqrt 2)); the other: Phi(-0.05 / …)
    assert chances.tolist() == pytest.approx([0.9505, 0.1193], abs=0.01)


def test_equal_ones_are_all_practically_the_best() -> None:
    rows = [make_profile(name, quality=0.5) for name in ("a-1", "a-2")]

    assert simulate(*rows).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("quality", "chance"), [(0.491, 1.0), (0.489, 0.0)])
def test_exact_measurements_are_practically_equal_within_the_band(
    quality: float, chance: float
) -> None:
    chances = simulate(make_profile("a-1", quality=0.5), make_profile("a-2", quality=quality))

    assert chances.tolist() == [1.0, chance]


def test_chance_counts_only_where_feasible() -> None:
    reach = 1.959964 * 0.05

    found = simulate(
        make_profile("a-1", **around("quality", 0.6, reach)),
        make_profile("a-2", **around("quality", 0.3, 0.0)),
        quality={"min": 0.6},
    )

    assert found[0] == pytest.approx(0.5, abs=0.02)
    assert found[1] == 0.0


def test_the_best_quality_does_not_fall_out_of_a_degradation_of_itself() -> None:
    found = simulate(
        make_profile("a-1", **around("quality", 0.6, 0.1)),
        quality={"max_degradation": 0.0},
    )

    assert found.tolist() == [1.0]


def test_halves_of_an_interval_may_differ() -> None:
    chances = simulate(
        make_profile("a-1", quality=0.5, quality_low=0.5, quality_high=0.6),
        make_profile("a-2", **around("quality", 0.4899, 0.0)),
    )

    assert chances.tolist() == [1.0, 0.0]
