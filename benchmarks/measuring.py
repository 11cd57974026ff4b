"""How well and how fast do measuring rules find a model's latency? ``make bench-measuring``.

Compares our stopping rule (presets ``quick`` and ``standard``) with a fixed window of 10 s, with
perf_analyzer's rule (windows of 5 s until three agree within 10 %) and with pyperf's scheme (20
processes, a warm-up and 3 values of 0.1 s each, mean), for a fast, a middle and a slow model. The
reference is the median over ten fresh processes of 10 s each, at full core speed (see
``rightfit.profiling.worker.meters.speed``; what all calls give is printed beside it).

The machine's speed drifts over minutes. So our runs are measured in turns, one visit to a process
each, as the profiles of a cell are, and between one process of each run and the next lies one of
the reference. The other rules take their calls from the reference's own processes, every second of
which goes on for perf_analyzer's windows; each is held against the reference of the nine others.
The time of a run is that of its own processes.

Ends with one line of JSON: the p50 and the speed-up are those of ``quick``, the interval of the
p95 and its error those of ``standard``. Run it on a quiet machine; ``--scale 0.1`` shortens all
windows for a look.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from instrument_checks import check_disturbed, check_known_load, check_repeatability
from measured_models import make_bench, make_models, use_preset
from measuring_rules import (
    PERF_ANALYZER_WINDOW_S,
    PERF_ANALYZER_WINDOWS,
    SHARES,
    Estimate,
    Recording,
    Run,
    estimate_fixed_window,
    estimate_perf_analyzer,
    record,
    reference_of,
    run_pyperf,
    would_perf_analyzer_stop,
)
from simulated_latencies import coverage_of_intervals

from rightfit.profiling.measuring.bench import Bench, Subject
from rightfit.profiling.measuring.measurement import Measurement
from rightfit.profiling.measuring.worker_pool import WorkerPool

PRESETS = ("quick", "standard")
WINDOW_S = 10
PERF_ANALYZER_EVERY = 2  # of ten processes of the reference, five are long enough for it too


@dataclass(frozen=True)
class Compared:
    """What the rules found for one model.

    Args:
        reference: Percentiles in ns at full speed, by share.
        with_slow: The same of all calls.
        estimates: Runs of each rule.
        slow_share: Share of the reference's calls made on a slow core.
        stops: Of perf_analyzer's runs, whether it would have stopped.
    """

    reference: dict[float, float]
    with_slow: dict[float, float]
    estimates: dict[str, list[Estimate]]
    slow_share: float
    stops: list[bool]

    def errors(self, rule: str, share: float) -> list[float]:
        """Return the relative errors of a rule's runs."""
        return [e.error(share) for e in self.estimates[rule]]

    def mean_s(self, rule: str) -> float:
        """Return how long a run of a rule takes."""
        return statistics.mean(e.seconds for e in self.estimates[rule])


def main() -> None:
    """Run all comparisons and print the tables and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="factor of all window lengths")
    parser.add_argument("--n-runs", type=int, default=10, help="runs of our rule per model")
    parser.add_argument("--n-processes", type=int, default=10, help="processes of a reference")
    parser.add_argument(
        "--one-visit", action="store_true", help="also run standard with one visit to each process"
    )
    parser.add_argument("--models", nargs="*", default=["fast", "middle", "slow"])
    parser.add_argument("--n-simulated", type=int, default=1_000, help="simulated measurements")
    parser.add_argument(
        "--smallest",
        action="store_true",
        help="only see that everything starts; figures mean nothing",
    )
    options = parser.parse_args()
    if options.smallest:
        parser.set_defaults(scale=0.02, n_runs=1, n_processes=2, models=["middle"], n_simulated=2)
        options = parser.parse_args()
    pool = WorkerPool(max_open=6)
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = make_bench(pool, Path(folder))
            models = make_models(Path(folder))
            chosen = {name: models[name] for name in options.models}
            summary = compare_rules(bench, chosen, options)
            summary |= {"coverage_min": coverage_of_intervals(n_runs=options.n_simulated)}
            n_rounds = {"n_processes": 2} if options.smallest else {}
            summary |= check_repeatability(bench, **n_rounds)
            n_rounds = {"n_rounds": 2} if options.smallest else {}
            summary |= check_disturbed(bench, **n_rounds) | check_known_load(bench, **n_rounds)
    finally:
        pool.close()
    print(json.dumps({key: round(value, 4) for key, value in summary.items()}))


def compare_rules(
    bench: Bench, models: dict[str, Subject], options: argparse.Namespace
) -> dict[str, float]:
    """Compare the rules model by model; return our part of the summary."""
    header = ("model", "rule", "time s", "err p50", "err p95", "err p99", "p95 covers", "speed-up")
    print(("{:<8}{:<16}" + "{:>12}" * 6).format(*header))
    found = {}
    for name, model in models.items():
        recordings, runs = measure_in_turns(model, bench, options)
        found[name] = compare_model(recordings, runs, options.scale)
        reference = found[name].reference
        found[name].estimates["pyperf"] = [run_pyperf(model, bench, reference, options.scale)]
        print_model(name, found[name])
    return summarise(found)


def measure_in_turns(
    model: Subject, bench: Bench, options: argparse.Namespace
) -> tuple[list[Recording], list[Run]]:
    """Measure the reference's processes, and between them our runs, a process of each at a time."""
    window_s = WINDOW_S * options.scale
    long_s = PERF_ANALYZER_WINDOWS * PERF_ANALYZER_WINDOW_S * options.scale
    runs = [
        Run(rule, Measurement(model, own))
        for rule, own in make_rules(bench, one_visit=options.one_visit).items()
        for _ in range(options.n_runs)
    ]
    recordings: list[Recording] = []
    while len(recordings) < options.n_processes or not all(run.measurement.is_over for run in runs):
        if len(recordings) < options.n_processes:
            is_long = len(recordings) % PERF_ANALYZER_EVERY == 0
            recordings.append(record(model, bench, long_s if is_long else window_s))
        for visit in range(max(run.n_visits for run in runs)):
            for run in runs:
                if visit < run.n_visits:
                    run.take_turn()
    return recordings, runs


