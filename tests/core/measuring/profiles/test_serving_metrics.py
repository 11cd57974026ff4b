from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from factories.measurements import BATCH, SETTINGS, make_round, make_settings

from rightfit.measuring.hardware.tiers import Tier, TierFit, fit_tiers
from rightfit.measuring.metrics import METRICS, Metric, MetricTable
from rightfit.measuring.profile import PART_COLUMNS, MeasuredHow, ProfileBuilder
from rightfit.measuring.profiles.measured import (
    Measured,
    make_point,
    pool_spreads,
    set_measured,
    set_tiers,
    share_costs,
    tell_at_usual_speed,
)
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.serving import Serving
from rightfit.measuring.worker.results import ServerResult


def fake_batch(size: int, *, rows_per_s: float, peak_memory_mib: float) -> dict[str, Any]:
    return BATCH | {
        "batch_size": size,
        "rows_per_s": rows_per_s,
        "cpu_ms": 30.0,
        "peak_memory_mib": peak_memory_mib,
    }


def fake_round(batches: list[dict[str, Any]], **changes: Any) -> FinishedRound:
    return make_round(batches=batches, **changes)


SMALL = fake_batch(8, rows_per_s=100.0, peak_memory_mib=20.0)
LARGE = fake_batch(64, rows_per_s=400.0, peak_memory_mib=50.0)
HUGE = fake_batch(512, rows_per_s=401.0, peak_memory_mib=500.0)


def in_blocks(rounds: Sequence[FinishedRound]) -> tuple[FinishedRound, ...]:
    """Return rounds that were timed in a block each."""
    return tuple(replace(one, block=f"a.{number}") for number, one in enumerate(rounds))


def summarise(
    rounds: list[FinishedRound],
    *,
    n_server_processes: int = 0,
    **changes: Any,
) -> ProfileBuilder:
    profile = ProfileBuilder(how=MeasuredHow(preset="standard", devices=("cpu",)))
    state = MeasurementState(rounds=in_blocks(rounds), **{"settled": "precise"} | changes)
    server = SETTINGS["server"] | {"n_processes": n_server_processes}
    set_measured(profile, Measured(state, make_settings(server=server), n_threads=2))
    return profile


def test_metrics_come_from_the_best_batch_size() -> None:
    profile = summarise([fake_round([SMALL, LARGE, HUGE]), fake_round([LARGE])])

    assert profile.best_batch_size == 64
    assert profile.values["throughput_rows_per_s"] == 400.0
    assert profile.values["cpu_cores"] == 1.5
    assert profile.values["cpu_util_pct"] == 75.0
    assert profile.values["peak_memory_mib"] == 150.0  # 95 + 50 + 5; not the 500 of 512 rows
    assert profile.values["model_memory_mib"] == 55.0
    assert profile.values["peak_memory_one_row_mib"] == 114.0  # 95 + 14 + 5


def test_curve_tells_what_depends_on_the_batch_size_at_each_of_them() -> None:
    state = MeasurementState(rounds=in_blocks([fake_round([SMALL, LARGE])] * 6), settled="precise")
    measured = Measured(state, make_settings())

    small, large = (make_point(measured, size, lambda _: None) for size in measured.batch_sizes)

    found = [{one.column: one.value for one in point.figures} for point in (small, large)]
    assert [point.batch_size for point in (small, large)] == [8, 64]
    assert [one["throughput_rows_per_s"] for one in found] == [100.0, 400.0]
    assert [one["peak_memory_mib"] for one in found] == [120.0, 150.0]
    assert "latency_p50_ms" not in found[0]


def measure_alike(*rates: float, jitter: float = 0.01) -> list[Measured]:
    """Return measurements that differ by the rate of their batches alone."""
    measured = []
    for rate in rates:
        rounds = [
            fake_round([LARGE | {"rows_per_s": rate * (1 + jitter * (number - 2))}])
            for number in range(4)
        ]
        state = MeasurementState(rounds=in_blocks(rounds), settled="processes")
        measured.append(Measured(state, make_settings()))
    return measured


def test_twins_are_told_the_same_from_all_their_samples() -> None:
    measured = measure_alike(400.0, 408.0, 300.0)

    first, second, other = share_costs(measured, ["graph", "graph", None])

    throughput = MetricTable.throughput_rows_per_s
    assert first.interval(throughput) == second.interval(throughput)
    assert len(first.rounds) == 8
    assert other.interval(throughput) == measured[2].interval(throughput)


def test_members_of_a_class_that_contradict_each_other_are_told_separately() -> None:
    measured = measure_alike(400.0, 200.0)

    assert share_costs(measured, ["graph", "graph"]) == measured


