"""Raw tables from wherever a catalog reads them, described by a few lines."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from rightfit._core.frames import RawTableError
from rightfit._core.processes.json_store import JsonStore
from rightfit.models.quality.metric import QualityMetric
from rightfit_kedro.grid import Grid, list_entries
from rightfit_kedro.pipelines.data_engineering import create_pipeline
from rightfit_search.tables.description import DatasetBlock
from rightfit_search.tables.description_parts import ColumnSplit

pytestmark = pytest.mark.whole

MAX_LINES = 8
SHUTTLE = """\
shuttle:
  tables: [shuttle]
  target: {column: label}
  task: classification
"""
ORDERS = """\
orders:
  tables: {orders: orders_2026}
  target: {column: late}
  task: classification
"""
N = 200

Prepare = Callable[..., DataCatalog]


def make_orders() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "mass": [None if i % 10 == 0 else i % 13 / 4 for i in range(N)],
            "n_parts": [i % 11 for i in range(N)],
            "depot": ["north", "south", None, "west"] * (N // 4),
            "late": ["yes" if i % 3 == 0 else "no" for i in range(N)],
        }
    )


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Run the stage for one block, on entries of a catalog and after nodes of the user."""

    def run(block: str, entries: dict[str, Any], *own_nodes: Node) -> DataCatalog:
        ((name, said),) = yaml.safe_load(block).items()
        frames = {key: entry for key, entry in entries.items() if not isinstance(entry, dict)}
        catalog = DataCatalog.from_config(
            {key: entry for key, entry in entries.items() if key not in frames}
        )
        for key, frame in frames.items():
            catalog[key] = MemoryDataset(frame)
        catalog[f"params:datasets.{name}"] = MemoryDataset(DatasetBlock.model_validate(said))
        catalog["inferred_descriptions"] = MemoryDataset(JsonStore(tmp_path / "inferred"))
        pipeline = create_pipeline(Grid({name: list_entries(said)}, {})) + Pipeline(list(own_nodes))
        for output in pipeline.outputs():
            catalog[output] = MemoryDataset()
        SequentialRunner().run(pipeline, catalog)
        return catalog

    return run


def test_shuttle_needs_at_most_eight_lines(prepare: Prepare, sample_data: Path) -> None:
    catalog = prepare(SHUTTLE, {"shuttle": pl.read_parquet(sample_data / "shuttle.parquet")})
    card = catalog.load("shuttle.data_card")

    assert len(SHUTTLE.splitlines()) <= MAX_LINES
    assert list(card.features.numeric) == [f"v{i}" for i in range(1, 10)]
    assert card.quality == QualityMetric(name="balanced_accuracy", worst=0.14, best=1.0)
    assert card.split == ColumnSplit(column="split", train="train", test="test")
    assert card.n_rows == {"train": 34800, "validation": 8700, "test": 14500}
    assert set(card.inferred) == {"schemas", "target.classes", "features", "split", "quality"}


def write_csv(folder: Path) -> dict[str, Any]:
    path = folder / "orders.csv"
    make_orders().write_csv(path)
    return {"type": "polars.EagerPolarsDataset", "file_format": "csv", "filepath": str(path)}


def write_sql(folder: Path) -> dict[str, Any]:
    connection = f"sqlite:///{folder}/orders.db"
    make_orders().to_pandas().to_sql("orders", connection, index=False)
    return {
        "type": "pandas.SQLTableDataset",
        "table_name": "orders",
        "credentials": {"con": connection},
    }


def write_partitions(folder: Path) -> dict[str, Any]:
    (folder / "parts").mkdir()
    make_orders().head(90).write_parquet(folder / "parts" / "a.parquet")
    make_orders().tail(N - 90).write_parquet(folder / "parts" / "b.parquet")
    return {
        "type": "partitions.PartitionedDataset",
        "path": str(folder / "parts"),
        "dataset": {"type": "polars.EagerPolarsDataset", "file_format": "parquet"},
    }


def write_lazy(folder: Path) -> dict[str, Any]:
    path = folder / "orders.parquet"
    make_orders().write_parquet(path)
    return {"type": "polars.LazyPolarsDataset", "file_format": "parquet", "filepath": str(path)}


