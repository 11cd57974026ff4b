"""Hand-made results and their report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
import pytest
from factories.reports import (
    APPLICATIONS,
    LADDER,
    build_results,
    make_profiles,
    run_ranking_and_reporting,
)

from rightfit.measuring.hardware.tiers import Tier
from rightfit.reporting.html_report import render_report
from rightfit.reporting.run_results import Results


@pytest.fixture(scope="session")
def applications() -> dict[str, Any]:
    return APPLICATIONS


@pytest.fixture(scope="session")
def ladder() -> tuple[Tier, ...]:
    return LADDER


@pytest.fixture(scope="session")
def make_results() -> Callable[..., Results]:
    return build_results


@pytest.fixture(scope="session")
def results() -> Results:
    return build_results()


@pytest.fixture(scope="session")
def fleet_results() -> Results:
    """Forests take four times as long on the board."""
    environments = {
        "this_machine": {"price_per_hour": 0.1},
        "board": {"price_per_hour": 0.01},
        "laptop": {},
    }
    here = make_profiles().filter(pl.col("dataset") == "landsat")
    factor = pl.when(model="forest").then(4).otherwise(1)
    board = here.with_columns(
        pl.lit("cpu@board").alias("device"), cs.starts_with("latency_p") * factor
    )
    return build_results(APPLICATIONS, pl.concat([here, board]), environments=environments)


@pytest.fixture(scope="session")
def reported_root(bootstrapped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that holds hand-made results, ranked and reported through Kedro."""
    root = tmp_path_factory.mktemp("data")
    run_ranking_and_reporting(bootstrapped, root)
    return root


@pytest.fixture(scope="session")
def report_path(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the hand-made results, as a file."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_report(results, LADDER), encoding="utf-8")
    return path


@pytest.fixture
def open_report(open_page: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Opens the report of some results in the browser."""

    def open_one(results: Results, **options: Any) -> Any:
        path = tmp_path / "report.html"
        path.write_text(render_report(results, LADDER), encoding="utf-8")
        return open_page(path.as_uri(), **options)

    return open_one