def test_cpu_comes_with_the_interval_of_their_processes() -> None:
    busy, idle = (SMALL | {"cpu_ms": ms} for ms in (20.0, 10.0))
    profile = summarise([fake_round([busy]), fake_round([idle])] * 3)

    low, high = (profile.values[f"cpu_cores_{end}"] for end in ("low", "high"))
    assert (low, high) == (10 / SMALL["wall_ms"], 20 / SMALL["wall_ms"])


def test_a_model_smaller_than_the_imports_peak_counts_that_peak() -> None:
    tiny = fake_round(
        [fake_batch(8, rows_per_s=1.0, peak_memory_mib=2.0)],
        load={"peak_memory_mib": 1.0},
        latency={"peak_memory_mib": 1.0},
    )

    assert summarise([tiny]).values["peak_memory_mib"] == 105.0


def test_percentile_without_enough_calls_is_null_with_the_numbers() -> None:
    profile = summarise([fake_round([LARGE])] * 3)

    assert profile.values["latency_p50_ms"] == 2.0
    assert profile.values["latency_p95_ms"] == 3.0  # 180 calls, 130 needed
    assert profile.values["latency_p99_ms"] is None
    assert profile.reasons["latency_p99_ms"] == (
        "needs 662 calls; the time allowed for 180: measure again on a quieter machine, or longer, "
        "with preset standard or publish"
    )


def test_percentile_is_that_of_the_processes_that_hold_it() -> None:
    few = {"0.5": 2e6, "0.95": None, "0.99": None}
    slow = fake_round([LARGE], percentiles_ns=few, latency={"n_calls": 12})

    some = summarise([fake_round([LARGE])] * 3 + [slow] * 3)
    none = summarise([slow] * 11)

    assert some.values["latency_p95_ms"] == 3.0
    assert none.values["latency_p95_ms"] is None
    assert none.reasons["latency_p95_ms"].startswith("needs 13 calls of a process")


def test_memory_carries_the_error_that_all_processes_share() -> None:
    values = summarise([fake_round([LARGE])] * 6).values

    ends = (values["peak_memory_mib_low"], values["peak_memory_mib_high"])
    assert ends == pytest.approx((150 / 1.002, 1.002 * 150))


def test_what_profiles_share_in_their_blocks_is_in_none_of_their_intervals() -> None:
    def time_both(*factors: float) -> list[Measured]:
        states = [
            MeasurementState(
                rounds=in_blocks(
                    [
                        fake_round([fake_batch(64, rows_per_s=rate / factor, peak_memory_mib=5.0)])
                        for factor in factors
                    ]
                ),
                settled="precise",
            )
            for rate in (100.0, 300.0)
        ]
        return [Measured(state, make_settings()) for state in states]

    unknown = Measured(MeasurementState(), make_settings())
    told = tell_at_usual_speed(time_both(1, 1.3, 1, 2, 1.1, 0.9), unknown)

    intervals = [one.interval(MetricTable.throughput_rows_per_s) for one in told]
    first, second = (one for one in intervals if not isinstance(one, str))
    assert first.half_width_pct == pytest.approx(0, abs=1e-6)
    assert second.value / first.value == pytest.approx(3)


def time_calls(
    name: str, p50_ms: float, p99_ms: float, *, factors: Sequence[float] = (1, 1)
) -> Measured:
    """Return a measurement with a process per factor, which multiplies its p99."""
    rounds = []
    for block, factor in enumerate(factors):
        shares = {"0.5": p50_ms, "0.95": None, "0.99": factor * p99_ms}
        nanoseconds = {share: ms and ms * 1e6 for share, ms in shares.items()}
        timed = fake_round([LARGE], percentiles_ns=nanoseconds)
        rounds.append(replace(timed, block=f"{name}.{block}"))
    return Measured(MeasurementState(rounds=tuple(rounds), settled="precise"), make_settings())


def test_tail_of_the_reference_moves_no_profile() -> None:
    first, second = time_calls("a", 1.0, 3.0), time_calls("b", 2.0, 6.0)
    quiet, noisy = (
        time_calls("a", 0.1, 0.2),
        time_calls("b", 0.2, 4.0),
    )  # half as fast in the second
    rounds = (*quiet.state.rounds, *noisy.state.rounds)
    reference = replace(quiet, state=replace(quiet.state, rounds=rounds))

    told = tell_at_usual_speed([first, second], reference)

    for metric in (MetricTable.latency_p50_ms, MetricTable.latency_p99_ms):
        ours, theirs = (float(np.median(one.figures(metric))) for one in told)
        assert theirs == pytest.approx(ours), metric
    ours, theirs = (one.figures(MetricTable.throughput_rows_per_s)[0] for one in told)
    assert theirs == pytest.approx(2 * ours)  # as many rows, though the machine was half as fast


