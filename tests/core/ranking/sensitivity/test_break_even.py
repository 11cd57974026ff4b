from __future__ import annotations

import numpy as np
import pytest
from factories.rankings import make_application, make_profile, rank

from rightfit.ranking.sensitivity.break_even import (
    find_cheapest_ranges,
    pay_back_rows,
    tabulate_break_even,
)

ROWS = [
    make_profile("a-1", quality=0.5, latency_p50_ms=10, throughput_rows_per_s=1e3, fit_time_s=1),
    make_profile("a-2", quality=0.9, latency_p50_ms=2, throughput_rows_per_s=1e4, fit_time_s=9),
    make_profile("a-3", quality=0.1, latency_p50_ms=20, throughput_rows_per_s=1e2, fit_time_s=3),
]


def test_pay_back_is_the_extra_training_over_the_saving_a_row() -> None:
    fit_s, serve_s = np.array([1.0, 3.0, 2.0, 1.0]), np.array([0.1, 0.05, 0.2, 0.3])

    assert pay_back_rows(fit_s, serve_s, 0) == pytest.approx([0, 40, np.inf, 0])


def test_cheapest_ranges_leave_out_who_is_never_the_cheapest() -> None:
    ranges = find_cheapest_ranges(np.array([1.0, 3.0, 4.0]), np.array([0.4, 0.3, 0.1]))

    assert ranges == {0: (0.0, pytest.approx(10.0)), 2: (pytest.approx(10.0), np.inf)}


def test_break_even_of_single_rows_counts_the_latency() -> None:
    table = tabulate_break_even([rank(*ROWS)])

    assert table.columns[-3:] == ["pays_back_after_rows", "cheapest_from_rows", "cheapest_to_rows"]
    assert table["candidate"].to_list() == ["a-2", "a-1", "a-3"]
    assert table["serve_us"].to_list() == [2_000, 10_000, 20_000]
    assert set(table["fastest_to_train"]) == {"a-1"}
    assert table["pays_back_after_rows"].to_list() == [pytest.approx(1_000), 0.0, None]
    assert table["cheapest_from_rows"].to_list() == [pytest.approx(1_000), 0.0, None]
    assert table["cheapest_to_rows"].to_list() == [None, pytest.approx(1_000), None]


def test_break_even_of_an_archive_counts_the_throughput() -> None:
    table = tabulate_break_even([rank(*ROWS, application=make_application(scenario="offline"))])

    assert table["serve_us"].to_list() == pytest.approx([100, 1_000, 10_000])


def test_break_even_leaves_out_unknown_times_and_infeasible_candidates() -> None:
    limited = make_application(constraints={"latency_p50_ms": {"max": 15}})
    untimed = [row | {"fit_time_s": None} for row in ROWS]

    assert tabulate_break_even([rank(*ROWS, application=limited)])["candidate"].to_list() == [
        "a-2",
        "a-1",
    ]
    assert tabulate_break_even([rank(*untimed)]).height == 0
