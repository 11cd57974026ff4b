from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from factories.rankings import (
    around,
    assess,
    make_application,
    make_profile,
    make_twin,
    rank,
)

from rightfit.ranking.uncertainty.selection_probability import Simulation, simulate

QUALITY_ALONE = {"quality": {"weight": 1, "worst": 0, "best": 1}}


def simulate_profiles(*rows: dict[str, object], **constraints: dict[str, float]) -> Simulation:
    application = make_application(objectives=QUALITY_ALONE, constraints=constraints)
    assessment = assess(*rows, application=application)
    candidates = np.arange(len(assessment.chosen))
    return simulate(assessment, candidates, n_draws=20_000, rng=np.random.default_rng(0))


def find_chances(*rows: dict[str, object], **constraints: dict[str, float]) -> np.ndarray:
    return simulate_profiles(*rows, **constraints).p_best


def find_possible_best(
    utility: list[float], feasible: list[float], *, error: float = 0.0
) -> list[bool]:
    """Of independent candidates with the same standard error."""
    n = len(utility)
    simulated = Simulation(np.zeros(n), np.array(feasible), error**2 * np.eye(n))
    return simulated.find_possible_best(np.array(utility), 0.95).tolist()


def test_chance_of_the_better_of_two_is_that_of_the_normal_difference() -> None:
    reach = 1.959964 * 0.03

    chances = find_chances(
        make_profile("a-1", **around("quality", 0.56, reach)),
        make_profile("a-2", **around("quality", 0.50, reach)),
    )

    # it is not worse by 0.01 or more: Phi(0.07 / (0.03 sqrt 2)); the other: Phi(-0.05 / …)
    assert chances.tolist() == pytest.approx([0.9505, 0.1193], abs=0.01)


def test_equal_ones_are_all_practically_the_best() -> None:
    rows = [make_profile(name, quality=0.5) for name in ("a-1", "a-2")]

    assert find_chances(*rows).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("quality", "chance"), [(0.491, 1.0), (0.489, 0.0)])
def test_exact_measurements_are_practically_equal_within_the_band(
    quality: float, chance: float
) -> None:
    chances = find_chances(make_profile("a-1", quality=0.5), make_profile("a-2", quality=quality))

    assert chances.tolist() == [1.0, chance]


def test_chance_counts_only_where_feasible() -> None:
    reach = 1.959964 * 0.05

    found = find_chances(
        make_profile("a-1", **around("quality", 0.6, reach)),
        make_profile("a-2", **around("quality", 0.3, 0.0)),
        quality={"min": 0.6},
    )

    assert found[0] == pytest.approx(0.5, abs=0.02)
    assert found[1] == 0.0


def test_the_best_quality_does_not_fall_out_of_a_degradation_of_itself() -> None:
    found = find_chances(
        make_profile("a-1", **around("quality", 0.6, 0.1)),
        quality={"max_degradation": 0.0},
    )

    assert found.tolist() == [1.0]


def test_halves_of_an_interval_may_differ() -> None:
    chances = find_chances(
        make_profile("a-1", quality=0.5, quality_low=0.5, quality_high=0.6),
        make_profile("a-2", **around("quality", 0.4899, 0.0)),
    )

    assert chances.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("limit", "chance"),
    [
        ({"min": 0.3}, 1.0),
        ({"min": 0.45}, 0.836),
        ({"min": 0.55}, 0.164),
        ({"min": 0.7}, 0.0),
        ({"max": 0.3}, 0.0),
        ({"max": 0.55}, 0.836),
    ],
)
def test_feasibility_is_as_probable_as_the_error_says(
    limit: dict[str, float], chance: float
) -> None:
    simulated = simulate_profiles(make_profile("a-1", **around("quality", 0.5, 0.1)), quality=limit)

    assert simulated.p_feasible[0] == pytest.approx(chance, abs=0.01)


def test_degradation_weighs_the_error_of_the_best_too() -> None:
    simulated = simulate_profiles(
        make_profile("a-1", **around("quality", 0.90, 0.04)),
        make_profile("a-2", **around("quality", 0.85, 0.03)),
        make_profile("a-3", **around("quality", 0.70, 0.03)),
        quality={"max_degradation": 0.09},
    )

    # the second has 0.04 to spare, the half width of the difference is 0.05
    assert simulated.p_feasible.tolist() == pytest.approx([1.0, 0.942, 0.0], abs=0.01)


def test_without_errors_all_but_the_best_are_beaten() -> None:
    possible = find_possible_best([0.5, 0.9, 0.9, 0.95], [1.0, 1.0, 1.0, 0.0])

    assert possible == [False, True, True, False]


def test_a_difference_within_the_errors_beats_nobody() -> None:
    assert find_possible_best([0.9, 0.85, 0.5], [1.0] * 3, error=0.025) == [True, True, False]


def test_a_maybe_infeasible_leader_beats_nobody() -> None:
    assert find_possible_best([0.9, 0.5], [0.5, 1.0]) == [True, True]