def test_profiles_compared_with_others_carry_the_error_of_their_blocks() -> None:
    group = [time_calls("a", 1.0, p99_ms, factors=[1, 2] * 6) for p99_ms in (1.0, 3.0)]
    reference = time_calls("a", 0.1, 0.2, factors=[1] * 12)  # tells nothing of the others' tails

    def find_width(metric: Metric, *, is_apart: bool) -> float:
        told = tell_at_usual_speed(group, reference, is_apart=is_apart)
        interval = told[1].interval(metric)
        assert not isinstance(interval, str)
        return interval.half_width_pct

    p99 = MetricTable.latency_p99_ms
    assert find_width(p99, is_apart=False) == pytest.approx(0, abs=1e-6)
    assert find_width(p99, is_apart=True) == pytest.approx(23, abs=1)  # 2.20 × 0.36 / √12 in logs
    assert find_width(MetricTable.latency_p50_ms, is_apart=True) == pytest.approx(0, abs=1e-6)


def measure_twice(low_ms: float, high_ms: float, *, is_disturbed: bool = False) -> MeasurementState:
    """Return a screened measurement whose two processes found these medians."""
    rounds = [
        fake_round(
            [LARGE],
            percentiles_ns={"0.5": ms * 1e6, "0.95": None, "0.99": None},
            is_disturbed=is_disturbed,
        )
        for ms in (low_ms, high_ms)
    ]
    return MeasurementState(rounds=in_blocks(rounds), settled="screened")


def describe_median(state: MeasurementState, beside: list[MeasurementState]) -> float:
    """Return half the width of its median's interval, in percent."""
    settings, profile = make_settings(), ProfileBuilder()
    spreads = pool_spreads(Measured(one, settings) for one in [state, *beside])
    set_measured(profile, Measured(state, settings, n_threads=2, spreads=spreads))
    low, high = (profile.values[f"latency_p50_ms_{end}"] for end in ("low", "high"))
    assert low is not None
    assert high is not None
    return 50 * (high - low) / 2.0


def test_two_processes_are_as_sure_as_the_profiles_beside_them_say() -> None:
    steady = [measure_twice(2.0, 2.02)] * 11

    assert describe_median(steady[0], beside=[]) > 10  # by itself
    assert 1 < describe_median(steady[0], beside=steady) < 2
    assert describe_median(measure_twice(2.0, 2.2), beside=steady) > 10  # it is less steady


def test_profiles_of_one_thread_are_as_sure_as_the_others_of_one_thread() -> None:
    settings = make_settings()
    steady = [Measured(measure_twice(2.0, 2.02), settings, n_threads=1)] * 11
    wild = [
        Measured(measure_twice(*times_ms), settings, n_threads=2)
        for times_ms in [(1.0, 3.0), (3.0, 1.0)] * 3
    ]
    unknown = Measured(MeasurementState(), settings)

    told = tell_at_usual_speed([*steady, *wild], unknown)

    first, last = (told[number].interval(MetricTable.latency_p50_ms) for number in (0, -1))
    one_thread, two_threads = (
        interval.half_width_pct for interval in (first, last) if not isinstance(interval, str)
    )
    assert one_thread < 2
    assert two_threads > 10


def test_disturbed_processes_are_less_sure_than_those_beside_them_and_do_not_count_there() -> None:
    steady = [measure_twice(2.0, 2.02)] * 11
    disturbed = measure_twice(2.0, 2.02, is_disturbed=True)

    assert describe_median(disturbed, beside=steady) > 10
    wild = measure_twice(1.0, 9.0, is_disturbed=True)
    assert describe_median(steady[0], beside=[*steady, wild]) < 2


def test_failed_measurement_explains_every_null() -> None:
    profile = summarise([], error="ValueError: no such file")

    served = {metric.column for metric in METRICS if metric.phase != "fit"}
    elsewhere = {
        "quality",
        "quality_raw",
        "model_size_mib",
        "min_hardware_tier",
        "cost_usd_per_1m_rows",
    }
    assert set(profile.reasons) == (served - elsewhere) | {*PART_COLUMNS}
    assert profile.reasons["cpu_cores"] == "it does not run: ValueError: no such file"


def judge(profile: ProfileBuilder, *tiers: Tier) -> list[TierFit]:
    return fit_tiers(
        tiers,
        Serving("onnx", 2),
        peak_memory_mib=profile.values["peak_memory_mib"] or 0,
        trials={},
        devices=["cpu"],
    )


