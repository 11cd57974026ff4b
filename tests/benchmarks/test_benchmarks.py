"""Each benchmark starts and ends on its smallest size; what it finds is not judged here."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from harness.command_forks import run_module, run_script
from harness.postgres import HOW_TO_INSTALL, find_postgres

pytestmark = [pytest.mark.whole, pytest.mark.long]


def run_benchmark(project_path: Path, name: str, *options: str) -> str:
    """Return what a benchmark prints."""
    ended = run_script(project_path / "benchmarks" / name, *options, folder=project_path)
    assert ended.returncode == 0, ended.stderr[-3_000:]
    return ended.stdout


def read_figures(printed: str) -> dict[str, float]:
    figures: dict[str, float] = json.loads(printed.splitlines()[-1])
    return figures


def test_ranking_benchmark_runs(project_path: Path) -> None:
    printed = run_benchmark(
        project_path, "ranking/ranking.py", "--runs", "1", "--studies", "2", "--exponents", "3"
    )

    asked = {"rank_1e3_s", "peak_gib", "smaa_s", "coverage", "coverage_noise", "nested_bias"}
    assert asked <= set(read_figures(printed))


@pytest.mark.slow
def test_measuring_benchmark_runs(project_path: Path) -> None:
    printed = run_benchmark(project_path, "measuring/measuring.py", "--smallest")

    figures: dict[str, Any] = json.loads(printed.splitlines()[-1])
    measured = {"p95_interval_covers", "p95_error_pct_all_calls", "alone_p95_covers"}
    checked = {"cv_p50_pct", "disturbed_marked", "memory_off_pct"}
    simulated = {"coverage_min", "coverage_drift_min", "interval_score_vs_fixed"}
    is_noisy = "use a quiet machine" in figures["skipped"].get("rules", "")
    asked = checked | simulated | (set() if is_noisy else measured)
    assert all(figures[name] is not None for name in asked)
    left_out = {"loadgen_p99_ratio"}
    assert [name for name in left_out if figures[name] is not None] == []
    assert "not among --parts" in printed


def test_processes_are_recorded(project_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "processes.parquet"
    before = pl.read_parquet(project_path / "benchmarks" / "recorded" / "processes.parquet").head(2)
    before.with_columns(recording=pl.Series(["busy", "other"])).write_parquet(file)

    run_benchmark(
        project_path,
        "measuring/record_processes.py",
        *("busy", "--seconds", "0", "--n-trees", "3", "--file", str(file)),
    )
    recorded = pl.read_parquet(file)

    assert recorded.filter(recording="other").height == 1
    replaced = recorded.filter(recording="busy")
    assert replaced.filter("is_alone").height == 8
    assert replaced.filter(~pl.col("is_alone")).height == 2 * 4
    assert replaced["latency_p50_ms"].null_count() == 0


def test_drift_is_simulated(project_path: Path) -> None:
    printed = run_benchmark(project_path, "measuring/simulated_drift.py", "--n-runs", "1")

    assert {"coverage_drift_min", "coverage_recorded"} <= set(read_figures(printed))


@pytest.mark.parametrize("name", ["bench_history", "interval_tally"])
def test_examples_of_a_benchmark_hold(project_path: Path, name: str) -> None:
    folder = project_path / "benchmarks" / "measuring"

    ended = run_module("doctest", f"{name}.py", folder=folder)

    assert ended.returncode == 0, ended.stdout


def test_portfolios_are_those_that_the_recording_teaches(project_path: Path) -> None:
    printed = run_benchmark(project_path, "portfolios/learn.py", "--models", "forest")

    entries = [line.strip() for line in printed.splitlines() if line.startswith("      - ")]
    models = (project_path / "src/rightfit/defaults/parameters_models.yml").read_text()
    assert len(entries) > 2
    assert [entry for entry in entries if entry not in models] == []


@pytest.mark.slow
def test_scale_out_benchmark_runs(project_path: Path, sample_data: Path) -> None:
    if find_postgres() is None:
        pytest.skip(HOW_TO_INSTALL)

    printed = run_benchmark(
        project_path, "scale_out.py", "--n-trials", "2", "--n-workers", "1", "--sizes", "1"
    )

    figures = read_figures(printed)
    assert (figures["duplicates"], figures["lost"]) == (0, 0)
    assert figures["overhead_s_1"] > 0


def test_early_stopping_benchmark_replays_a_few_recordings(
    project_path: Path, tmp_path: Path
) -> None:
    recorded = project_path / "benchmarks" / "recorded"
    for name in ("curves", "profiles"):
        table = pl.read_parquet(recorded / f"{name}.parquet")
        few = table.filter(pl.col("index") < 6, pl.col("model") == "linear")
        few.write_parquet(tmp_path / f"{name}.parquet")
    shutil.copy(recorded / "models.yml", tmp_path)

    printed = run_benchmark(
        project_path,
        "early_stopping.py",
        *("--recorded", str(tmp_path), "--datasets", "landsat"),
        *("--n-orders", "1", "--n-workers", "1"),
    )

    figures = read_figures(printed)
    assert figures["n_cells"] == 1
    assert figures["saved_all"] > 1
    assert {"regret_mean", "equal_regret_speedup", "vs_best_peer"} <= set(figures)
    for peer in ("fewer", "median", "percentile", "halving", "hyperband", "promotion", "none"):
        assert f" {peer} " in printed


def test_memory_benchmark_runs(project_path: Path) -> None:
    printed = run_benchmark(
        project_path,
        "search_memory.py",
        "--n-trials",
        "20",
        "--n-warm-up",
        "0",
        "--searches",
        "none",
    )

    figures = read_figures(printed)
    assert {"growth_mib_per_100", "growth_handles_per_100"} <= set(figures)


def test_request_benchmark_runs(project_path: Path, sample_data: Path) -> None:
    printed = run_benchmark(
        project_path,
        "measuring/request_path.py",
        "--datasets",
        "shuttle",
        "--turns",
        "1",
        "--turn-ms",
        "10",
    )

    figures = json.loads(printed.splitlines()[-1])
    assert set(figures["shuttle"]) == {"graph_us", "numpy_us", "numpy_ratio"}


def test_loadgen_benchmark_starts(project_path: Path) -> None:
    pytest.importorskip("mlperf_loadgen", reason="needs the extra bench")

    assert "--mean-ms" in run_benchmark(project_path, "measuring/server_loadgen.py", "--help")


@pytest.mark.slow
def test_main_job_benchmark_runs(project_path: Path, sample_data: Path) -> None:
    cell = ("grid.datasets=[landsat]", "grid.models=[linear]", "training.n_trials=2")

    printed = run_benchmark(
        project_path,
        "main_job.py",
        *("--before", "none", "--env", "test", "--turns", "1", "--n-cells", "2"),
        *("--params", *cell),
    )

    figures = read_figures(printed)
    assert {"weight_s", "winner_s", "which_s", "help_s", "busy_cores"} <= set(figures)
    assert figures["second_s"] > 0


@pytest.mark.slow
def test_search_budgets_benchmark_judges_what_it_kept(
    project_path: Path, sample_data: Path, tmp_path: Path
) -> None:
    printed = run_benchmark(
        project_path,
        "search_budgets.py",
        *("--root", str(tmp_path), "--env", "test", "--budgets", "2", "--seeds", "1"),
        *("--params", "grid.datasets=[landsat]", "grid.models=[linear]"),
    )

    assert 0 < read_figures(printed)["utility_2"] < 1


def test_earlier_version_lies_beside_this_one_for_a_while(
    project_path: Path, tmp_path: Path
) -> None:
    if not (project_path / ".git").exists():
        pytest.skip("needs the repository's history")
    main_job = runpy.run_path(str(project_path / "benchmarks" / "main_job.py"))

    with main_job["_checked_out"]("HEAD", tmp_path / "before") as folder:
        is_complete = (folder / "src" / "rightfit" / "__main__.py").is_file()

    assert is_complete
    assert not folder.exists()


def test_large_table_benchmark_prepares_the_same_rows_either_way(project_path: Path) -> None:
    few = ("--rows", "3000", "--kept-rows", "400")

    scanned = read_figures(run_benchmark(project_path, "large_table.py", *few))
    loaded = read_figures(run_benchmark(project_path, "large_table.py", *few, "--in-memory"))

    assert scanned["data_version"] == loaded["data_version"]
    assert (scanned["rows"], scanned["kept_rows"]) == (3_000, 500)
    assert {"peak_mib", "seconds"} <= set(scanned)


def test_encoding_benchmark_encodes_every_kind_in_every_way(project_path: Path) -> None:
    figures: dict[str, Any] = read_figures(
        run_benchmark(project_path, "encoding.py", "--rows", "1000")
    )

    rows = {kind: {one["rows"] for one in ways.values()} for kind, ways in figures.items()}
    assert rows == {"numbers": {1000}, "categories": {1000}, "texts": {50}, "images": {20}}
