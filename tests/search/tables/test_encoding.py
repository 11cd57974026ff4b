from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightfit.data.request_path.encoder import Encoder, TargetMean, name_features
from rightfit.data.request_path.opening import compile_encoder
from rightfit_search.tables.description_parts import Features
from rightfit_search.tables.encoding import (
    apply_encoder,
    encode_part,
    fit_encoder,
    fit_encoder_steps,
    refit_target_means,
)

TRAIN = pl.DataFrame(
    {
        "load": [1.0, 2.0, None, 6.0],
        "height": [5, 5, 5, 5],
        "vehicle": ["bus", "bus", "car", None],
    }
)


def features(**changes: Any) -> Features:
    described = {
        "numeric": ["load", "height"],
        "indicate_missing": ["load"],
        "categorical": ["vehicle"],
        "min_category_share": 0.0,
        "image": None,
    }
    return Features.model_validate({**described, **changes})


def test_encoded_columns_are_named_float32_and_without_nulls() -> None:
    encoder = fit_encoder_steps(features(), TRAIN)

    encoded = apply_encoder(encoder, TRAIN)

    assert encoded.columns == list(name_features(encoder))
    assert encoded.columns == [
        "load",
        "height",
        "load_missing",
        "vehicle=bus",
        "vehicle=car",
        "vehicle=<other>",
    ]
    assert set(encoded.dtypes) == {pl.Float32}
    assert encoded.null_count().sum_horizontal().item() == 0


def test_numbers_are_filled_with_the_median_and_standardised() -> None:
    encoded = apply_encoder(fit_encoder_steps(features(), TRAIN), TRAIN)
    spread = math.sqrt((4 + 1 + 9) / 3)  # of 1, 2, 6 about their mean 3

    expected = [-2 / spread, -1 / spread, -1 / spread, 3 / spread]
    assert encoded["load"].to_list() == pytest.approx(expected, rel=1e-5)
    assert encoded["load_missing"].to_list() == [0, 0, 1, 0]


def test_constant_column_becomes_zero() -> None:
    assert apply_encoder(fit_encoder_steps(features(), TRAIN), TRAIN)["height"].to_list() == [0] * 4


def test_unknown_and_missing_categories_share_a_bucket_when_serving() -> None:
    encoder = fit_encoder_steps(features(), TRAIN)
    served = pl.DataFrame(
        {"load": [None, None], "height": [None, 1], "vehicle": ["sledge", None]},
        schema={"load": pl.Float64, "height": pl.Int64, "vehicle": pl.String},
    )

    encoded = apply_encoder(encoder, served)

    assert encoded["vehicle=<other>"].to_list() == [1, 1]
    assert encoded["vehicle=bus"].to_list() == encoded["vehicle=car"].to_list() == [0, 0]


def test_rare_categories_fall_into_the_bucket() -> None:
    encoder = fit_encoder_steps(features(min_category_share=0.5), TRAIN)

    encoded = apply_encoder(encoder, TRAIN)

    assert name_features(encoder)[-2:] == ("vehicle=bus", "vehicle=<other>")
    assert encoded["vehicle=<other>"].to_list() == [0, 0, 1, 1]


TOWNS = [f"town {i}" for i in range(6)]


def fit_means(by_town: list[float] | list[int], **changes: Any) -> pl.DataFrame:
    """Encode ten rows of each town with the means of a target that a town alone decides."""
    train = pl.DataFrame({"town": TOWNS * 10})
    chosen = features(numeric=[], indicate_missing=[], categorical=["town"], **changes)
    return apply_encoder(fit_encoder_steps(chosen, train, pl.Series(by_town * 10)), train)