def tier(name: str, memory_mib: float, price_per_hour: float) -> Tier:
    return Tier(
        name=name,
        n_cores=2,
        memory_mib=memory_mib,
        device="cpu",
        price_per_hour=price_per_hour,
    )


def test_smallest_tier_and_the_cost_on_the_cheapest_are_set() -> None:
    profile = summarise([fake_round([LARGE])])  # 150 MiB, 400 rows/s
    ladder = (tier("tiny", 149, 0.1), tier("fits", 150, 1.44), tier("odd", 200, 0.72))

    set_tiers(profile, judge(profile, *ladder))

    assert profile.hardware_tier == "fits"
    assert profile.values["min_hardware_tier"] == 2
    # 0.72 an hour are 0.0002 a second; a million rows take 2,500 s.
    assert profile.values["cost_usd_per_1m_rows"] == pytest.approx(0.5)


def test_tier_has_the_interval_of_the_memory_it_follows_from() -> None:
    profile = summarise([fake_round([LARGE])])
    ladder = tier("small", 149.5, 0.1), tier("medium", 151, 0.2), tier("large", 999, 0.3)

    def judge_at(peak_memory_mib: float) -> list[TierFit]:
        return judge(ProfileBuilder(values={"peak_memory_mib": peak_memory_mib}), *ladder)

    set_tiers(profile, judge_at(150.0), low=judge_at(149.0), high=judge_at(152.0))

    ends = [profile.values[f"min_hardware_tier{end}"] for end in ("_low", "", "_high")]
    assert ends == [1, 2, 3]


def test_profile_that_fits_no_tier_says_why_for_each() -> None:
    profile = summarise([fake_round([LARGE])])

    set_tiers(profile, judge(profile, tier("tiny", 149, 0.1)))

    assert profile.hardware_tier is None
    reason = "it fits no tier (tiny: has 149 MiB, needs 150)"
    assert profile.reasons["min_hardware_tier"] == reason
    assert profile.reasons["cost_usd_per_1m_rows"] == reason


def test_throughput_leaves_out_disturbed_processes_unless_too_few_remain() -> None:
    stopped = fake_round([LARGE | {"rows_per_s": 200.0}], is_disturbed=True)

    enough = summarise([fake_round([LARGE])] * 3 + [stopped] * 3)
    too_few = summarise([fake_round([LARGE])] * 2 + [stopped] * 3)

    assert (enough.values["throughput_rows_per_s"], enough.disturbed) == (400.0, False)
    assert (too_few.values["throughput_rows_per_s"], too_few.disturbed) == (200.0, True)


def test_server_columns_come_from_the_processes_that_served() -> None:
    served = ServerResult(p99_ms=8.0, utilisation=0.5, n_requests=700)

    profile = summarise([fake_round([LARGE])], server=(served,))

    assert profile.values["latency_under_load_p99_ms"] == 8.0


@pytest.mark.parametrize(
    ("settled", "n_processes", "reason"),
    [
        ("precise", 0, "this preset serves no requests at random; the preset standard does"),
        ("screened", 0, "this preset serves no requests at random; the preset standard does"),
        ("screened", 3, "no application could choose it, so it was not measured under load"),
    ],
)
def test_server_columns_that_were_not_measured_say_why(
    settled: str, n_processes: int, reason: str
) -> None:
    profile = summarise([fake_round([LARGE])], settled=settled, n_server_processes=n_processes)

    assert profile.reasons["latency_under_load_p99_ms"] == reason


def test_device_figures_are_null_with_the_reason_of_the_device() -> None:
    profile = summarise([fake_round([LARGE])])

    assert profile.reasons["gpu_util_pct"] == "served on the CPU"
    assert profile.reasons["energy_j_per_1k_rows"] == "no counter"
    assert profile.reasons["gpu_memory_mib"] == "the GPU does not report it"


def test_energy_is_that_of_all_rows_answered() -> None:
    # Three calls of 64 rows each; the second process could not read the counter.
    rounds = [
        fake_round([LARGE | {"energy_j": 1.2, "gpu_util_pct": 80}]),
        fake_round([LARGE]),
        fake_round([LARGE | {"energy_j": 2.64, "gpu_util_pct": 60}]),
    ]

    profile = summarise(rounds)

    assert profile.values["energy_j_per_1k_rows"] == pytest.approx(10.0)
    assert profile.values["gpu_util_pct"] == 70


def test_load_of_other_processes_that_the_system_hides_is_not_known() -> None:
    how = summarise([fake_round([LARGE], others_cores=None)] * 6).how

    assert how is not None
    assert how.others_cores is None
