"""Benchmark of ranking and report at scale: the results of a finished run, multiplied.

Run from the repository's root, after a run of the main job: ``python benchmarks/report_at_scale.py
--n-cells 100 --n-applications 10``. Every dataset is copied under new names until there are as many
cells, every application likewise; then the ranking and the reporting stage run on them in memory.
The last line is JSON:

- ``report_cells_s``: seconds from the profiles to the report: rankings, sensitivity, explanations,
  charts, report;
- ``report_mib``: size of the report.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from rightfit.params.applications import ApplicationsParams
from rightfit.ranking.records.load_records import LoadCurves
from rightfit_kedro.grid import Grid
from rightfit_kedro.pipelines import create_pipelines, find_grid
from rightfit_kedro.run import RightfitSession

PROJECT = Path(__file__).resolve().parents[1]
BYTES_PER_MIB = 2**20
TABLES = ("resource_profiles", "hardware_tiers")  # of all datasets
PARTS = ("trials", "search_audit")  # tables of each dataset


def main() -> None:
    """Multiply a run's results, rank and report them, end with one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", default="data")
    parser.add_argument("--env", default=None)
    parser.add_argument("--params", type=json.loads, default={}, help="JSON, as of the run")
    parser.add_argument("--n-cells", type=int, default=100)
    parser.add_argument("--n-applications", type=int, default=10)
    options = parser.parse_args()
    bootstrap_project(PROJECT)
    params = {"data_root": str(Path(options.data_root).resolve()), **options.params}
    opened: Any = RightfitSession.create(PROJECT, env=options.env, runtime_params=params)
    with opened as session:
        stored = session.load_context().catalog
        grid = find_grid()
        if grid is None:
            raise SystemExit("The configuration has no grid.")
        copies = name_copies(grid.datasets, -(-options.n_cells // len(grid.models)))
        entries = multiply(stored, copies, n_applications=options.n_applications)
        pipelines = create_pipelines(Grid({name: (name,) for name in copies}, grid.families))
        stages = pipelines["ranking"] + pipelines["reporting"]
        for name in stages.inputs() - set(entries):
            entries[name] = stored.load(name)
    catalog = DataCatalog({name: MemoryDataset(data, "assign") for name, data in entries.items()})
    for name in stages.all_outputs():
        catalog[name] = MemoryDataset(copy_mode="assign")
    started_s = time.perf_counter()
    SequentialRunner().run(stages, catalog)
    elapsed_s = time.perf_counter() - started_s
    report_mib = len(catalog.load("report").encode()) / BYTES_PER_MIB
    n_profiles = entries["resource_profiles"].height
    print(f"{len(copies) * len(grid.models)} cells, {n_profiles} profiles, {elapsed_s:.1f} s")
    print(json.dumps({"report_cells_s": round(elapsed_s, 1), "report_mib": round(report_mib, 2)}))


def name_copies(datasets: tuple[str, ...], n: int) -> dict[str, str]:
    """Return ``n`` new names of datasets, each with the dataset it is a copy of."""
    rounds = itertools.count(1)
    names = ((f"{dataset}_{i}", dataset) for i in rounds for dataset in datasets)
    return dict(itertools.islice(names, n))


def multiply(stored: DataCatalog, copies: dict[str, str], *, n_applications: int) -> dict[str, Any]:
    """Return the inputs of ranking and reporting for copies of the datasets."""
    entries: dict[str, Any] = {}
    applications = stored.load("params:applications")
    known = list(applications.items())
    entries["params:applications"] = ApplicationsParams.model_validate(
        {
            name if i < len(known) else f"{name}_{i}": application.model_dump()
            for i, (name, application) in zip(
                range(n_applications), itertools.cycle(known), strict=False
            )
        }
    )
    for name in TABLES:
        table = stored.load(name)
        entries[name] = pl.concat(_rename(table, of, to) for to, of in copies.items())
    loads = stored.load("load_curves").loads
    entries["load_curves"] = LoadCurves(
        tuple(
            replace(load, dataset=to)
            for to, of in copies.items()
            for load in loads
            if load.dataset == of
        )
    )
    for to, of in copies.items():
        card = stored.load(f"{of}.data_card")
        entries[f"{to}.data_card"] = card.model_copy(update={"dataset": to})
        for part in PARTS:
            entries[f"{to}.{part}"] = _rename(stored.load(f"{of}.{part}"), of, to)
    return entries


def _rename(table: pl.DataFrame, of: str, to: str) -> pl.DataFrame:
    return table.filter(pl.col("dataset") == of).with_columns(dataset=pl.lit(to))


if __name__ == "__main__":
    main()
