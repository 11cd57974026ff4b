"""A Kedro project of another shape takes Rightfit in, and stays what it was."""

from __future__ import annotations

import difflib
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from harness.command_forks import run_module

pytestmark = [pytest.mark.whole, pytest.mark.long]

SHOP = Path(__file__).parent / "shop"
MOST_LINES = 30
MOST_LOGGED = 40
EDITS = {
    "src/shop/settings.py": (
        (
            "from shop.hooks",
            "from rightfit_kedro.hooks import rightfit_hooks\n"
            "from rightfit_kedro.run import RightfitSession\n"
            "from shop.hooks",
        ),
        ("(CountNodes(),)", "(CountNodes(), *rightfit_hooks())\nSESSION_CLASS = RightfitSession"),
    ),
    "src/shop/pipeline_registry.py": (
        (
            "Pipeline\n\n",
            "Pipeline\nfrom rightfit_kedro.pipelines import create_pipelines, find_grid\n\n",
        ),
        ("return pipelines", "return create_pipelines(find_grid()) | pipelines"),
    ),
}
TINY = {
    "grid.models": "linear",
    "training.n_trials": 2,
    "training.n_checkpoints": 2,
    "training.n_startup_trials": 1,
    "training.n_candidates": 1,
    "evaluation.n_threads": "[1]",
    "evaluation.presets.quick.max_processes": 2,
    "evaluation.presets.quick.min_processes": 2,
    "evaluation.presets.quick.latency_max_ms": 60,
    "http_load.max_s": 0,
}


class Shop:
    """Runs commands in the project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run_module("kedro", *words, folder=self.folder)

    def must_run(self, *words: str) -> str:
        result = self.run(*words)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def read_results(self) -> dict[str, bytes]:
        names = ("03_primary/model_input_table.csv", "08_reporting/returns.txt", "nodes.txt")
        return {name: (self.folder / "data" / name).read_bytes() for name in names}


def lay_down(folder: Path) -> Shop:
    shutil.copytree(SHOP, folder)
    (folder / "data" / "01_raw").mkdir(parents=True)
    rng = np.random.default_rng(0)
    n_orders, n_customers = 1500, 300
    customers = pl.DataFrame(
        {"customer": range(n_customers), "age": rng.integers(18, 90, n_customers)}
    )
    price = rng.uniform(1, 99, n_orders).round(2)
    returned = price + rng.normal(0, 9, n_orders) > 60
    orders = pl.DataFrame(
        {
            "customer": rng.integers(0, n_customers, n_orders),
            "price": price,
            "channel": rng.choice(["web", "phone"], n_orders),
            "returned": np.where(returned, "back", "kept"),
        }
    )
    orders.write_csv(folder / "data" / "01_raw" / "orders.csv")
    customers.write_csv(folder / "data" / "01_raw" / "customers.csv")
    return Shop(folder)


def adopt(shop: Shop) -> int:
    """Edit the project's files by hand; return the number of lines changed or added."""
    n_lines = 0
    for name, edits in EDITS.items():
        path = shop.folder / name
        before = text = path.read_text()
        for old, new in edits:
            assert text.count(old) == 1, (name, old)
            text = text.replace(old, new)
        path.write_text(text)
        changes = difflib.ndiff(before.splitlines(), text.splitlines())
        n_lines += sum(line.startswith("+ ") for line in changes)
    return n_lines


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = lay_down(tmp_path_factory.mktemp("adoption") / "shop")
    shop.must_run("run")
    return shop


@pytest.fixture(scope="module")
def before(shop: Shop) -> dict[str, bytes]:
    return shop.read_results()


@pytest.fixture(scope="module")
def adopted(shop: Shop, before: dict[str, bytes]) -> Shop:
    assert adopt(shop) <= MOST_LINES
    shop.must_run("rightfit", "init", "--dataset", "model_input_table", "--target", "returned")
    return shop


@pytest.fixture(scope="module")
def ranked(adopted: Shop) -> Shop:
    params = ",".join(f"{name}={value}" for name, value in TINY.items())
    shown = adopted.must_run("run", "--pipelines", "perf", "--params", params)
    (adopted.folder / "log.txt").write_text(shown)
    return adopted


@pytest.mark.slow
def test_project_without_a_grid_yet_runs_as_before(tmp_path: Path) -> None:
    shop = lay_down(tmp_path / "shop")
    adopt(shop)

    listed = shop.must_run("registry", "list")
    shop.must_run("run")

    assert "perf" not in listed
    assert not list((shop.folder / "data").glob("06_models"))


