from __future__ import annotations

import math

import numpy as np
import pytest
from factories.simulated_latencies import draw_drift

from rightfit.measuring.common_mode_error import (
    BlockEffects,
    CommonModeError,
    estimate_common_mode_error,
    find_block_effects,
)

N_TURNS, N_PROFILES = 8, 6


def draw_cell(seed: int, *, drift: float, own: float = 0.01) -> list[list[float]]:
    """Times of profiles that share white drift from turn to turn."""
    generator = np.random.default_rng(seed)
    shared = draw_drift(generator, N_TURNS, std=drift, autocorrelation=0)
    noise = own * generator.standard_normal((N_PROFILES, N_TURNS))
    levels = np.arange(1, N_PROFILES + 1)[:, None]
    times: list[list[float]] = (levels * np.exp(shared + noise)).tolist()
    return times


def see_cells(n_cells: int, *, drift: float) -> list[BlockEffects]:
    found = [find_block_effects(draw_cell(seed, drift=drift)) for seed in range(n_cells)]
    return [one for one in found if one is not None]


def test_nothing_seen_leaves_the_constant() -> None:
    assert estimate_common_mode_error([], 1.5) == CommonModeError(1.5, 3.75)


def test_constant_of_zero_adds_nothing() -> None:
    assert estimate_common_mode_error(see_cells(3, drift=0.02), 0) == CommonModeError(0, 0)


def test_steady_machine_gets_less_than_the_constant_and_never_nothing() -> None:
    found = estimate_common_mode_error(see_cells(20, drift=0.0), 1.5)

    assert 0.5 <= found.in_turns_pct < 1.0
    assert found.n_blocks == 20 * N_TURNS


def test_drift_that_turns_share_is_found() -> None:
    found = estimate_common_mode_error(see_cells(30, drift=0.02), 1.5)

    # Alone: 1.96 x 2 %. In turns: the mean of six, which hardly depend on each other.
    assert found.alone_pct == pytest.approx(3.9, rel=0.15)
    assert found.in_turns_pct == pytest.approx(3.9 / math.sqrt(6), rel=0.3)


def test_what_is_no_median_gets_more_where_it_was_measured_alone_on_a_known_machine() -> None:
    known, unknown = CommonModeError(1.0, 2.0, n_blocks=48), CommonModeError.assume(1.5)

    assert known.half_width_pct() == known.half_width_pct(is_median=True) == 1.0
    assert (known.alone.half_width_pct(is_median=True), known.alone.half_width_pct()) == (2.0, 3.0)
    assert unknown.alone.half_width_pct() == unknown.alone_pct


def test_few_turns_leave_a_wider_reach_than_many() -> None:
    few, many = (estimate_common_mode_error(see_cells(n, drift=0.01), 1.5) for n in (1, 30))

    assert few.alone_pct > 1.3 * many.alone_pct


def test_noise_of_single_processes_is_no_drift() -> None:
    noisy = [find_block_effects(draw_cell(seed, drift=0.0, own=0.05)) for seed in range(20)]
    found = estimate_common_mode_error([one for one in noisy if one is not None], 1.5)

    assert found.alone_pct < 2.5


def test_drift_beyond_what_intervals_hold_is_called_so() -> None:
    generator = np.random.default_rng(0)
    walks = [np.cumsum(generator.normal(0, 0.02, N_TURNS)) for _ in range(8)]
    cells = [BlockEffects(tuple(range(N_TURNS)), tuple(walk), 0.002) for walk in walks]

    assert estimate_common_mode_error(cells, 1.5).is_drifting
    assert not estimate_common_mode_error(see_cells(8, drift=0.005), 1.5).is_drifting
    assert not CommonModeError.assume(9.0).is_drifting  # assumed, not seen


def test_disturbed_process_leaves_its_turn_to_the_others() -> None:
    times = draw_cell(0, drift=0.02)
    whole = find_block_effects(times)
    times[0][3] = math.nan
    found = find_block_effects(times)

    assert whole is not None
    assert found is not None
    assert found.blocks == tuple(range(N_TURNS))
    assert found.effects == pytest.approx(whole.effects, abs=0.01)


def test_turn_that_most_processes_missed_is_left_out() -> None:
    times = draw_cell(0, drift=0.02)
    for one in times[:4]:
        one[3] = math.nan
    found = find_block_effects(times)

    assert found is not None
    assert found.blocks == (0, 1, 2, 4, 5, 6, 7)


@pytest.mark.parametrize(
    "times", [[], [[1.0] * 9] * 2, [[1.0] * 3] * 9, [[math.nan] * 9] * 9], ids=len
)
def test_too_few_profiles_or_turns_show_nothing(times: list[list[float]]) -> None:
    assert find_block_effects(times) is None
