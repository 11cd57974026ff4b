"""By how much do runs on one machine differ, and do intervals hold it?

``python benchmarks/measuring/between_runs.py DATA_ROOT DATA_ROOT ...`` compares the data folders of
runs of one project that measured the same candidates. Prints

- how the p50 of the reference differs between them;
- for each metric, what profiles differ by between two runs beside what all of a dataset share: root
  mean square of the logarithm, what their intervals tell, and the share of differences that two
  intervals of 95 % hold, by threads, for cascades, which are timed in blocks of their own, and for
  throughputs of another batch size;
- whether the interval that a profile has after two processes holds the median of its later ones
  (profiles of six and more), where the spread of processes is pooled over all profiles and over
  those of the same number of threads.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from rightfit._core.processes.json_store import JsonStore
from rightfit.measuring.blocks import Z_95
from rightfit.measuring.intervals import MIN_PROCESSES, estimate_median
from rightfit.measuring.metrics import METRICS
from rightfit.measuring.profiles.measured import Measured, pool_spreads, tell_at_usual_speed
from rightfit.measuring.rounds.block_timing import read_percentile
from rightfit.measuring.rounds.state import MeasurementState
from rightfit.measuring.worker.latency import MEDIAN
from rightfit.measuring.worker.units import MS_PER_S
from rightfit.params.defaults import read_default
from rightfit.params.evaluation import EvaluationParams

OUTPUT = "07_model_output"
COMPARED = ("latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "throughput_rows_per_s")
KEYS = ("dataset", "name", "runtime", "n_threads", "request_path")


def main() -> None:
    """Compare the given runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("roots", type=Path, nargs="*")
    roots = parser.parse_args().roots
    if roots:
        describe("reference", pl.Series(v for root in roots for v in read_reference_runs(root)))
    tables = [read_profiles(root) for root in roots]
    for metric in COMPARED if len(tables) > 1 else ():
        pairs = [pair(*two, metric) for two in itertools.combinations(tables, 2)]
        grouped = (
            pl.concat(pairs)
            .group_by("group")
            .agg(
                pl.len(),
                (pl.col("gap") ** 2).mean().sqrt().alias("between_runs"),
                (pl.col("told") ** 2).mean().sqrt().alias("told"),
                (pl.col("gap").abs() <= Z_95 * pl.col("told")).mean().alias("held"),
            )
        )
        print_rows(metric, grouped.sort("group"))
    if roots:
        early = pl.concat([hold_early(root) for root in roots])
        print_rows(
            "after two processes",
            early.group_by("metric", "n_threads", "pooled_over", maintain_order=True).agg(
                pl.len(), pl.col("held").mean(), pl.col("half_width").median()
            ),
        )


def print_rows(title: str, table: pl.DataFrame) -> None:
    """Print a table, a row a line."""
    for row in table.iter_rows(named=True):
        print(title, {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()})


