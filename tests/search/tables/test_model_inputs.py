from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rightfit.data.request_path.encoder import Encoder
from rightfit_search.tables.assembling import assemble
from rightfit_search.tables.description import DatasetSpec
from rightfit_search.tables.encoding import apply_encoder, fit_encoder_steps
from rightfit_search.tables.model_inputs import describe_columns, read_predictions, take_columns

Trips = tuple[DatasetSpec, Encoder, pl.DataFrame]


@pytest.fixture
def trips(describe: Callable[..., DatasetSpec], tables: dict[str, pl.DataFrame]) -> Trips:
    spec = describe()
    rows, _ = assemble(spec, tables)
    encoder = fit_encoder_steps(spec.features, rows.filter(pl.col("part") == "train"))
    return spec, encoder, rows


def test_raw_columns_are_the_numbers_among_the_features_with_gaps_as_nan(trips: Trips) -> None:
    spec, encoder, rows = trips
    schema = describe_columns(spec, encoder, rows, kind="raw", columns=None)
    taken = take_columns(schema, encoder, rows, kind="raw").to("floats")

    assert schema.features == ("minute", "load", "place_height")
    assert schema.classes == ("in_time", "late")
    assert taken.dtype == np.float32
    np.testing.assert_array_equal(taken[:2, :2], np.array([[360, 1], [420, np.nan]], np.float32))


def test_columns_chooses_and_orders(trips: Trips) -> None:
    spec, encoder, rows = trips
    schema = describe_columns(spec, encoder, rows, kind="raw", columns=["load", "minute"])

    taken = take_columns(schema, encoder, rows, kind="raw")
    assert taken.to("floats")[0].tolist() == [1, 360]


def test_encoded_columns_are_those_of_the_searched_models(trips: Trips) -> None:
    spec, encoder, rows = trips
    schema = describe_columns(spec, encoder, rows, kind="encoded", columns=None)

    np.testing.assert_array_equal(
        take_columns(schema, encoder, rows, kind="encoded").to("floats"),
        apply_encoder(encoder, rows).to_numpy(),
    )


def test_columns_may_be_texts_for_models_that_name_them(trips: Trips) -> None:
    spec, encoder, rows = trips
    schema = describe_columns(spec, encoder, rows, kind="raw", columns=["load", "vehicle"])
    taken = take_columns(schema, encoder, rows, kind="raw").to("pandas")

    assert taken["vehicle"].tolist() == rows["vehicle"].to_list()


def test_column_that_is_no_feature_is_refused(trips: Trips) -> None:
    with pytest.raises(ValueError, match=r"\['label'\] are not among .* input: encoded"):
        describe_columns(*trips, kind="raw", columns=["load", "label"])


def test_predictions_are_read_as_probabilities_or_as_classes(trips: Trips, tmp_path: Path) -> None:
    spec, encoder, rows = trips
    schema = describe_columns(spec, encoder, rows, kind="raw", columns=None)
    given = rows.select(schema.features).head(2)
    given.with_columns(in_time=0.25, late=0.75).write_parquet(tmp_path / "shares.parquet")
    given.with_columns(prediction=pl.Series(["late", "in_time"])).write_csv(tmp_path / "names.csv")

    shares = read_predictions(tmp_path / "shares.parquet", schema, encoder, kind="raw")
    names = read_predictions(tmp_path / "names.csv", schema, encoder, kind="raw")

    assert shares.answers is not None
    assert shares.answers.tolist() == [[0.25, 0.75]] * 2
    assert names.labels is not None
    assert names.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "neither the columns .* nor 'prediction'"),
        ({"prediction": "never"}, r"hold \['never'\], which are no classes"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(
    changes: dict[str, str], message: str, trips: Trips, tmp_path: Path
) -> None:
    spec, encoder, rows = trips
    schema = describe_columns(spec, encoder, rows, kind="raw", columns=None)
    given = rows.select(schema.features).with_columns(
        pl.lit(value).alias(name) for name, value in changes.items()
    )
    given.write_parquet(tmp_path / "given.parquet")

    with pytest.raises(ValueError, match=message):
        read_predictions(tmp_path / "given.parquet", schema, encoder, kind="raw")


def test_predictions_may_be_written_with_decimal_commas(trips: Trips, tmp_path: Path) -> None:
    spec, encoder, rows = trips
    encoder = encoder.model_copy(update={"decimals": {"load": ","}})
    schema = describe_columns(spec, encoder, rows, kind="raw", columns=["minute", "load"])
    lines = ["minute;load;in_time;late", "5;1.234,5;0,25;0,75", "7;k.A.;0,5;0,5"]
    (tmp_path / "shares.csv").write_text("\n".join(lines), encoding="utf-8")

    shares = read_predictions(tmp_path / "shares.csv", schema, encoder, kind="raw")

    assert shares.answers is not None
    assert shares.answers.tolist() == [[0.25, 0.75], [0.5, 0.5]]
    np.testing.assert_array_equal(shares.rows.to("floats"), [[5, 1234.5], [7, np.nan]])


def test_predictions_without_a_column_of_the_model_are_refused(
    trips: Trips, tmp_path: Path
) -> None:
    spec, encoder, rows = trips
    schema = describe_columns(spec, encoder, rows, kind="raw", columns=None)
    rows.select("load").write_parquet(tmp_path / "given.parquet")

    with pytest.raises(ValueError, match=r"lack the columns \['minute', 'place_height'\]"):
        read_predictions(tmp_path / "given.parquet", schema, encoder, kind="raw")
