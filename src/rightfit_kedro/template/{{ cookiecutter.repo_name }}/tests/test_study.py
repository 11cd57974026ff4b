"""The configuration is right, families keep their promises, the main job runs on tiny budgets."""

from pathlib import Path

import pytest
from kedro.framework.startup import bootstrap_project

from rightfit_kedro.run import RightfitSession
from rightfit.models.schema import Task
from rightfit_search.testing import check_family

PROJECT = Path(__file__).parents[1]
TABLES = sorted((PROJECT / "data" / "01_raw").glob("*.parquet"))


def make_session(tmp_path: Path) -> RightfitSession:
    bootstrap_project(PROJECT)
    return RightfitSession.create(PROJECT, env="test", runtime_params={"data_root": str(tmp_path)})


def test_configuration_is_right(tmp_path: Path) -> None:
    with make_session(tmp_path) as session:
        context = session.load_context()

        assert context.params["grid"]["models"]
        assert "rankings" in context.catalog


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_own_family_does_what_a_search_asks_of_it(task: Task) -> None:
    settings = {"n_shares": 4, "n_neighbors": 5, "weights": "uniform"}

    assert check_family("{{ cookiecutter.python_package }}.families.neighbours", settings, task=task) == []


@pytest.mark.skipif(not TABLES, reason="there is no table in data/01_raw yet")
def test_main_job_names_winners(tmp_path: Path) -> None:
    (tmp_path / "01_raw").symlink_to(PROJECT / "data" / "01_raw")

    with make_session(tmp_path) as session:
        session.run(pipeline_names=["perf"])

    assert list(tmp_path.glob("08_reporting/recommendations.json/*/recommendations.json"))
