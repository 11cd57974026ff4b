"""Does a model chosen on a sample learn from all rows, within memory and as foretold?

Run from the repository's root: ``make bench-large OPTIONS="--rows 2000000"``. Parquet files of 20
columns as float64 are written to a temporary folder. A fresh process searches on a sample
(``max_train_rows``), then another continues that search with ``train_rows="all"``: each family's
default, trained on every train row. It is killed once the encoded rows are stored, and resumed.
Standard error shows each process' memory and CPU seconds. The last line is JSON:

- ``rows``, ``sample_rows``: rows of the table, and of the sample of its train split;
- ``peak_gib``: highest memory (PSS) of a process tree, seen 5 times a second;
- ``gain_within_forecast``: 1 if each family's R² on the test rows rose by what its learning curve
  foretold, within the interval; 0 otherwise;
- ``cpu_s_per_1m_rows``, ``wall_s_per_1m_rows``: of the resumed process, per million rows of the
  table, for all families together: preparing, training, judging and measuring;
- ``killed_and_resumed``: 1 if that succeeded;
- ``families``: R² of the sample and of all rows, gain and CPU seconds of the training beside
  their forecasts with intervals, whether these held, and rows learnt from.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

from rightfit.measuring.worker.units import BYTES_PER_MIB

FAMILIES = ("lightgbm", "xgboost", "linear", "net")
N_COLUMNS, ROWS_PER_FILE, ROWS_PER_GROUP = 20, 1_000_000, 250_000
POLL_S = 0.2
STAGES = ("sample", "all")


def write_table(folder: Path, n_rows: int) -> None:
    """Write the table's files, one after the other."""
    for number, start in enumerate(range(0, n_rows, ROWS_PER_FILE)):
        rows = make_rows(min(ROWS_PER_FILE, n_rows - start), seed=number)
        rows.write_parquet(folder / f"{number:04d}.parquet", row_group_size=ROWS_PER_GROUP)


def make_rows(n_rows: int, *, seed: int) -> pl.DataFrame:
    """Make rows of uniform columns whose target is curved and mixed, with noise.

    The first five columns act as in Friedman's first problem (Multivariate Adaptive Regression
    Splines, 1991). Products without an effect of either column are avoided: whether boosted trees
    find those depends on the order of the rows.
    """
    rng = np.random.default_rng(seed)
    x = rng.random((N_COLUMNS, n_rows))
    y = 10 * np.sin(np.pi * x[0] * x[1]) + 20 * (x[2] - 0.5) ** 2 + 10 * x[3] + 5 * x[4]
    y += 5 * np.sin(2 * np.pi * x[5]) * x[6] + 5 * np.abs(x[7] - x[8]) + 4 * np.sin(9 * x[9])
    y += 3 * rng.normal(size=n_rows)
    return pl.DataFrame({f"x{i}": x[i] for i in range(N_COLUMNS)} | {"y": y})


def search(table: Path, folder: Path, *, families: list[str], stage: str, n_sampled: int) -> None:
    """Search on the sample, or continue with all rows, and print what came of it."""
    import rightfit as rf

    for name in ("rightfit_search.searching.parallel.all_rows", "rightfit_search.families.net"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.StreamHandler())
        logger.setLevel(logging.INFO)
    costs_s = record_costs_s(logging.getLogger("rightfit_search.searching.parallel.all_rows"))
    result = rf.search(
        pl.scan_parquet(table / "*.parquet"),
        "y",
        # who weighs costs could choose any family, so that each is trained on all rows
        applications={
            "any": rf.Application(
                objectives={
                    "quality": rf.Objective(3, worst=0.0, best=1.0),
                    "latency_p95_ms": rf.Objective(1, worst=50, best=0.01, scale="log"),
                }
            )
        },
        families=families,
        n_trials=1,
        budget_cpu_s=None,
        n_jobs=1,
        train_rows=stage,  # type: ignore[arg-type]
        refit=False,
        dataset={"max_train_rows": n_sampled, "max_test_rows": n_sampled},
        folder=folder,
    )
    figures: dict[str, Any] = {}
    for name, bundle in result._candidates.items():
        [profile, *_] = result.profiles.select(candidate=name)
        figures[name.rpartition("-")[0]] = {
            "r2": profile["quality_raw"].value,
            "learnt_rows": bundle.n_training_rows,
        }
    for name, forecast in result.row_forecasts.items():
        figures[name.rpartition("-")[0]] |= {
            "foretold_gain": astuple(forecast.gain),
            "foretold_cpu_s": astuple(forecast.cpu_s),
            "cpu_s": costs_s.get(name),  # null: it had ended before the run was killed
        }
    print(json.dumps(figures))


def record_costs_s(logger: logging.Logger) -> dict[str, float]:
    """Return the CPU seconds of trainings by candidate name, to come as a logger says them."""
    costs_s: dict[str, float] = {}

    def record_cost(record: logging.LogRecord) -> bool:
        if record.msg == "%s took %.3g CPU seconds" and isinstance(record.args, tuple):
            costs_s[str(record.args[0])] = float(str(record.args[1]))
        return True

    logger.addFilter(record_cost)
    return costs_s


