"""Search by quality alone, where nothing is measured: a child process of this version or another.

``python quality_fit.py SETTINGS.json`` runs with the sources that come first on its path. So it
says the call as either version understands it, and reads nothing of the library but ``search``.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl

import rightfit as rf


def say_call(asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the arguments of ``rightfit.search``; what is in ``folder`` is not done again."""
    dataset: dict[str, Any] = {}
    for key in ("time", "group"):
        if column := asked[key]:
            share = {"method": f"by_{key}", "share": 0.2, f"{key}_columns": [column]}
            dataset = {"split": share, "validation": share}
    if asked["group"]:
        dataset["not_features"] = [asked["group"]]
    is_earlier = "random_state" not in inspect.signature(rf.search).parameters
    return {
        "table": Path(asked["rows"]) / "train.parquet",
        "target": asked["target"],
        "dataset": dataset or None,
        "task": asked["task"],
        "quality": asked["metric"],
        "budget_cpu_s": asked["budget_cpu_s"],  # measuring, where applications ask, comes on top
        "seed" if is_earlier else "random_state": asked["seed"],
        "folder": folder / "search",
    }


def main() -> None:
    """Search and answer the test rows with the best model."""
    settings = Path(sys.argv[1])
    asked, folder = json.loads(settings.read_text(encoding="utf-8")), settings.parent
    model = rf.search(**say_call(asked, folder)).best()
    if model is None:
        raise RuntimeError("no model was trained within the budget")
    test = pl.read_parquet(Path(asked["rows"]) / "test.parquet").drop(asked["target"])
    predicted = pl.Series("delivered", model.predict(test), strict=False)
    pl.DataFrame([predicted]).write_parquet(folder / "predictions.parquet")
    models = [{"model": "delivered", "what": str(model), "note": ""}]
    (folder / "models.json").write_text(json.dumps(models), encoding="utf-8")


if __name__ == "__main__":
    main()
