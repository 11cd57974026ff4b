"""The stage on the shipped raw tables, described as conf/base describes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from kedro.io import DataCatalog

from rightfit.models.quality.metric import QualityMetric
from rightfit_kedro.grid import Grid
from rightfit_kedro.hooks import ConfigurationError
from rightfit_kedro.pipelines.data_engineering import create_pipeline
from rightfit_kedro.run import RightfitSession

pytestmark = pytest.mark.whole

DATASETS = ("landsat", "fashion_mnist", "flights", "shuttle")
PARTS = ("train", "validation", "test")

# what the table says about a flight before it departs, and what is measured on the ground
KNOWN_BEFORE_DEPARTURE = {
    "departure_minute", "arrival_minute", "distance", "weekday", "carrier", "origin", "dest",
    "temp",
    "dewp",
    "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib", "plane_year", "plane_seats",
}  # fmt: skip

Run = Callable[..., DataCatalog]


@pytest.mark.parametrize(
    ("dataset", "n_features", "n_classes", "image_shape", "quality"),
    [
        ("landsat", 36, 6, None, "accuracy"),
        ("fashion_mnist", 784, 10, (28, 28, 1), "accuracy"),
        ("flights", 39, 2, None, "roc_auc"),
        ("shuttle", 9, 7, None, "balanced_accuracy"),
    ],
)
def test_model_input_is_as_the_data_card_says(
    prepared: dict[str, DataCatalog],
    dataset: str,
    n_features: int,
    n_classes: int,
    image_shape: tuple[int, int, int] | None,
    quality: str,
) -> None:
    card = prepared[dataset].load(f"{dataset}.data_card")
    schema = card.input_schema

    assert card.dataset == dataset
    assert card.quality.name == quality
    assert (schema.n_features, schema.n_classes) == (n_features, n_classes)
    assert schema.image_shape == image_shape
    for part in PARTS:
        frame = prepared[dataset].load(f"{dataset}.{part}")
        assert frame.columns == [*schema.features, "label"]
        assert set(frame.drop("label").dtypes) == {pl.Float32}
        assert frame["label"].dtype == pl.Int64
        assert frame["label"].n_unique() == n_classes
        assert frame.height == card.n_rows[part]
        assert np.isfinite(frame.to_numpy()).all()


@pytest.mark.parametrize(
    ("dataset", "train_split", "test_split", "no_target"),
    [
        ("landsat", 4435, 2000, 0),
        ("fashion_mnist", 5000, 2000, 0),
        ("flights", 244737, 82609, 9430),
    ],
)
def test_every_row_read_is_accounted_for(
    prepared: dict[str, DataCatalog],
    dataset: str,
    train_split: int,
    test_split: int,
    no_target: int,
) -> None:
    card = prepared[dataset].load(f"{dataset}.data_card")
    dropped = {entry.reason: entry.n_rows for entry in card.rows.dropped}

    assert card.rows.read == train_split + test_split + no_target
    assert card.rows.kept == sum(card.n_rows.values()) == 6000
    assert dropped.get("arr_delay is missing", 0) == no_target
    assert dropped["not in the sample of 4000 train rows"] == train_split - 4000
    assert dropped.get("not in the sample of 2000 test rows", 0) == test_split - 2000


def test_flights_card_counts_unmatched_rows_and_outliers(prepared: dict[str, DataCatalog]) -> None:
    card = prepared["flights"].load("flights.data_card")

    assert set(card.rows.unmatched) == {"flights_weather", "flights_planes"}
    assert card.tables["flights_weather"].columns["wind_speed"].n_outliers == 1
    assert card.tables["flights_planes"].n_rows == 3322


def test_landsat_card_warns_of_the_optimistic_split(prepared: dict[str, DataCatalog]) -> None:
    notes = prepared["landsat"].load("landsat.data_card").notes

    assert any("97 %" in note and "share 6 of their 9 pixels" in note for note in notes)


def test_flights_features_are_known_before_departure(described: dict[str, Any]) -> None:
    features = described["flights"]["features"]

    assert set(features["numeric"] + features["categorical"]) <= KNOWN_BEFORE_DEPARTURE


def test_no_single_flights_feature_gives_the_outcome_away(prepared: dict[str, DataCatalog]) -> None:
    train = prepared["flights"].load("flights.train")
    labels = train["label"].to_numpy()

    for name in train.columns[:-1]:
        values = train[name].to_numpy()
        auc = QualityMetric(name="roc_auc", worst=0.0, best=1.0).score(
            labels, np.stack([-values, values], axis=1)
        )
        assert 0.3 < auc < 0.7, name  # arr_delay itself would give 1.0


def test_flights_outcome_changes_labels_only(
    run_stage: Run, prepared: dict[str, DataCatalog], raw_tables: dict[str, pl.DataFrame]
) -> None:
    # the same sample is needed: move delays without moving any over the threshold
    moved = raw_tables["flights"].with_columns(
        pl.when(pl.col("arr_delay") >= 30).then(999).otherwise(-1).cast(pl.Int16).alias("moved"),
    )
    moved = moved.with_columns(
        arr_delay=pl.when(pl.col("arr_delay").is_not_null()).then("moved")
    ).drop("moved")

    catalog = run_stage("flights", frames={"flights": moved})

    for part in PARTS:
        assert catalog.load(f"flights.{part}").equals(prepared["flights"].load(f"flights.{part}"))


def test_flights_validation_is_strictly_later_than_train(
    run_stage: Run, described: dict[str, Any]
) -> None:
    by_time = described["flights"]["features"] | {
        "numeric": ["time_hour"], "indicate_missing": [], "categorical": [],
    }  # fmt: skip
    rows = run_stage("flights", features=by_time).load("flights.rows")
    times = {part: rows.filter(pl.col("part") == part)["time_hour"] for part in PARTS}

    assert times["train"].max() < times["validation"].min()
    assert times["validation"].max() < times["test"].min()


def test_landsat_test_rows_are_the_official_ones_and_train_classes_keep_their_shares(
    prepared: dict[str, DataCatalog], raw_tables: dict[str, pl.DataFrame]
) -> None:
    rows = prepared["landsat"].load("landsat.rows")
    shares = prepared["landsat"].load("landsat.data_card").class_shares
    official = raw_tables["landsat"].filter(pl.col("split") == "test")

    test = rows.filter(pl.col("part") == "test").drop("label", "part")
    assert test.equals(official.select(test.columns))
    assert shares["train"]["damp_grey_soil"] == pytest.approx(415 / 4435, abs=0.002)
    assert shares["validation"]["damp_grey_soil"] == pytest.approx(415 / 4435, abs=0.002)


def test_standardised_train_columns_have_mean_0_and_spread_1(
    prepared: dict[str, DataCatalog],
) -> None:
    train = prepared["landsat"].load("landsat.train").drop("label").to_numpy().astype(np.float64)

    assert np.abs(train.mean(axis=0)).max() < 1e-4
    assert np.abs(train.std(axis=0) - 1).max() < 1e-4


def test_images_arrive_pixel_by_pixel(
    prepared: dict[str, DataCatalog], raw_tables: dict[str, pl.DataFrame]
) -> None:
    raw = raw_tables["fashion_mnist"].filter(pl.col("split") == "test")
    test = prepared["fashion_mnist"].load("fashion_mnist.test")

    expected = np.frombuffer(raw["image"][0], dtype=np.uint8) / np.float32(255)
    assert test.drop("label").to_numpy()[0] == pytest.approx(expected)
    assert test["label"].to_list() == raw["label"].cast(pl.Int64).to_list()


def test_data_version_repeats(run_stage: Run, prepared: dict[str, DataCatalog]) -> None:
    for dataset in ("landsat", "flights"):
        again = run_stage(dataset).load(f"{dataset}.data_card").data_version

        assert again == prepared[dataset].load(f"{dataset}.data_card").data_version


@pytest.mark.parametrize("dataset", DATASETS)
def test_checks_stand_before_all_other_nodes(described: dict[str, Any], dataset: str) -> None:
    grid = Grid({name: tuple(described[name]["tables"]) for name in DATASETS}, {})

    names = [node.name for node in create_pipeline(grid).nodes]

    assert set(names[:4]) == {f"data_engineering.{name}.check_raw_tables" for name in DATASETS}
    stage = f"data_engineering.{dataset}."
    assert {name for name in names if name.startswith(stage)} == {
        f"{stage}{node}"
        for node in (
            "check_raw_tables",
            "assemble_rows",
            "encode_rows",
        )
    }


@pytest.fixture
def run_project(bootstrapped: Path, sample_data: Path, tmp_path: Path) -> Callable[[], None]:
    """Run the stage as a user does, on a copy of the raw files that a test may break."""
    raw = tmp_path / "01_raw"
    raw.mkdir()
    for path in sample_data.glob("*.parquet"):
        (raw / path.name).write_bytes(path.read_bytes())

    def run() -> None:
        params = {"data_root": str(tmp_path)}
        with RightfitSession.create(bootstrapped, env="test", runtime_params=params) as session:
            session.run(pipeline_names=["data_engineering"])

    return run


def break_rename(path: Path) -> None:
    pl.read_parquet(path).rename({"nw_b1": "north_west_b1"}).write_parquet(path)


def break_rows(path: Path) -> None:
    pl.read_parquet(path).head(5000).write_parquet(path)


def break_bytes(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.filterwarnings("ignore:Accessing the 'model_fields'")  # Kedro reads typed parameters
@pytest.mark.filterwarnings("ignore:One or more dataset names contain")  # namespaced on purpose
@pytest.mark.parametrize(
    ("break_file", "error", "message"),
    [
        (Path.unlink, ConfigurationError, r"Raw files are missing: .*01_raw/landsat\.parquet"),
        (break_bytes, ConfigurationError, r"(?s)01_raw/landsat\.parquet"),
        (
            break_rename,
            ConfigurationError,
            r"(?s)'nw_b1' .* is missing.*'north_west_b1'.*landsat\.parquet",
        ),
        (
            break_rows,
            ConfigurationError,
            r"(?s)at least 6,435 rows, but got 5,000.*landsat\.parquet",
        ),
    ],
)
def test_broken_raw_file_is_named_before_anything_is_computed(
    run_project: Callable[[], None],
    tmp_path: Path,
    break_file: Callable[[Path], None],
    error: type[Exception],
    message: str,
) -> None:
    break_file(tmp_path / "01_raw" / "landsat.parquet")

    with pytest.raises(error, match=message):
        run_project()

    assert not list(tmp_path.glob("04_feature/*"))
