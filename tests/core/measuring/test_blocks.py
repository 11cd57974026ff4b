from __future__ import annotations

import numpy as np
import pytest

from rightfit.measuring.blocks import (
    TimedSlice,
    adjust_figures,
    estimate_group_error,
    estimate_level,
    estimate_slowdowns,
    polish,
    usual_figure,
)

N_BLOCKS = 8


def draw(rng: np.random.Generator, level: float, moments: np.ndarray) -> dict[str, float]:
    """Draw figures of a profile whose processes differ by 1 %."""
    logs = np.log(level) + moments + 0.01 * rng.standard_normal(len(moments))
    return {f"now.{number}": float(figure) for number, figure in enumerate(np.exp(logs))}


def draw_slices(rng: np.random.Generator, n_processes: int, n_each: int) -> list[TimedSlice]:
    """Draw slices of processes of unlike speed, in random order, on a steady machine."""
    order = rng.permutation(np.repeat(np.arange(n_processes), n_each))
    noise = np.exp(0.02 * rng.standard_normal(len(order)))
    return [
        TimedSlice(int(process), None, float(10.0**process * factor))
        for process, factor in zip(order, noise, strict=True)
    ]


def slow_down(
    slices: list[TimedSlice], moments: np.ndarray, process: int | None = None
) -> list[TimedSlice]:
    """Return slices that took longer at some moments, of all processes or one."""
    return [
        TimedSlice(one.process, one.batch_size, one.call_ns * moment)
        if process in (None, one.process)
        else one
        for one, moment in zip(slices, moments, strict=True)
    ]


def flatten(slices: list[TimedSlice]) -> list[float]:
    """Return the slowdowns in the order of the slices."""
    found = estimate_slowdowns(slices)
    return [found[one.process, one.batch_size].pop(0) for one in slices]


def test_moments_at_which_the_machine_is_slow_are_found() -> None:
    rng = np.random.default_rng(0)
    slices = draw_slices(rng, 6, 20)
    moments = np.repeat(rng.permutation([1.0, 1.0, 1.0, 1.7, 1.0, 1.7]), 20)

    found = flatten(slow_down(slices, moments))

    # a change is known to some slices
    assert np.mean(np.abs(np.log(found / moments)) < 0.1) > 0.8
    assert np.std(np.log(moments / found)) < np.std(np.log(moments)) / 2


def test_what_one_model_does_by_itself_is_left_to_it() -> None:
    rng = np.random.default_rng(0)
    slices = draw_slices(rng, 6, 20)
    pauses = np.where(rng.random(len(slices)) < 0.4, 3.0, 1.0)

    found = flatten(slow_down(slices, pauses, process=2))

    assert found == pytest.approx([1.0] * len(slices), abs=0.1)


@pytest.mark.parametrize("slices", [[], [TimedSlice(0, None, 5.0)], [TimedSlice(0, 32, 5.0)] * 9])
def test_without_others_nothing_is_known_of_a_moment(slices: list[TimedSlice]) -> None:
    assert flatten(slices) == [1.0] * len(slices)


def test_what_a_block_shares_is_taken_off_all_of_its_figures() -> None:
    rng = np.random.default_rng(0)
    moments = 0.3 * rng.standard_normal(N_BLOCKS)
    levels = [1.0, 2.0, 5.0, 5.5]

    adjusted = adjust_figures([draw(rng, level, moments) for level in levels], {})

    medians = [np.median(list(figures.values())) for figures in adjusted]
    assert np.divide(medians, medians[0]) == pytest.approx(levels, rel=0.02)
    assert all(np.std(np.log(list(figures.values()))) < 0.03 for figures in adjusted)


def test_profiles_that_share_no_block_are_joined_by_the_reference() -> None:
    reference = {"now.0": 1.0, "now.1": 2.0}  # the machine takes twice as long in the second

    slow, fast = adjust_figures([{"now.0": 3.0}, {"now.1": 3.0}], reference)

    assert slow["now.0"] / fast["now.1"] == pytest.approx(2)


def test_error_of_a_group_holds_how_far_groups_lie_apart() -> None:
    rng = np.random.default_rng(0)
    held = []
    for _ in range(200):
        moments = 0.3 * rng.standard_normal(N_BLOCKS)  # of which the reference tells nothing
        group = [draw(rng, level, moments) for level in (1.0, 2.0, 5.0)]
        reference = dict.fromkeys(group[0], 1.0)
        first = np.median(list(adjust_figures(group, reference)[0].values()))
        held.append(abs(np.log(first)) <= np.log1p(estimate_group_error(group, reference) / 100))

    assert 0.9 < np.mean(held) < 1


def test_figures_are_told_at_the_usual_speed_of_the_reference() -> None:
    reference = {"a.0": 1.0, "b.0": 1.0, "c.0": 1.0, "now.0": 1.5, "now.1": 1.5}

    [adjusted] = adjust_figures([{"now.0": 3.0, "now.1": 3.0}], reference)

    assert list(adjusted.values()) == pytest.approx([2.0, 2.0])


def test_one_process_that_was_disturbed_moves_no_other() -> None:
    profiles = [{f"now.{block}": level for block in range(4)} for level in (1.0, 2.0, 3.0)]
    profiles[0]["now.2"] = 50.0

    _, second, third = adjust_figures(profiles, {})

    assert list(second.values()) == pytest.approx([2.0] * 4)
    assert list(third.values()) == pytest.approx([3.0] * 4)


def test_rows_without_figures_stay_without() -> None:
    level, effects = polish(np.array([[np.nan, np.nan], [0.0, 1.0], [1.0, 2.0]]))

    assert np.isnan(level[0])
    assert effects[1] - effects[0] == pytest.approx(1)
    assert adjust_figures([{}, {"now.0": 2.0}], {}) == [{}, {"now.0": pytest.approx(2.0)}]


def test_level_is_surer_the_more_runs_were_seen() -> None:
    rng = np.random.default_rng(0)
    runs = {f"r{number}.0": float(np.exp(0.05 * rng.standard_normal())) for number in range(30)}

    few, many = (
        estimate_level(dict(list(runs.items())[:n]), ["r0.0"], assumed_pct=10) for n in (1, 30)
    )

    assert few.half_width_pct > 10
    assert many.half_width_pct < 4
    assert (few.n_runs, many.n_runs) == (1, 30)
    assert many.slowdown == pytest.approx(runs["r0.0"] / usual_figure(runs))
