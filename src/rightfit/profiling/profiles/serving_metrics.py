"""From the rounds of a measurement to the metrics of loading and serving."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

from rightfit.profiling.hardware.tiers import Judged, cheapest_fit, cost_per_1m_rows, smallest_fit
from rightfit.profiling.intervals import Interval, is_drifting, median_interval
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.measuring.stopping import (
    MIN_CLEAN_ROUNDS,
    is_phase_disturbed,
    per_process,
    usable_rounds,
)
from rightfit.profiling.metrics import METRICS
from rightfit.profiling.profiles.load_metrics import SERVER_COLUMNS, set_under_load
from rightfit.profiling.profiles.profile import Profile
from rightfit.profiling.worker.latency import (
    NS_PER_MS,
    calls_to_hold,
    min_calls_to_report,
    percentile_ns,
)
from rightfit.profiling.worker.process import Json
from rightfit.profiling.worker.throughput import best_batch_size

MS_PER_S = 1_000
ROWS_OF_ENERGY = 1_000
LATENCY_COLUMNS = {0.5: "latency_p50_ms", 0.95: "latency_p95_ms", 0.99: "latency_p99_ms"}
GPU_COLUMNS = ("gpu_util_pct", "gpu_memory_mib")
TIER_COLUMNS = ("min_hardware_tier", "cost_usd_per_1m_rows")
ELSEWHERE = ("quality", "quality_raw", "model_size_mib", *TIER_COLUMNS)


def set_serving_metrics(
    profile: Profile,
    state: Json,
    settings: MeasuringSettings,
    *,
    n_threads: int,
    is_final: bool,
) -> None:
    """Set the metrics that measuring processes found.

    Args:
        profile: To fill.
        state: The measurement.
        settings: The preset it was measured with.
        n_threads: Cores it was given.
        is_final: Whether the metrics are to be published. While measuring goes on, a percentile
            is read from fewer calls than may be published.
    """
    if state["error"] is not None:
        measured = [m.column for m in METRICS if m.phase != "fit" and m.column not in ELSEWHERE]
        profile.miss(measured, f"it does not run: {state['error']}")
        return
    rounds = usable_rounds(state, settings)
    batch_size = _best_batch(rounds)
    batches = _usable_batches(state, settings, batch_size)
    _set_latency(profile, rounds, settings, is_final=is_final)
    _set_offline(profile, batches, settings, n_threads)
    _set_memory(profile, rounds, batch_size)
    profile.set_interval(
        "load_time_ms", _interval_of_times([r["load"]["load_time_ms"] for r in rounds], settings)
    )
    if state["server"]:
        set_under_load(profile, state["server"], settings)
    else:
        profile.miss(SERVER_COLUMNS, _why_not_served(state))
    _set_device(profile, batches, rounds[0]["device_reasons"])
    used = [r["latency"] for r in rounds] + batches
    profile.facts |= {
        "best_batch_size": batch_size,
        "n_latency_samples": sum(r["latency"]["n_calls"] for r in rounds),
        "disturbed": any(is_phase_disturbed(phase, state, settings) for phase in used),
    }
    profile.how |= _describe(state, rounds) | {"n_visits": settings.n_visits}


def set_tiers(profile: Profile, judged: Sequence[Judged]) -> str | None:
    """Set the smallest tier a profile runs on and the cost on the cheapest.

    Args:
        profile: With its serving metrics set.
        judged: The profile on every tier.

    Returns:
        Name of the smallest tier, ``None`` when it runs on none.
    """
    smallest, cheapest = smallest_fit(judged), cheapest_fit(judged)
    rows_per_s = profile.values["throughput_rows_per_s"]
    if smallest is None or cheapest is None or rows_per_s is None:
        reasons = "; ".join(f"{j.tier.name}: {j.reason}" for j in judged)
        reason = f"it fits no tier ({reasons})" if judged else profile.reasons["peak_memory_mib"]
        profile.miss(TIER_COLUMNS, reason)
        return None
    profile.set("min_hardware_tier", smallest.position)
    profile.set("cost_usd_per_1m_rows", cost_per_1m_rows(cheapest.tier, rows_per_s))
    profile.how["tier"] = smallest.how
    return smallest.tier.name


def _interval_of_times(values: Sequence[float], settings: MeasuringSettings) -> Interval:
    """Return the interval of a time or a rate, one figure a process.

    The machine's speed wanders over seconds and minutes. How much of that all processes of a
    measurement share, they can't tell themselves.
    """
    return median_interval(values).widened(settings.shared_error_pct)


def _set_latency(
    profile: Profile, rounds: list[Json], settings: MeasuringSettings, *, is_final: bool
) -> None:
    n_calls = sum(r["latency"]["n_calls"] for r in rounds)
    for share, column in LATENCY_COLUMNS.items():
        needed = min_calls_to_report(share) if is_final else calls_to_hold(share)
        values_ms = [value / NS_PER_MS for value in per_process(rounds, share)]
        if n_calls < needed:
            profile.miss([column], f"needs {needed} calls; the time allowed for {n_calls}")
        elif len(values_ms) == len(rounds):
            profile.set_interval(column, _interval_of_times(values_ms, settings))
        else:
            profile.set(column, _pooled_ns(rounds, share) / NS_PER_MS)


def _pooled_ns(rounds: list[Json], share: float) -> float:
    """Read a percentile from the calls of all processes, when some have too few alone."""
    calls_ns = [call for r in rounds for call in r["kept_ns"] or []]
    pooled_ns = percentile_ns(np.array(calls_ns), share)
    if pooled_ns is None:  # a process that keeps no calls has enough of them
        return statistics.median(per_process(rounds, share))
    return pooled_ns


def _best_batch(rounds: list[Json]) -> int:
    """Return the batch size that the processes after the first repeated."""
    repeated = [b["batch_size"] for r in rounds for b in r["batches"] if len(r["batches"]) == 1]
    if repeated:
        return int(statistics.mode(repeated))
    return best_batch_size({b["batch_size"]: b["rows_per_s"] for b in rounds[0]["batches"]})


def _set_device(profile: Profile, batches: list[Json], reasons: Json) -> None:
    for column in GPU_COLUMNS:
        found = [b[column] for b in batches if b[column] is not None]
        if found:
            profile.set(column, statistics.median(found))
        else:
            profile.miss([column], reasons.get(column, "the GPU does not report it"))
    spent = [(b["energy_j"], b["n_calls"] * b["batch_size"]) for b in batches]
    known = [(energy_j, n_rows) for energy_j, n_rows in spent if energy_j is not None]
    if known:
        energy_j, n_rows = (sum(column) for column in zip(*known, strict=True))
        profile.set("energy_j_per_1k_rows", energy_j / n_rows * ROWS_OF_ENERGY)
    else:
        reason = reasons.get("energy_j", "the GPU does not report it")
        profile.miss(["energy_j_per_1k_rows"], reason)


def _why_not_served(state: Json) -> str:
    if state["settled"] == "screened":
        return "no application could choose it, so it was not measured under load"
    return "the server scenario is not measured in this preset"


def _usable_batches(state: Json, settings: MeasuringSettings, batch_size: int) -> list[Json]:
    """Return the undisturbed timings of a batch size, or all when too few were undisturbed."""
    timed = [b for r in state["rounds"] for b in r["batches"] if b["batch_size"] == batch_size]
    clean = [batch for batch in timed if not is_phase_disturbed(batch, state, settings)]
    return clean if len(clean) >= min(MIN_CLEAN_ROUNDS, len(timed)) else timed


def _set_offline(
    profile: Profile, batches: list[Json], settings: MeasuringSettings, n_threads: int
) -> None:
    profile.set_interval(
        "throughput_rows_per_s", _interval_of_times([b["rows_per_s"] for b in batches], settings)
    )
    cores = sum(b["cpu_ms"] for b in batches) / sum(b["wall_ms"] for b in batches)
    profile.set("cpu_cores", cores)
    profile.set("cpu_util_pct", 100 * cores / n_threads)


def _set_memory(profile: Profile, rounds: list[Json], batch_size: int) -> None:
    one_row_mib, peak_mib, growth_mib = [], [], []
    for r in rounds:
        small = max(r["load"]["peak_memory_mib"], r["latency"]["peak_memory_mib"])
        sizes = [b["peak_memory_mib"] for b in r["batches"] if b["batch_size"] == batch_size]
        large = max(small, *sizes)
        one_row_mib.append(_absolute_mib(r, small + r["files_mib"]))
        peak_mib.append(_absolute_mib(r, large + r["files_mib"]))
        growth_mib.append(large + r["files_mib"])
    profile.set_interval("peak_memory_mib", median_interval(peak_mib))
    profile.set_interval("peak_memory_one_row_mib", median_interval(one_row_mib))
    profile.set("model_memory_mib", statistics.median(growth_mib))


def _absolute_mib(measured: Json, growth_mib: float) -> float:
    """Return the peak of a process started from nothing, from the growth of a forked one."""
    base_mib: float = measured["base_resident_mib"]
    peak_mib: float = measured["base_peak_mib"]
    return max(peak_mib, base_mib + max(0.0, growth_mib))


def _describe(state: Json, rounds: list[Json]) -> Json:
    batch_keys = ("batch_size", "rows_per_s", "n_calls", "cores", "peak_memory_mib")
    latencies = [r["latency"] for r in rounds]
    tried = max((r["batches"] for r in rounds), key=len)
    return {
        "n_processes": len(rounds),
        "n_retries": state["n_retries"],
        "settled": state["settled"],
        "is_drifting": is_drifting(per_process(rounds, 0.5)),
        "is_warm": all(r["warm_up"]["is_steady"] for r in rounds),
        "n_warm_up_calls": max(r["warm_up"]["n_calls"] for r in rounds),
        "first_call_ms": statistics.median(r["load"]["first_call_ms"] for r in rounds),
        "overhead_ns": statistics.median(r["overhead_ns"] for r in rounds),
        "cores_load": statistics.median(r["load"]["cores"] for r in rounds),
        "cores_single_stream": statistics.median(r["latency"]["cores"] for r in rounds),
        "delay_share": _highest(latencies, "delay_share"),
        "slow_share": _highest(latencies, "slow_share"),
        "slowdown": _highest(latencies, "probe_ns") / min(r["probe_full_ns"] for r in rounds),
        "busy_cores": _highest(rounds, "busy_cores"),
        "steal_share": _highest(rounds, "steal_share"),
        "batches": [{key: batch[key] for key in batch_keys} for batch in tried],
        "limits": state["limits"],
        "measured_s": sum(r["total_ms"] for r in state["rounds"]) / MS_PER_S,
    }


def _highest(rounds: list[Json], key: str) -> float:
    return max((r[key] for r in rounds if r[key] is not None), default=0.0)
