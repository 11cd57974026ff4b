"""The shipped raw tables and their description, with small caps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from rightfit._core.processes.json_store import JsonStore
from rightfit_kedro.grid import Grid
from rightfit_kedro.pipelines.data_engineering import create_pipeline
from rightfit_search.tables.description import DatasetBlock

DATASETS = ("landsat", "fashion_mnist", "flights", "shuttle")
CAPS = {"max_train_rows": 4000, "max_test_rows": 2000}

Run = Callable[..., DataCatalog]


class KeptDataset(MemoryDataset):
    """Stays readable after the run, as files do."""

    def _release(self) -> None:
        pass


@pytest.fixture(scope="session")
def described(project_path: Path) -> dict[str, Any]:
    """``datasets`` of conf/base."""
    loader = OmegaConfigLoader(str(project_path / "conf"), base_env="base", default_run_env="base")
    datasets: dict[str, Any] = loader["parameters"]["datasets"]
    return datasets


@pytest.fixture(scope="session")
def raw_tables(sample_data: Path, described: dict[str, Any]) -> dict[str, pl.DataFrame]:
    return {
        table: pl.read_parquet(sample_data / f"{table}.parquet")
        for dataset in DATASETS
        for table in described[dataset]["tables"]
    }


@pytest.fixture(scope="session")
def run_stage(
    described: dict[str, Any],
    raw_tables: dict[str, pl.DataFrame],
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """Run the stage in memory, with raw tables or settings replaced."""
    folder, numbers = tmp_path_factory.mktemp("inferred"), count()

    def run(
        dataset: str, *, frames: dict[str, pl.DataFrame] | None = None, **settings: Any
    ) -> DataCatalog:
        spec = described[dataset] | CAPS | settings
        chosen = raw_tables | (frames or {})
        inputs = {table: chosen[table] for table in spec["tables"]}
        inputs[f"params:datasets.{dataset}"] = DatasetBlock.model_validate(spec)
        inputs["inferred_descriptions"] = JsonStore(folder / str(next(numbers)))
        pipeline = create_pipeline(Grid({dataset: tuple(spec["tables"])}, {}))
        catalog = DataCatalog({name: MemoryDataset(data) for name, data in inputs.items()})
        for name in pipeline.all_outputs():
            catalog[name] = KeptDataset()
        SequentialRunner().run(pipeline, catalog)
        return catalog

    return run


@pytest.fixture(scope="session")
def prepared(run_stage: Run) -> dict[str, DataCatalog]:
    """Everything that the stage writes, per shipped dataset."""
    whole = {"max_train_rows": None}  # of shuttle's rarest class there are 6 rows
    return {
        dataset: run_stage(dataset, **(whole if dataset == "shuttle" else {}))
        for dataset in DATASETS
    }