def make_rules(bench: Bench, *, one_visit: bool) -> dict[str, Bench]:
    """Return the bench of each of our rules, by its name in the table."""
    rules = {f"ours, {preset}": use_preset(bench, preset) for preset in PRESETS}
    if one_visit:
        standard = rules["ours, standard"]
        settings = standard.settings.model_copy(update={"n_visits": 1})
        rules["one visit"] = replace(standard, settings=settings)
    return rules


def compare_model(recordings: list[Recording], runs: list[Run], scale: float) -> Compared:
    """Return what the rules found; the reference is what it is at this machine's full speed."""
    window_s = WINDOW_S * scale
    full_ns = min(recording.full_ns for recording in recordings)
    windows = [recording.first(window_s) for recording in recordings]
    reference = reference_of(windows, full_ns)
    estimates = {
        rule: [run.estimate(reference) for run in runs if run.rule == rule]
        for rule in dict.fromkeys(run.rule for run in runs)
    }
    long = range(0, len(recordings), PERF_ANALYZER_EVERY)
    others = [reference_of([*windows[:i], *windows[i + 1 :]], full_ns) for i in range(len(windows))]
    estimates["fixed window"] = [
        estimate_fixed_window(windows[i], window_s, others[i]) for i in range(len(windows))
    ]
    estimates["perf_analyzer"] = [
        estimate_perf_analyzer(recordings[i], others[i], scale) for i in long
    ]
    slow_share = statistics.mean(window.slow_share(full_ns) for window in windows)
    stops = [would_perf_analyzer_stop(recordings[i], scale) for i in long]
    return Compared(reference, reference_of(windows, math.inf), estimates, slow_share, stops)


def summarise(found: dict[str, Compared]) -> dict[str, float]:
    """Return the figures that the comparison must bring, over all models."""
    ours, theirs = "ours, standard", "perf_analyzer"
    quick_errors = [error for c in found.values() for error in c.errors("ours, quick", 0.5)]
    standard = [e for c in found.values() for e in c.estimates[ours]]
    quick = [e for c in found.values() for e in c.estimates["ours, quick"]]
    return {
        "within_5pct_p50": statistics.mean(error <= 0.05 for error in quick_errors),
        "p95_interval_covers": statistics.mean(bool(e.p95_covers) for e in standard),
        "p95_error_pct": 100
        * statistics.median(e for c in found.values() for e in c.errors(ours, 0.95)),
        "p95_error_pct_perf_analyzer": 100
        * statistics.median(e for c in found.values() for e in c.errors(theirs, 0.95)),
        "p95_time_of_perf_analyzers_max": max(
            c.mean_s(ours) / c.mean_s(theirs) for c in found.values()
        ),
        "marked_share": statistics.mean(e.is_marked for e in quick + standard),
    } | {
        f"speedup_{name}": c.mean_s("fixed window") / c.mean_s("ours, quick")
        for name, c in found.items()
    }


def print_model(name: str, compared: Compared) -> None:
    """Print one line per rule: mean time, median errors, coverage, speed-up; and the reference."""
    for rule, estimates in compared.estimates.items():
        errors = [statistics.median(compared.errors(rule, share)) for share in SHARES]
        covers = [e.p95_covers for e in estimates if e.p95_covers is not None]
        share = f"{statistics.mean(covers):.0%}" if covers else "-"
        cells = "".join(f"{100 * e:>11.1f}%" if e == e else f"{'-':>12}" for e in errors)
        seconds = compared.mean_s(rule)
        speedup = compared.mean_s("fixed window") / seconds
        print(f"{name:<8}{rule:<16}{seconds:>12.2f}{cells}{share:>12}{speedup:>11.1f}x")
    reference = ", ".join(
        f"p{100 * share:.0f} {compared.reference[share] / 1e3:.2f} us"
        f" (of all calls {compared.with_slow[share] / 1e3:.2f})"
        for share in SHARES
    )
    ours = [e for rule, found in compared.estimates.items() if "ours" in rule for e in found]
    print(
        f"{name}: reference {reference}; core slow {100 * compared.slow_share:.1f} %; "
        f"{sum(e.is_marked for e in ours)} of {len(ours)} of our runs marked as disturbed; "
        f"perf_analyzer would have stopped in {sum(compared.stops)} of {len(compared.stops)}"
    )


if __name__ == "__main__":
    main()