@pytest.mark.parametrize("offset", [0, 4_500_012_345, 2**60])
def test_numbers_far_from_zero_are_standardised_by_their_spread(offset: int) -> None:
    numbers = [offset + 256 * n for n in range(5)]  # which a float holds exactly

    table = pl.DataFrame({"a": [*numbers, None]})
    chosen = features(numeric=["a"], categorical=[], indicate_missing=[])
    encoded = apply_encoder(fit_encoder_steps(chosen, table), table)

    root = 2**0.5
    assert encoded["a"].to_list() == pytest.approx(
        [-root, -root / 2, 0, root / 2, root, 0], abs=5e-3
    )


def test_categories_of_values_are_also_given_as_the_standardised_mean_of_these() -> None:
    means = fit_means([1.0, 3.0, 5.0, 7.0, 9.0, 11.0])["town=<target mean>"]

    spread = math.sqrt((25 + 9 + 1) / 3)  # of 1 to 11 about their mean 6
    expected = [x / spread for x in (-5, -3, -1, 1, 3, 5)]
    assert means.to_list() == pytest.approx(expected * 10, rel=1e-5)


def test_the_mean_of_a_small_category_is_drawn_to_that_of_all_rows() -> None:
    train = pl.DataFrame({"town": [*TOWNS * 10, "hamlet"]})
    target = pl.Series([*([0.0, 0.1, 0.2, 2.0, 2.1, 2.2, 1.0, 1.1, 1.2, 3.0, 3.1, 3.2] * 5), 9.0])
    chosen = features(numeric=[], indicate_missing=[], categorical=["town"])

    *_, step = fit_encoder_steps(chosen, train, target).steps

    assert isinstance(step, TargetMean)
    means = dict(zip(step.categories, step.means, strict=False))
    shares = [means[town] / (own - target.mean()) for town, own in (("town 3", 2.5), ("hamlet", 9))]
    assert 0 < shares[1] < shares[0]


@pytest.mark.parametrize(
    ("labels", "changes"),
    [
        ([0, 0, 0, 1, 1, 1], {}),  # positions of classes
        ([3.0] * 6, {}),  # nothing to tell categories by
        ([1.0, 3.0, 5.0, 7.0, 9.0, 11.0], {"target_means": False}),
    ],
)
def test_means_that_say_nothing_new_are_left_out(
    labels: list[float] | list[int], changes: dict[str, Any]
) -> None:
    assert "town=<target mean>" not in fit_means(labels, **changes).columns


def test_few_categories_have_no_means() -> None:
    train = pl.DataFrame({"town": [*TOWNS[:5], None] * 10})
    chosen = features(numeric=[], indicate_missing=[], categorical=["town"])

    encoder = fit_encoder_steps(chosen, train, pl.Series([1.0, 3.0, 5.0, 7.0, 9.0, 11.0] * 10))

    assert "town=<target mean>" not in name_features(encoder)


def test_categories_that_differ_by_chance_have_no_means() -> None:
    values = np.random.default_rng(0).normal(size=300)
    train = pl.DataFrame({"town": [f"town {i % 60}" for i in range(300)]})
    chosen = features(numeric=[], indicate_missing=[], categorical=["town"])

    alone = fit_encoder_steps(chosen, train, pl.Series(values))
    apart = fit_encoder_steps(chosen, train, pl.Series(values + np.arange(300) % 60))

    assert "town=<target mean>" not in name_features(alone)
    assert "town=<target mean>" in name_features(apart)


N_SHOPS = 200  # none of them in 5 % of the rows


def make_shops(n_rows: int = 2_000) -> tuple[pl.DataFrame, np.ndarray]:
    """Rows of many shops, and a noisy level of each row's shop."""
    rng = np.random.default_rng(3)
    shops = rng.integers(N_SHOPS, size=n_rows)
    levels = rng.normal(size=N_SHOPS)[shops] + rng.normal(size=n_rows)
    part = np.where(np.arange(n_rows) % 4, "train", "test")
    return pl.DataFrame({"shop": [f"shop {i}" for i in shops], "part": part}), levels


SHOPS = features(numeric=[], indicate_missing=[], categorical=["shop"], min_category_share=0.05)


