"""A cell that fails is reported with its reason; the others go on to the ranking and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rightfit_kedro.configuration import ConfigurationError
from rightfit_kedro.run import RightfitSession

pytestmark = [pytest.mark.whole, pytest.mark.long]

SETTINGS = {"max_depth": 4, "min_samples_leaf": 1, "max_features": "sqrt"}
FAILING = {"models": {"forest": {"family": "fakes.failing_family", "fixed": SETTINGS}}}
REASON = "AttributeError: no tree grows here"


@pytest.fixture
def root(sample_data: Path, tmp_path: Path) -> Path:
    (tmp_path / "01_raw").symlink_to(sample_data)
    return tmp_path


def run(project: Path, root: Path, *, models: str) -> None:
    grid = {"datasets": "landsat", "models": models}
    params: dict[str, Any] = {"data_root": str(root), "grid": grid, **FAILING}
    with RightfitSession.create(project, env="test", runtime_params=params) as session:
        session.run(pipeline_names=["perf"])


def read_newest(root: Path, name: str) -> bytes:
    return max(root.glob(f"08_reporting/{name}/*/{name}")).read_bytes()


def test_failed_cell_leaves_the_others_and_says_why(
    bootstrapped: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(bootstrapped, root, models="linear forest")

    assert b"linear" in read_newest(root, "rankings.csv")
    assert REASON in (root / "08_reporting" / "report.html").read_text(encoding="utf-8")
    assert f"landsat.forest: no trial was completed: {REASON}" in caplog.text


def test_grid_of_failed_cells_alone_is_one_clear_error(bootstrapped: Path, root: Path) -> None:
    with pytest.raises(ConfigurationError, match="every search or measurement of it has failed"):
        run(bootstrapped, root, models="forest")
