"""What pausing gained in live searches: the table in ``benchmarks/recorded`` summed up.

The table is the catalog's ``live_searches`` after ``kedro run --env live`` of ``--pipelines
data_engineering`` and of ``--pipelines early_stopping --to-outputs live_savings``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl

from rightfit_study.early_stopping.live_comparison import summarise_live

TABLE = Path(__file__).resolve().parent / "recorded" / "live_searches.csv"


def main() -> None:
    """Print the gain over each peer, by cell and over all cells with its interval."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, default=TABLE)
    options = parser.parse_args()
    searches = pl.read_csv(options.table)
    keys = ["cell", "seed", "application"]
    wide = searches.pivot(on="method", index=keys, values="utility_test")
    peers = ("none", "none_late", "median", "median_late")
    gains = [(pl.col("pausing") - pl.col(peer)).mean().alias(f"over {peer}") for peer in peers]
    usual = pl.col("n_trials", "n_complete", "spent_s").mean()
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=160, float_precision=4):
        print(searches.group_by("cell", "method", maintain_order=True).agg(usual))
        print(wide.group_by("cell", maintain_order=True).agg(gains))
        print(summarise_live(searches, seed=0))


if __name__ == "__main__":
    main()
