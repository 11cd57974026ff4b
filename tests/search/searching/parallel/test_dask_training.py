"""One model over a real Dask cluster, as the page on large tables says: three worker processes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from distributed import LocalCluster
from lightgbm.dask import DaskLGBMRegressor
from sklearn.metrics import r2_score
from xgboost.dask import DaskXGBRegressor

pytestmark = [pytest.mark.whole, pytest.mark.long]

PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SETTINGS = {"n_estimators": 60, "learning_rate": 0.15, "subsample": 1.0}


@pytest.mark.filterwarnings("ignore:Parameter n_jobs will be ignored:UserWarning")
@pytest.mark.parametrize(
    ("estimator", "alone"),
    [
        (DaskLGBMRegressor, lightgbm.LGBMRegressor),
        (DaskXGBRegressor, xgboost.XGBRegressor),
    ],
)
def test_model_of_three_workers_is_as_good_as_one_process_within_an_error(
    project_path: Path, estimator: Any, alone: Any
) -> None:
    code = _read_code(project_path)
    page: dict[str, Any] = {}
    exec(code, page)  # noqa: S102 - the page's own code
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(9_000, 6))
    targets = np.sin(2 * rows[:, :3]).sum(axis=1) + rng.normal(size=9_000) / 2
    train, test = slice(6_000), slice(6_000, None)

    with LocalCluster(
        n_workers=3,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        spread = page["train"](
            estimator, SETTINGS, rows[train], targets[train], cluster.scheduler_address
        )
    whole = alone(**SETTINGS).fit(rows[train], targets[train])
    shared = spread.to_local() if estimator is DaskLGBMRegressor else spread.get_booster()
    predictions = (
        shared.predict(rows[test])
        if estimator is DaskLGBMRegressor
        else shared.inplace_predict(rows[test])
    )
    resampled = rng.integers(3_000, size=(200, 3_000))
    errors = [r2_score(targets[test][i], predictions[i]) for i in resampled]

    score = r2_score(targets[test], predictions)
    assert abs(score - r2_score(targets[test], whole.predict(rows[test]))) < np.std(errors)
    assert score > 0.5


def test_cluster_that_does_not_answer_is_an_error_of_one_line(project_path: Path) -> None:
    code = _read_code(project_path)
    page: dict[str, Any] = {}
    exec(code.replace("timeout=30", "timeout=1"), page)  # noqa: S102

    with pytest.raises(OSError, match="Timed out trying to connect to tcp:"):
        page["train"](DaskLGBMRegressor, {}, np.zeros((3, 1)), np.zeros(3), "tcp://127.0.0.1:1")


def _read_code(project_path: Path) -> str:
    """Return the page's code that trains on a cluster."""
    blocks = PYTHON.findall((project_path / "docs/howto/large_table.md").read_text())
    (code,) = (block for block in blocks if "def train" in block)
    return str(code)
