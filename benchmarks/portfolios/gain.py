"""By how much a run's winners beat the best default of any family, for each application.

``python benchmarks/portfolios/gain.py FOLDER`` reads the newest rankings of a data root. Families'
defaults are the candidates of trial 0; one that is no candidate, or that breaks a limit, does not
count. A line per application and dataset; the last one is JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polars as pl


def main() -> None:
    """Read and print."""
    versions = sorted(Path(sys.argv[1]).glob("08_reporting/rankings.parquet/*/rankings.parquet"))
    ranked = pl.read_parquet(versions[-1]).filter(pl.col("feasible"))
    gains = []
    for (application, dataset), rows in ranked.group_by(
        "application", "dataset", maintain_order=True
    ):
        winner = rows.sort("rank").row(0, named=True)
        is_default = pl.col("candidate").str.ends_with("-000") & (pl.col("model") != "cascade")
        defaults = rows.filter(is_default)
        best = defaults["utility"].max()
        gain = None if best is None else winner["utility"] - float(str(best))
        gains.append(gain)
        shown = "no default is feasible" if gain is None else f"{gain:+.4f}"
        print(f"{application} {dataset}: {winner['candidate']} {winner['utility']:.4f}, {shown}")
    known = [gain for gain in gains if gain is not None]
    print(
        json.dumps(
            {
                "n_pairs": len(gains),
                "n_without_default": len(gains) - len(known),
                "mean_gain": round(sum(known) / len(known), 4),
                "above_0.01": sum(gain > 0.01 for gain in known),
            }
        )
    )


if __name__ == "__main__":
    main()