def test_what_follows_a_leader_that_may_break_its_limit_may_be_the_best() -> None:
    application = make_application(
        objectives=QUALITY_ALONE, constraints={"latency_p50_ms": {"max": 10}}
    )
    leader = make_profile("a-1", quality=0.9, **around("latency_p50_ms", 9.9, 0.5))
    broken = make_profile("a-2", quality=0.8, **around("latency_p50_ms", 20, 0.5))
    last = make_profile("a-3", quality=0.4, **around("latency_p50_ms", 1, 0.5))

    ranked = rank(leader, broken, last, application=application)

    assert ranked.may_be_best.tolist() == [True, False, True]
    assert ranked.p_best.tolist() == pytest.approx([0.65, 0.0, 0.35], abs=0.03)


def test_an_exact_one_within_the_band_is_practically_the_best_and_is_not_the_best() -> None:
    rows = [make_profile(f"a-{i}", quality=quality) for i, quality in enumerate((0.5, 0.491, 0.4))]

    ranked = rank(*rows, application=make_application(objectives=QUALITY_ALONE))

    assert ranked.p_best.tolist() == [1.0, 1.0, 0.0]
    assert ranked.may_be_best.tolist() == [True, False, False]


def test_the_winner_may_always_be_the_best() -> None:
    rng = np.random.default_rng(3)
    rows = [
        make_profile(
            f"a-{i}",
            **around("quality", float(rng.uniform(0.2, 0.9)), float(rng.uniform(0, 0.2))),
            min_hardware_tier=float(rng.integers(1, 4)),
        )
        for i in range(40)
    ]
    application = make_application(objectives=QUALITY_ALONE, constraints={"quality": {"min": 0.4}})

    ranked = rank(*rows, application=application)

    assert ranked.may_be_best[ranked.rank == 1].all()
    assert not ranked.may_be_best.all()


def test_candidates_are_compared_with_the_best_not_pair_by_pair() -> None:
    rows = [make_profile("a-0", **around("quality", 0.9, 0.01))]
    rows += [make_profile(f"b-{i}", **around("quality", 0.88, 0.01)) for i in range(4)]
    rows += [make_profile("c-0", **around("quality", 0.883, 0.01))]
    rows += [make_profile(f"d-{i}", **around("quality", 0.8845, 0.01)) for i in range(4)]

    ranked = rank(*rows, application=make_application(objectives=QUALITY_ALONE))

    # 2.77, 2.36 and 2.15 standard errors below the first: 45 pairs ask for 3.26, nine rivals for
    # 2.54, the five that are left without b for 2.33, and four for 2.24
    assert np.flatnonzero(ranked.may_be_best).tolist() == [0, 6, 7, 8, 9]
    assert ranked.p_best[ranked.may_be_best].min() > 0


def test_those_that_may_be_the_best_include_the_best() -> None:
    rng = np.random.default_rng(5)
    n_runs, held = 200, 0
    for _ in range(n_runs):
        seen = 0.5 + rng.normal(0, 0.03, 8)  # all are equally good, so that any may seem beaten
        rows = [make_profile(f"a-{i}", **around("quality", seen[i], 1.96 * 0.03)) for i in range(8)]
        held += rank(*rows, application=make_application(objectives=QUALITY_ALONE)).may_be_best[0]

    assert held / n_runs >= 0.94


@pytest.mark.parametrize(
    ("first", "second", "worse"),
    [
        ({"twins": ("a-2",)}, {"twins": ("a-1",)}, 0.0),
        ({"twins": ("a-2",)}, {"twins": ()}, 0.4),  # the samples of a-2 contradict those of a-1
        ({"twins": ("a-2",)}, {"twins": ("a-1",), "n_threads": 2}, 0.4),
        ({"twins": ("a-2",), "cost_class": None}, {"twins": ("a-1",), "cost_class": None}, 0.4),
    ],
)
def test_only_quality_tells_twins_apart(
    first: dict[str, Any], second: dict[str, Any], worse: float
) -> None:
    latency = around("latency_p50_ms", 10, 8)

    found = simulate(
        assess(
            make_twin("a-1", quality=0.50, **first, **latency),
            make_twin("a-2", quality=0.46, **second, **latency),
        ),
        np.arange(2),
        n_draws=20_000,
        rng=np.random.default_rng(0),
    )

    assert found.p_best[1] == pytest.approx(worse, abs=0.1)
    assert found.find_possible_best(np.array([0.5, 0.48]), 0.95)[1] == (worse > 0)


def test_twins_that_contradict_a_third_share_with_each_other_alone() -> None:
    found = assess(
        make_twin("a-1", twins=("a-2",)),
        make_twin("a-2", twins=("a-1", "a-3")),
        make_twin("a-3", twins=("a-2",)),
    )

    assert found.table.cost_class_of_row.tolist() == [0, 0, 2]
