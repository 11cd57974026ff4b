"""The configuration is right, and the main job runs on tiny budgets."""

from pathlib import Path

import pytest
from kedro.framework.startup import bootstrap_project

from rightfit.kedro_project.run import RightfitSession

PROJECT = Path(__file__).parents[1]
TABLES = sorted((PROJECT / "data" / "01_raw").glob("*.parquet"))


def open_session(tmp_path: Path) -> RightfitSession:
    bootstrap_project(PROJECT)
    return RightfitSession.create(PROJECT, env="test", runtime_params={"data_root": str(tmp_path)})


def test_configuration_is_right(tmp_path: Path) -> None:
    with open_session(tmp_path) as session:
        context = session.load_context()

        assert context.params["grid"]["models"]
        assert "rankings" in context.catalog


@pytest.mark.skipif(not TABLES, reason="there is no table in data/01_raw yet")
def test_main_job_names_winners(tmp_path: Path) -> None:
    (tmp_path / "01_raw").symlink_to(PROJECT / "data" / "01_raw")

    with open_session(tmp_path) as session:
        session.run(pipeline_names=["perf"])

    assert list(tmp_path.glob("08_reporting/recommendations.json/*/recommendations.json"))