def run_stage(arguments: list[str], *, kill_at: Path | None = None) -> dict[str, Any]:
    """Run a stage in a process of its own; return its figures and what it took.

    Args:
        arguments: Of this script.
        kill_at: Folder; once stored rows are whole in it, the process and its children are killed.
    """
    before, started_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, __file__, *arguments]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, start_new_session=True)  # noqa: S603
        peak_mib, parent_mib, is_killed = 0.0, 0.0, False
        while process.poll() is None:
            own_mib, tree_mib = read_tree_mib(process.pid)
            if tree_mib > peak_mib:
                peak_mib, parent_mib = tree_mib, own_mib
            if kill_at is not None and any(kill_at.glob("rows-*/rows.json")):
                os.killpg(process.pid, signal.SIGKILL)
                is_killed = True
            time.sleep(POLL_S)
        output.seek(0)
        lines = output.read().splitlines()
    if process.returncode and not is_killed:
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = {
        "peak_mib": peak_mib,
        "parent_mib": parent_mib,  # at that moment
        "cpu_s": used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime,
        "wall_s": time.monotonic() - started_s,
        "is_killed": is_killed,
        "families": json.loads(lines[-1]) if lines and not is_killed else {},
    }
    print({name: figure for name, figure in run.items() if name != "families"}, file=sys.stderr)
    return run


def read_tree_mib(pid: int) -> tuple[float, float]:
    """Return the memory of a process, and of it with its children, shared pages counted once."""
    own, total, processes = 0.0, 0.0, []
    with contextlib.suppress(psutil.Error):  # it has just ended
        processes = [root := psutil.Process(pid), *root.children(recursive=True)]
    for process in processes:
        with contextlib.suppress(psutil.Error):
            mib = process.memory_full_info().pss / BYTES_PER_MIB
            own, total = mib if process.pid == pid else own, total + mib
    return own, total


def compare(sampled: dict[str, Any], of_all: dict[str, Any]) -> dict[str, Any]:
    """Compare what a family's model gained by all rows with its forecast."""
    gain, (expected, low, high) = of_all["r2"] - sampled["r2"], of_all["foretold_gain"]
    cpu_s, (_, lowest_s, highest_s) = of_all["cpu_s"], of_all["foretold_cpu_s"]
    return {
        "r2_sample": round(sampled["r2"], 4),
        "r2_all": round(of_all["r2"], 4),
        "gain": round(gain, 4),
        "foretold_gain": [round(figure, 4) for figure in (expected, low, high)],
        "cpu_s": None if cpu_s is None else round(cpu_s, 1),
        "foretold_cpu_s": [round(figure, 1) for figure in of_all["foretold_cpu_s"]],
        "gain_within_forecast": int(low <= gain <= high),
        "cost_within_forecast": None if cpu_s is None else int(lowest_s <= cpu_s <= highest_s),
        "learnt_rows": of_all["learnt_rows"],
    }


def main() -> None:
    """Write the table, measure each family and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--sample-rows", type=int, default=100_000, help="and as many test rows")
    parser.add_argument("--families", nargs="+", default=FAMILIES)
    for name in ("--table", "--folder", "--stage"):  # of a fresh process
        parser.add_argument(name, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.stage:
        search(
            Path(asked.table),
            Path(asked.folder),
            families=asked.families,
            stage=asked.stage,
            n_sampled=asked.sample_rows,
        )
        return
    with tempfile.TemporaryDirectory(prefix="rightfit-large-") as name:
        table, folder = Path(name) / "table", Path(name) / "search"
        table.mkdir()
        write_table(table, asked.rows)
        common = ["--table", str(table), "--folder", str(folder)]
        common += ["--sample-rows", str(asked.sample_rows), "--families", *asked.families]
        sampled = run_stage([*common, "--stage", "sample"])
        killed = run_stage([*common, "--stage", "all"], kill_at=folder)
        of_all = run_stage([*common, "--stage", "all"])
    families = {
        family: compare(sampled["families"][family], figures)
        for family, figures in of_all["families"].items()
    }
    print(
        json.dumps(
            {
                "rows": asked.rows,
                "sample_rows": asked.sample_rows,
                "peak_gib": round(
                    max(run["peak_mib"] for run in (sampled, killed, of_all)) / 1024, 2
                ),
                "gain_within_forecast": min(f["gain_within_forecast"] for f in families.values()),
                "cpu_s_per_1m_rows": round(of_all["cpu_s"] / asked.rows * 1e6, 1),
                "wall_s_per_1m_rows": round(of_all["wall_s"] / asked.rows * 1e6, 1),
                "killed_and_resumed": int(killed["is_killed"]),
                "families": families,
            }
        )
    )


if __name__ == "__main__":
    main()
