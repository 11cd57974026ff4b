"""What LightGBM's default loses with fewer rows: all of them, 80 % and 64 % of each table's.

A search of ``rf.search`` trains on 64 % of its rows and ships a model that was refitted on 80 %.
Run from the repository's root, with tables that ``make bench-peers`` has written:
``python benchmarks/peers/row_shares.py data/peers/rows/letter data/peers/rows/diamonds``. Texts are
LightGBM's categories. The shares are drawn five times; printed are the mean quality on the test
rows and its range.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
from lightgbm import LGBMClassifier, LGBMRegressor

SHARES = (1.0, 0.8, 0.64)
N_DRAWS = 5


def measure_share(folder: Path, share: float, seed: int) -> float:
    """Return accuracy or R² on the test rows of a model of some of the train rows."""
    about = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    target = about["target"]
    train, test = (pd.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    inputs = train.drop(columns=target)
    texts = inputs.select_dtypes(["object", "string"]).columns
    dtypes = {name: inputs[name].astype("category").dtype for name in texts}
    drawn = train.sample(frac=share, random_state=seed)
    estimator = LGBMRegressor if about["task"] == "regression" else LGBMClassifier
    model = estimator(verbose=-1, n_jobs=1)
    model.fit(drawn.drop(columns=target).astype(dtypes), drawn[target])
    return float(model.score(test.drop(columns=target).astype(dtypes), test[target]))


def main() -> None:
    """Print a line for each table and share."""
    for name in sys.argv[1:]:
        for share in SHARES:
            n_draws = 1 if share == 1 else N_DRAWS
            found = [measure_share(Path(name), share, seed) for seed in range(n_draws)]
            mean, low, high = sum(found) / len(found), min(found), max(found)
            print(
                f"{Path(name).name}: {share:.0%} of the rows {mean:.4f} ({low:.4f} to {high:.4f})"
            )


if __name__ == "__main__":
    main()