def hold_early(root: Path) -> pl.DataFrame:
    """Tell for each profile and metric whether its first two processes' interval holds the rest."""
    store = JsonStore(root / OUTPUT / "measurements")
    keys = store.keys()
    [reference] = [read_state(store, key) for key in keys if key.startswith("reference-")]
    states = [read_state(store, key) for key in keys if not key.startswith("reference-")]
    settings = EvaluationParams.model_validate(read_default("evaluation")).settings
    # a stored state does not say how it is served, but the time that it took is in its profile
    profiles = read_profiles(root).select("n_threads", pl.col("measured_how").struct.unnest())
    n_threads = dict(profiles.select("measured_s", "n_threads").iter_rows())
    runs: dict[str, list[Measured]] = {}
    for state in states:
        measured_s = sum(process.total_ms for process in state.rounds) / MS_PER_S
        if state.rounds and measured_s in n_threads:
            measured = Measured(state, settings, n_threads=n_threads[measured_s])
            runs.setdefault(state.rounds[0].block.partition(".")[0], []).append(measured)
    rows = []
    for run in runs.values():
        speed = Measured(reference, settings)
        first = [
            replace(each, state=replace(each.state, rounds=tuple(each.rounds[:2]))) for each in run
        ]
        by_threads = tell_at_usual_speed(first, speed)
        overall = pool_spreads(by_threads)
        for whole, early in zip(tell_at_usual_speed(run, speed), by_threads, strict=True):
            for metric in METRICS if len(whole.rounds) >= MIN_PROCESSES else ():
                column = metric.column
                figures, later = early.figures(metric), whole.figures(metric)[2:]
                if column not in COMPARED or len(figures) < 2 or not later:
                    continue
                for name, spreads in (("all", overall), ("threads", early.spreads)):
                    interval = estimate_median(figures, spread=spreads.get(column))
                    low, high = interval.low or 0.0, interval.high or np.inf
                    rows.append(
                        {
                            "metric": column,
                            "n_threads": whole.n_threads,
                            "pooled_over": name,
                            "held": low <= np.median(later) <= high,
                            "half_width": np.log(high / low) / 2,
                        }
                    )
    return pl.DataFrame(rows).sort("metric", "n_threads", "pooled_over")


def describe(name: str, medians: pl.Series) -> None:
    """Print the standard deviation of the logarithm of a figure in several runs."""
    std = float(np.log(medians.to_numpy()).std(ddof=1))
    print(f"{name}: {len(medians)}, std {std:.4f}, 95 % within {100 * np.expm1(Z_95 * std):.1f} %")


def read_reference_runs(root: Path) -> list[float]:
    """Return the median p50 of the reference in each run of at least two blocks."""
    store = JsonStore(root / OUTPUT / "measurements")
    runs: dict[str, list[float]] = {}
    for path in store.folder.glob("reference-*.json"):
        state = read_state(store, path.stem)
        for block, figure in read_percentile(state, MEDIAN).items():
            runs.setdefault(block.partition(".")[0], []).append(figure)
    return [float(np.median(figures)) for figures in runs.values() if len(figures) > 1]


def read_state(store: JsonStore, key: str) -> MeasurementState:
    """Return a stored measurement, an empty one where the key holds something else."""
    return store.get_record(key, MeasurementState) or MeasurementState()


def read_profiles(root: Path) -> pl.DataFrame:
    """Return the newest profiles of a run; a cascade goes by what it answers."""
    [*_, newest] = sorted((root / OUTPUT / "resource_profiles.parquet").glob("*/*.parquet"))
    is_cascade = pl.col("model") == "cascade"
    threads = pl.format("{} threads", "n_threads")
    return pl.read_parquet(newest).with_columns(
        name=pl.when(is_cascade).then("predictions_sha256").otherwise("candidate"),
        group=pl.when(is_cascade).then(pl.format("cascades, {}", threads)).otherwise(threads),
    )


def pair(first: pl.DataFrame, second: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return by how much profiles moved from one run to another, beside those of one thread."""
    columns = [metric, f"{metric}_low", f"{metric}_high", "best_batch_size"]
    both = first.select(*KEYS, "group", *columns).join(second.select(*KEYS, *columns), on=KEYS)
    both = both.drop_nulls()
    half_widths = [
        (pl.col(f"{metric}_high{end}") / pl.col(f"{metric}_low{end}")).log() / 2 / Z_95
        for end in ("", "_right")
    ]
    moved = (pl.col(f"{metric}_right") / pl.col(metric)).log()
    shared = moved.filter(pl.col("group") == "1 threads").median().over("dataset")
    told = (half_widths[0] ** 2 + half_widths[1] ** 2).sqrt()
    is_other = pl.lit(metric == COMPARED[-1]) & (
        pl.col("best_batch_size") != pl.col("best_batch_size_right")
    )
    group = pl.when(is_other).then(pl.col("group") + ", another batch size").otherwise("group")
    return both.select(group, gap=moved - shared, told=told)


if __name__ == "__main__":
    main()