def test_many_categories_become_one_number_that_is_looked_up() -> None:
    rows, levels = make_shops()
    rows = rows.with_columns(label=levels)

    encoder = fit_encoder(SHOPS, rows)
    encoded = encode_part(encoder, rows, "test")

    assert name_features(encoder) == ("shop=<target mean>",)
    correlation = np.corrcoef(encoded["shop=<target mean>"], encoded["label"])[0, 1]
    assert correlation > 0.5


def test_train_rows_get_means_without_their_target() -> None:
    rows, levels = make_shops()
    noise = rows.with_columns(label=np.random.default_rng(5).normal(size=rows.height))
    rows = rows.with_columns(label=levels)
    encoder = fit_encoder(SHOPS, rows)
    [mean] = name_features(encoder)

    encoded = encode_part(encoder, noise, "train")
    of_all = apply_encoder(refit_target_means(encoder, noise), noise)

    assert abs(np.corrcoef(encoded[mean], encoded["label"])[0, 1]) < 0.1
    assert np.corrcoef(of_all[mean], noise["label"])[0, 1] > 0.2


def test_copies_of_a_row_get_means_without_the_labels_of_the_others() -> None:
    rows, levels = make_shops()
    rows = rows.with_columns(x=pl.int_range(pl.len()), label=levels)
    encoder = fit_encoder(SHOPS, rows)
    [mean] = name_features(encoder)
    noise = np.random.default_rng(5).normal(size=rows.height)
    copies = rows.with_columns(label=noise)[np.repeat(np.arange(rows.height), 4)]

    encoded = encode_part(encoder, copies, "train")

    assert abs(np.corrcoef(encoded[mean], encoded["label"])[0, 1]) < 0.1


def test_a_table_that_repeats_itself_for_long_has_means_of_other_rows() -> None:
    rows, levels = make_shops()
    rows = rows.with_columns(label=levels).sort("shop", maintain_order=True)
    encoder = fit_encoder(SHOPS, rows)

    assert name_features(encoder) == ("shop=<target mean>",)


@pytest.mark.parametrize(
    ("cuts", "names"),
    [
        ((0,), ["shop=<target mean>"]),
        ((-1, 1), ["shop=<target mean> 0", "shop=<target mean> 1", "shop=<target mean> 2"]),
        (tuple(np.linspace(-2, 2, 11)), ["shop=<other>"]),  # too many classes
    ],
)
def test_many_categories_tell_the_share_of_each_class(
    cuts: tuple[float, ...], names: list[str]
) -> None:
    rows, levels = make_shops()
    rows = rows.with_columns(label=pl.Series(np.digitize(levels, cuts)))

    encoder = fit_encoder(SHOPS, rows)

    assert set(name_features(encoder)) <= set(names)
    assert name_features(encoder)[0] == names[0]


def test_category_that_is_named_like_the_bucket_falls_into_it() -> None:
    train = TRAIN.with_columns(vehicle=pl.lit("<other>"))

    alone = features(numeric=[], indicate_missing=[])
    encoded = apply_encoder(fit_encoder_steps(alone, train), train)

    assert encoded["vehicle=<other>"].to_list() == [1] * 4
    assert "vehicle" not in {step.column for step in fit_encoder_steps(features(), train).steps}


def test_integer_categories_are_encoded() -> None:
    train = pl.DataFrame({"weekday": [1, 7, 7]})
    chosen = features(numeric=[], indicate_missing=[], categorical=["weekday"])

    encoded = apply_encoder(fit_encoder_steps(chosen, train), train)

    assert encoded["weekday=7"].to_list() == [0, 1, 1]


