"""How well and how fast do measuring rules find a model's latency? ``make bench-measuring``.

Parts, all of them unless ``--parts`` names some:

- ``rules``: our stopping rule (presets ``quick`` and ``standard``), measured in turns and alone,
  beside a fixed window of 10 s, perf_analyzer's rule (windows of 5 s until three agree within
  10 %) and pyperf, for a fast, a middle and a slow model. pyperf itself is run where it is
  installed. perf_analyzer's rule is imitated: the program times requests to an inference server,
  so its figures hold a network that the others do not have.
- ``instrument``: does it repeat itself, notice disturbance and find a known load?
- ``drift``: intervals on simulated and recorded machines that drift (``simulated_drift.py``).
- ``loadgen``: the p99 under load beside MLPerf LoadGen's (``server_loadgen.py``, shorter runs).

Every rule is judged twice: against all calls, as a caller waits for them, and against the calls on
a core at full speed, to which our rule restricts itself. The reference is the median over fresh
processes of 10 s each. Our runs are measured in turns, one window a process, and between one
process of each run and the next lie one of the reference and one run of the model measured alone.
The other rules take their calls from the reference's own processes, every second of which goes on
for perf_analyzer's windows; each is held against the reference of the others. The time of a run is
that of its own processes.

Ends with one line of JSON, which a run of all parts also appends to ``history/measuring.jsonl``;
figures that have changed on this machine are printed. The p50 and the speed-up are those of
``quick``, the interval of the p95 and its errors those of ``standard``. A figure of a part that was
left out, or that the machine was too noisy for, is null, with the reason under ``skipped``. Run it
on a quiet machine;
``--scale 0.1`` shortens all windows for a look.
``--keep FOLDER`` keeps what each part, and each model of ``rules``, found, and takes it from there
in later runs: where a machine is never quiet for so long, run the pieces at quiet moments
(``--parts rules --models fast``) and then all of them.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench_history import append_run
from instrument_checks import check_disturbed, check_known_load, check_memory, check_repeatability
from kept_pieces import KeptPieces
from measured_models import list_served, make_bench, make_models
from rule_comparison import Scope, compare_rules, print_header
from simulated_drift import check_drift
from simulated_latencies import coverage_of_intervals

from rightfit.profiling.measuring.worker_pool import WorkerPool

Figures = dict[str, float | None]

# Of each part, the figures that others read; null when it is left out.
PARTS = {
    "rules": ("within_5pct_p50", "p95_interval_covers", "p95_error_pct", "alone_p95_covers"),
    "instrument": ("cv_p50_pct", "disturbed_marked", "known_load_error_pct"),
    "drift": ("coverage_min", "coverage_drift_min", "interval_score_vs_fixed"),
    "loadgen": ("loadgen_p99_ratio",),
}
MODELS = ["fast", "middle", "slow"]
NOT_INSTALLED = "mlcommons-loadgen is not installed: pip install '.[bench]'"
LOADGEN_MEAN_MS = 2.0  # as server_loadgen.py


def main() -> None:
    """Run the chosen parts and print the tables and the JSON line."""
    options = read_options()
    figures: Figures = {}
    skipped: dict[str, str] = {}
    pieces = KeptPieces(options.keep)
    parts: dict[str, Callable[[argparse.Namespace], Figures]] = {
        "drift": measure_drift,
        "rules": functools.partial(measure_rules, pieces=pieces),
        "instrument": measure_instrument,
        "loadgen": measure_loadgen,
    }
    for name, measure in parts.items():
        figures |= dict.fromkeys(PARTS[name])
        if name not in options.parts:
            skipped[name] = "not among --parts"
            continue
        try:
            figures |= (
                measure(options)
                if name == "rules"  # whose pieces are single models
                else pieces.find(name, Figures, functools.partial(measure, options))
            )
        except RuntimeError as err:  # too noisy, or not installed; the other parts still count
            skipped[name] = str(err)
            print(f"{name}: {err}")
    rounded = {key: None if one is None else round(one, 4) for key, one in figures.items()}
    if options.parts == list(PARTS) and options.models == MODELS:
        given = [f"{key}={one}" for key, one in vars(options).items() if key != "keep"]
        for change in append_run("measuring", rounded, given):
            print(
                f"changed: {change.figure} {change.before:g} -> {change.after:g}"
                f" since {change.date}"
            )
    print(json.dumps(rounded | ({"skipped": skipped} if skipped else {})))


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--scale", type=float, default=1.0, help="factor of all window lengths")
    parser.add_argument("--n-runs", type=int, default=5, help="runs of our rule per model")
    parser.add_argument("--n-processes", type=int, default=5, help="processes of a reference")
    parser.add_argument(
        "--one-window",
        action="store_true",
        help="also run standard with one window a process",
    )
    parser.add_argument("--models", nargs="*", default=MODELS)
    parser.add_argument("--keep", type=Path, help="folder of pieces, to run one at a time")
    parser.add_argument("--n-simulated", type=int, default=200, help="simulated measurements")
    parser.add_argument("--n-rates", type=int, default=10, help="rates served beside LoadGen")
    parser.add_argument("--rate-s", type=float, default=5, help="length of one run at its rate")
    parser.add_argument(
        "--smallest",
        action="store_true",
        help="only see that everything starts; figures mean nothing and are not kept",
    )
    options = parser.parse_args()
    if options.smallest:
        parser.set_defaults(
            scale=0.02,
            n_runs=1,
            n_processes=2,
            models=["middle"],
            n_simulated=2,
            parts=["rules", "instrument", "drift"],
        )
        options = parser.parse_args()
    return options


def measure_rules(options: argparse.Namespace, pieces: KeptPieces) -> Figures:
    """Compare measuring rules on real models."""
    pool = WorkerPool(max_open=6)
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = make_bench(pool, Path(folder))
            models = make_models(Path(folder))
            chosen = {name: models[name] for name in options.models}
            print_header()
            scope = Scope(
                options.scale,
                options.n_runs,
                options.n_processes,
                one_window=options.one_window,
                smallest=options.smallest,
            )
            return compare_rules(bench, chosen, scope, pieces)
    finally:
        pool.close()


def measure_instrument(options: argparse.Namespace) -> Figures:
    """Check the instrument on loads that are known."""
    pool = WorkerPool(max_open=6)
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = make_bench(pool, Path(folder))
            models = make_models(Path(folder))
            processes = {"n_processes": 2, "n_tries": 1} if options.smallest else {}
            rounds = {"n_rounds": 1} if options.smallest else {}
            tries = {"n_tries": 1} if options.smallest else {}
            served = list(list_served(models).values())
            return {
                **check_repeatability(bench, **processes),
                **check_memory(bench, served[: 2 if options.smallest else None]),
                **check_disturbed(bench, **rounds),
                **check_known_load(bench, **rounds, **tries),
            }
    finally:
        pool.close()


def measure_drift(options: argparse.Namespace) -> Figures:
    """Simulate intervals: of independent processes, and on machines that drift."""
    return {
        "coverage_min": coverage_of_intervals(n_runs=5 * options.n_simulated),
        **check_drift(n_runs=options.n_simulated),
    }


def measure_loadgen(options: argparse.Namespace) -> Figures:
    """Serve beside MLPerf LoadGen.

    Raises:
        RuntimeError: If it is not installed, or the machine is too noisy.
    """
    if importlib.util.find_spec("mlperf_loadgen") is None:
        raise RuntimeError(NOT_INSTALLED)
    from server_loadgen import Peers, compare, make_rows

    peers = Peers(make_rows(LOADGEN_MEAN_MS), LOADGEN_MEAN_MS, options.rate_s)
    found = compare(peers, n_runs=options.n_rates)
    return {name: found[name] for name in PARTS["loadgen"]}


if __name__ == "__main__":
    main()