def write_lazy_csv(folder: Path) -> dict[str, Any]:
    return write_csv(folder) | {"type": "polars.LazyPolarsDataset"}


def write_lazy_folder(folder: Path) -> dict[str, Any]:
    parts = write_partitions(folder)["path"]
    return {"type": "polars.LazyPolarsDataset", "file_format": "parquet", "filepath": parts}


@pytest.mark.parametrize(
    "write",
    [write_csv, write_sql, write_partitions, write_lazy, write_lazy_csv, write_lazy_folder],
)
def test_entry_of_any_kind_gives_the_same_model_input(
    prepare: Prepare, tmp_path: Path, write: Callable[[Path], dict[str, Any]]
) -> None:
    expected = prepare(ORDERS, {"orders_2026": make_orders()}).load("orders.data_card")

    catalog = prepare(ORDERS, {"orders_2026": write(tmp_path)})

    assert catalog.load("orders.data_card").data_version == expected.data_version


def test_pandas_frame_of_a_users_own_node_is_a_raw_table(prepare: Prepare) -> None:
    def make_frame() -> pd.DataFrame:
        return make_orders().to_pandas()

    expected = prepare(ORDERS, {"orders_2026": make_orders()}).load("orders.data_card")

    catalog = prepare(ORDERS, {}, Node(make_frame, None, "orders_2026", name="make_orders"))

    assert catalog.load("orders.data_card").data_version == expected.data_version


def test_inferred_description_is_kept_for_later_runs(prepare: Prepare, tmp_path: Path) -> None:
    prepare(ORDERS, {"orders_2026": make_orders()})
    maybe = make_orders().with_columns(late=pl.Series(["yes", "no", "maybe", "no"] * (N // 4)))

    with pytest.raises(
        RawTableError, match=r"classes \['no', 'yes'\], but got also \['maybe'\]"
    ) as told:
        prepare(ORDERS, {"orders_2026": maybe})

    [kept] = (tmp_path / "inferred").glob("*.json")
    assert f"removing {kept} infers it anew" in str(told.value)


def test_inferred_description_of_another_form_is_made_anew(
    prepare: Prepare, tmp_path: Path
) -> None:
    prepare(ORDERS, {"orders_2026": make_orders()})
    [kept] = (tmp_path / "inferred").glob("*.json")
    good = kept.read_text()
    kept.write_text('{"result": "orders.trials", "files": []}')  # another file of the same study

    prepare(ORDERS, {"orders_2026": make_orders()})

    assert kept.read_text() == good


def test_first_run_has_no_earlier_description_to_remove(prepare: Prepare) -> None:
    infinite = make_orders().with_columns(mass=pl.Series([math.inf, 1.0] * (N // 2)))

    with pytest.raises(RawTableError, match=r"data are right, datasets\.orders\.$"):
        prepare(ORDERS, {"orders_2026": infinite})


def test_changed_block_is_inferred_anew(prepare: Prepare) -> None:
    prepare(ORDERS, {"orders_2026": make_orders()})
    maybe = make_orders().with_columns(late=pl.Series(["yes", "no", "maybe", "no"] * (N // 4)))

    catalog = prepare(f"{ORDERS}  not_features: [depot]\n", {"orders_2026": maybe})

    classes = catalog.load("orders.data_card").input_schema.classes
    assert classes == ("maybe", "no", "yes")


def test_words_and_sizes_change_without_inferring_anew(prepare: Prepare) -> None:
    prepare(ORDERS, {"orders_2026": make_orders()})
    said = "  title: Late orders\n  max_train_rows: 100\n"
    more = pl.concat([make_orders(), make_orders().with_columns(late=pl.lit("maybe"))])

    card = prepare(ORDERS + said, {"orders_2026": make_orders()}).load("orders.data_card")

    assert card.title == "Late orders"
    assert card.n_rows["train"] + card.n_rows["validation"] == 100
    with pytest.raises(RawTableError, match="but got also"):
        prepare(ORDERS + said, {"orders_2026": more})


def test_block_that_does_not_fit_its_table_is_named(prepare: Prepare) -> None:
    block = re.sub("late", "lat", ORDERS)

    with pytest.raises(
        RawTableError,
        match=r"datasets\.orders: target.column 'lat' is not a column of orders; did you mean",
    ):
        prepare(block, {"orders_2026": make_orders()})