@pytest.mark.parametrize("sent", [1, 1.0, "1"])
def test_whole_numbers_as_categories_are_the_same_however_json_writes_them(sent: object) -> None:
    train = pl.DataFrame({"deck": [1.0, 2.5, 2.5, None]})
    chosen = features(numeric=[], indicate_missing=[], categorical=["deck"])
    encoder = fit_encoder_steps(chosen, train)

    encoded = apply_encoder(encoder, train)
    served = compile_encoder(encoder.to_json())({"deck": [sent, 2.5, "2.5", None]})

    assert encoded.columns == ["deck=1", "deck=2.5", "deck=<other>"]
    assert served.tolist() == encoded.to_numpy().tolist()


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Float32])
@pytest.mark.parametrize("written", ["0.00001", "1e-7", "0.1", "7", "3e16", "30000000000000000"])
def test_numbers_as_categories_are_those_of_requests(dtype: Any, written: str) -> None:
    train = pl.DataFrame({"dose": pl.Series([float(written), 5.0, 5.0], dtype=dtype)})
    encoder = fit_encoder_steps(
        features(numeric=[], indicate_missing=[], categorical=["dose"]), train
    )

    encoded = apply_encoder(encoder, train)
    served = compile_encoder(encoder.to_json())({"dose": [json.loads(written)]})

    assert encoded.row(0)[-1] == 0  # <other>
    assert served.tolist() == [list(encoded.row(0))]


def test_image_becomes_pixels_between_0_and_1_row_by_row() -> None:
    train = pl.DataFrame({"image": [bytes([0, 51, 102, 255]), bytes([255, 0, 0, 0])]})
    chosen = features(
        numeric=[],
        indicate_missing=[],
        categorical=[],
        image={"column": "image", "shape": [2, 2, 1]},
    )

    encoded = apply_encoder(fit_encoder_steps(chosen, train), train)

    assert encoded.columns == ["pixel_0", "pixel_1", "pixel_2", "pixel_3"]
    assert encoded.rows() == [pytest.approx((0, 0.2, 0.4, 1)), (1, 0, 0, 0)]
    assert set(encoded.dtypes) == {pl.Float32}


def test_encoder_survives_json() -> None:
    encoder = fit_encoder_steps(features(), TRAIN)

    text = json.dumps(encoder.model_dump(mode="json"), allow_nan=False)
    read_back = Encoder.model_validate(json.loads(text))

    assert apply_encoder(read_back, TRAIN).equals(apply_encoder(encoder, TRAIN))


@given(load=st.floats(-1e6, 1e6) | st.none(), vehicle=st.text(max_size=9) | st.none())
def test_one_row_is_encoded_alone_as_among_others(load: float | None, vehicle: str | None) -> None:
    encoder = fit_encoder_steps(features(), TRAIN)
    row = pl.DataFrame({"load": [load], "height": [4], "vehicle": [vehicle]}, schema=TRAIN.schema)

    alone = apply_encoder(encoder, row)
    among_others = apply_encoder(encoder, pl.concat([TRAIN, row])).tail(1)

    assert alone.equals(among_others)
    assert alone.select(pl.sum_horizontal(r"^vehicle=.*$")).item() == 1
    assert alone.select(pl.all().is_finite()).row(0) == (True,) * 6


def test_column_without_any_train_value_is_refused() -> None:
    train = TRAIN.with_columns(load=pl.lit(None, dtype=pl.Float64))

    with pytest.raises(ValueError, match=r"\['load'\] have no value in the 4 train rows"):
        fit_encoder_steps(features(), train)


def test_two_feature_columns_of_one_name_are_refused() -> None:
    train = TRAIN.with_columns(load_missing=pl.lit(1))

    with pytest.raises(ValueError, match=r"several columns the names \['load_missing'\]"):
        fit_encoder_steps(features(numeric=["load", "load_missing"]), train)


def test_rows_without_a_column_are_refused() -> None:
    encoder = fit_encoder_steps(features(), TRAIN)

    with pytest.raises(ValueError, match=r"lack the columns \['load'\]"):
        apply_encoder(encoder, TRAIN.drop("load"))


def test_encoder_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="must be of version 2"):
        Encoder.model_validate({"version": 1, "steps": []})