@pytest.mark.slow
def test_init_shows_or_writes_but_never_overwrites(adopted: Shop) -> None:
    grid = adopted.folder / "conf" / "base" / "parameters_grid.yml"
    kept = grid.read_text()

    shown = adopted.must_run("rightfit", "init", "--dry-run")
    adopted.must_run("rightfit", "init")

    assert "parameters_grid.yml: it exists" in shown
    assert grid.read_text() == kept


@pytest.mark.slow
def test_own_pipelines_give_the_same_results(adopted: Shop, before: dict[str, bytes]) -> None:
    adopted.must_run("run")

    assert adopted.read_results() == before


@pytest.mark.slow
def test_own_pipeline_of_the_same_name_stays(adopted: Shop) -> None:
    described = adopted.must_run("registry", "describe", "reporting")

    assert "report_returns" in described


@pytest.mark.slow
def test_models_are_ranked_for_the_projects_table(ranked: Shop) -> None:
    (file,) = ranked.folder.glob("data/08_reporting/rankings.parquet/*/rankings.parquet")

    rankings = pl.read_parquet(file)

    assert rankings["dataset"].unique().to_list() == ["model_input_table"]
    assert int((ranked.folder / "data" / "nodes.txt").read_text()) > 10  # the own hook ran too


@pytest.mark.slow
def test_which_answers(ranked: Shop) -> None:
    answer = ranked.must_run("rightfit", "which", "--application", "quality_first")

    assert "fits model_input_table best" in answer


@pytest.mark.slow
def test_misspelt_parameter_of_the_project_is_not_refused(adopted: Shop) -> None:
    adopted.must_run("run", "--params", "model_optoins.test_size=0.3")


@pytest.mark.slow
def test_misspelt_block_of_rightfit_is_refused(adopted: Shop) -> None:
    result = adopted.run("run", "--pipelines", "perf", "--params", "trainnig.n_trials=3")

    assert result.returncode == 1
    assert "did you mean 'training'?" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.slow
def test_fault_of_rightfits_parameters_does_not_stop_own_pipelines(adopted: Shop) -> None:
    fault = ("--params", "evaluation.preset=quik")

    adopted.must_run("run", *fault)
    perf = adopted.run("run", "--pipelines", "perf", *fault)

    assert perf.returncode == 1
    assert "evaluation.preset" in perf.stdout + perf.stderr
    assert "Traceback" not in perf.stdout + perf.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "own"),
    [
        ("--params=grid.models=linaer", ()),
        ("--params=grid.datasets=orders", ("--pipelines", "data_processing")),
        ("--env=faulty", ()),
    ],
)
def test_faulty_grid_stops_only_rightfits_pipelines(
    adopted: Shop, fault: str, own: tuple[str, ...]
) -> None:
    faulty = adopted.folder / "conf" / "faulty" / "parameters_grid.yml"
    faulty.parent.mkdir(exist_ok=True)
    faulty.write_text("grid: {datasets: [model_input_table], models: [linaer]}\n")

    adopted.must_run("run", fault, *own)
    perf = adopted.run("run", "--pipelines", "perf", fault)

    assert perf.returncode == 1
    assert "Correct parameters_grid.yml" in " ".join((perf.stdout + perf.stderr).split())
    assert "Traceback" not in perf.stdout + perf.stderr


@pytest.mark.slow
def test_grid_of_another_meaning_is_left_alone(tmp_path: Path) -> None:
    shop = lay_down(tmp_path / "shop")
    adopt(shop)
    (shop.folder / "conf" / "base" / "parameters_search.yml").write_text("grid: {rate: [1, 2]}\n")

    shop.must_run("run")
    result = shop.run("rightfit", "init")

    assert result.returncode == 1
    assert "['grid'] of its own" in result.stdout + result.stderr


@pytest.mark.slow
def test_error_of_an_own_dataset_keeps_its_traceback(adopted: Shop, tmp_path: Path) -> None:
    raw = adopted.folder / "data" / "01_raw" / "orders.csv"
    kept = raw.rename(tmp_path / "orders.csv")

    result = adopted.run("run", "--pipelines", "data_processing")
    shutil.move(kept, raw)

    assert result.returncode == 1
    assert "DatasetError" in result.stdout + result.stderr
    assert "Traceback" in result.stdout + result.stderr


@pytest.mark.slow
def test_log_of_a_run_is_as_short_as_in_our_own_project(ranked: Shop) -> None:
    log = (ranked.folder / "log.txt").read_text().splitlines()
    lines = [line for line in log if "INFO" in line or "WARNING" in line]

    # each wait for a measurement of others is a line, too
    assert len([line for line in lines if "Waiting for another" not in line]) < MOST_LOGGED
    assert any("Ranked" in line for line in log)
