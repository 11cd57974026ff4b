"""Each benchmark starts and ends on its smallest size; what it finds is not judged here."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from harness.command_forks import run_script
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

    asked = {
        "rank_1e3_s",
        "peak_gib",
        "smaa_s",
        "best_held_normal",
        "best_held_equal",
        "corrected_bias",
    }
    assert asked <= set(read_figures(printed))


def test_measuring_benchmark_runs(project_path: Path) -> None:
    smallest = {"--n-simulated": "10", "--n-processes": "2", "--n-rounds": "1", "--n-models": "2"}
    options = [word for option in smallest.items() for word in option]

    figures = read_figures(run_benchmark(project_path, "measuring/measuring.py", *options))

    assert {"cv_p50_pct", "memory_off_pct", "known_load_error_pct", "coverage_min"} <= set(figures)


def test_portfolios_are_those_that_the_recording_teaches(project_path: Path) -> None:
    printed = run_benchmark(project_path, "constants/learn_portfolios.py", "--models", "forest")

    entries = [line.strip() for line in printed.splitlines() if line.startswith("      - ")]
    models = (
        project_path / "src/rightfit_search/searching/default_values/parameters_models.yml"
    ).read_text()
    models = models.replace(", splits: best", "")  # a setting that the recording did not know
    assert len(entries) > 2
    assert [entry for entry in entries if entry not in models] == []


def test_lines_of_training_costs_are_those_that_the_recording_teaches(
    project_path: Path, tmp_path: Path
) -> None:
    target = str(tmp_path / "costs.json")

    printed = run_benchmark(project_path, "constants/learn_costs.py", "fit", "--target", target)

    assert read_figures(printed)["moved_max"] < 1.01


@pytest.mark.slow
def test_scale_out_benchmark_runs(project_path: Path, sample_data: Path) -> None:
    if find_postgres() is None:
        pytest.skip(HOW_TO_INSTALL)

    printed = run_benchmark(
        project_path,
        "scale_out/scale_out.py",
        "--n-trials",
        "2",
        "--n-workers",
        "1",
    )

    figures = read_figures(printed)
    assert (figures["duplicates"], figures["lost"]) == (0, 0)


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


def test_large_benchmark_runs(project_path: Path) -> None:
    options = ("--rows", "20000", "--sample-rows", "2000", "--families", "linear")
    figures = read_figures(run_benchmark(project_path, "large.py", *options))

    assert {"peak_gib", "gain_within_forecast", "cpu_s_per_1m_rows"} <= set(figures)
    assert figures["killed_and_resumed"] in (0, 1)  # it may have ended before it could be killed
