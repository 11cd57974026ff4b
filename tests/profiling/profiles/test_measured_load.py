from __future__ import annotations

import pytest
from measured import make_round, make_settings
from under_load import served

from rightfit.profiling.measuring.state import MeasurementState
from rightfit.profiling.profile import MeasuredHow
from rightfit.profiling.profiles.measured import set_measured
from rightfit.profiling.profiles.profile import ProfileBuilder
from rightfit.profiling.shared_error import SharedError
from rightfit.profiling.worker.results import ServerResult


def summarise(*processes: ServerResult, shared_error_pct: float = 0) -> ProfileBuilder:
    profile = ProfileBuilder(how=MeasuredHow(preset="standard", devices=("cpu",)))
    set_measured(
        profile,
        MeasurementState(rounds=(make_round(),), server=processes),
        make_settings(),
        shared=SharedError.assume(shared_error_pct),
        n_threads=1,
        is_final=True,
    )
    return profile


def test_columns_are_medians_over_processes_with_intervals() -> None:
    values = summarise(served(8.0, 90.0), served(9.0, 110.0), served(10.0, 100.0)).values

    assert values["latency_under_load_p99_ms"] == 9.0
    assert values["max_rate_per_s"] == 100.0
    # Student's interval of the logarithms: 99.7 / and * 1.28
    assert values["max_rate_per_s_low"] == pytest.approx(77.6, abs=0.1)
    assert values["max_rate_per_s_high"] == pytest.approx(127.8, abs=0.5)


def test_load_tests_follow_each_other_and_share_what_a_single_stretch_does() -> None:
    processes = [served(9.0, 100.0)] * 3

    values = summarise(*processes, shared_error_pct=2).values

    assert values["max_rate_per_s_low"] == pytest.approx(95.0)
    assert values["max_rate_per_s_high"] == pytest.approx(105.0)


def test_one_process_gives_no_interval() -> None:
    values = summarise(served(9.0, 100.0)).values

    assert values["max_rate_per_s"] == 100.0
    assert values["max_rate_per_s_low"] is None


def test_rate_at_which_the_search_ends_may_be_higher() -> None:
    processes = [served(9.0, 98.0, is_capped=True)] * 3

    values = summarise(*processes).values

    assert values["max_rate_per_s"] == 98.0
    assert values["max_rate_per_s_high"] == pytest.approx(100.0)


def test_column_that_a_process_missed_is_null_with_its_reason() -> None:
    profile = summarise(served(8.0, 90.0), served(8.0, None, reason="no time"))

    assert profile.values["latency_under_load_p99_ms"] == 8.0
    assert profile.values["max_rate_per_s"] is None
    assert profile.reasons["max_rate_per_s"] == "no time"


def test_p99_of_too_few_requests_is_null_with_the_numbers() -> None:
    profile = summarise(served(8.0, 90.0, n_requests=300), served(8.0, 90.0, n_requests=300))

    assert profile.values["latency_under_load_p99_ms"] is None
    assert "needs 662 requests" in profile.reasons["latency_under_load_p99_ms"]
    assert profile.values["max_rate_per_s"] == 90.0


def test_profile_says_at_which_load_the_p99_was_measured() -> None:
    how = summarise(served(8.0, 90.0)).how

    assert how is not None
    assert how.server is not None
    load = how.server
    assert (load.rate_per_s, load.utilisation, load.p99_limit_ms) == (200, 0.5, 50)
    assert load.processes[0].highest.rate_per_s == 90.0
