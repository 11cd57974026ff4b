"""Learn the priors that the library ships from recordings: ``src/…/pausing/shipped_priors.json``.

``python benchmarks/constants/learn_priors.py``: run it after ``benchmarks/recorded`` was made anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl

import rightfit_search.searching.pausing
from rightfit_search.searching.pausing.priors import SHIPPED
from rightfit_study.early_stopping.recorded import dump_priors, learn_prior, read_cells

RECORDED = Path(__file__).resolve().parents[1] / "recorded"


def main() -> None:
    """Read all cells of a folder and write what they teach of each family."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", type=Path, default=RECORDED)
    options = parser.parse_args()
    tables = [
        pl.read_parquet(options.recorded / f"{name}.parquet") for name in ("curves", "profiles")
    ]
    cells = read_cells(tables[0], tables[1], {})
    models = dict.fromkeys(cell.model for cell in cells)
    priors = {
        model: learn_prior([cell.pool() for cell in cells if cell.model == model])
        for model in models
    }
    target = Path(rightfit_search.searching.pausing.__path__[0]) / SHIPPED
    target.write_text(dump_priors(priors) + "\n")
    print(f"{target}: {', '.join(priors)}")


if __name__ == "__main__":
    main()
