from __future__ import annotations

import pytest
from factories.measurements import make_round, make_settings

from rightfit.measuring.blocks import Level
from rightfit.measuring.profile import MeasuredHow, ProfileBuilder
from rightfit.measuring.profiles.measured import Measured, set_measured
from rightfit.measuring.rounds.state import MeasurementState
from rightfit.measuring.worker.results import ServerResult

P99 = "latency_under_load_p99_ms"


def served(p99_ms: float | None, *, n_requests: int = 700, reason: str = "") -> ServerResult:
    return ServerResult(
        p99_ms=p99_ms, utilisation=0.5, n_requests=n_requests, reason=reason or None
    )


def summarise(*processes: ServerResult, level_error_pct: float = 0) -> ProfileBuilder:
    profile = ProfileBuilder(how=MeasuredHow(preset="standard", devices=("cpu",)))
    state = MeasurementState(rounds=(make_round(),), server=processes)
    level = Level(level_error_pct)
    set_measured(profile, Measured(state, make_settings(), level=level))
    return profile


def test_p99_is_the_median_over_processes_with_its_interval() -> None:
    values = summarise(served(90.0), served(110.0), served(100.0)).values

    assert values[P99] == 100.0
    # Student's interval of the logarithms: 99.7 / and * 1.28
    assert values[f"{P99}_low"] == pytest.approx(77.6, abs=0.1)
    assert values[f"{P99}_high"] == pytest.approx(127.8, abs=0.5)


def test_load_tests_follow_each_other_and_carry_the_error_of_the_level() -> None:
    values = summarise(*[served(100.0)] * 3, level_error_pct=5).values

    assert values[f"{P99}_low"] == pytest.approx(100 / 1.05)
    assert values[f"{P99}_high"] == pytest.approx(105.0)


def test_one_process_gives_no_interval() -> None:
    values = summarise(served(9.0)).values

    assert values[P99] == 9.0
    assert values[f"{P99}_low"] is None


def test_p99_that_a_process_missed_is_null_with_its_reason() -> None:
    profile = summarise(served(8.0), served(None, reason="no time"))

    assert profile.values[P99] is None
    assert profile.reasons[P99] == "no time"


def test_p99_of_too_few_requests_is_null_with_the_numbers() -> None:
    profile = summarise(served(8.0, n_requests=300), served(8.0, n_requests=300))

    assert profile.values[P99] is None
    assert "needs 662 requests" in profile.reasons[P99]


def test_profile_says_at_which_load_the_p99_was_measured() -> None:
    how = summarise(served(8.0)).how

    assert how is not None
    assert how.server is not None
    assert (how.server.rate_per_s, how.server.utilisation) == (200, 0.5)
    assert how.server.processes[0].p99_ms == 8.0
