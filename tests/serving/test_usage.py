from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from stored import fit_encoder, make_raw

from rightfit.preparation.encoding import apply_encoder, fit_encoder_steps
from rightfit.preparation.spec import Features
from rightfit.serving.usage import encode


def test_rows_are_encoded_as_in_training() -> None:
    raw = make_raw()
    encoder = fit_encoder(raw)
    unseen = raw.with_columns(pl.lit("XYZ").alias("origin"), pl.lit(None).alias("n_parts"))

    for rows in (raw, unseen):
        expected = apply_encoder(encoder, rows).to_numpy()
        encoded = encode(rows.to_dicts(), encoder.model_dump(mode="json"))

        assert encoded.dtype == np.float32
        np.testing.assert_array_equal(encoded, expected)


@pytest.mark.parametrize("as_list", [False, True])
def test_images_are_encoded_as_in_training(*, as_list: bool) -> None:
    images = [bytes(range(i, i + 12)) for i in (0, 100, 244)]
    raw = pl.DataFrame({"image": images})
    features = {
        "numeric": [],
        "indicate_missing": [],
        "categorical": [],
        "min_category_share": 0.0,
        "image": {"column": "image", "shape": [3, 4, 1]},
    }
    encoder = fit_encoder_steps(Features.model_validate(features), raw)
    rows = [{"image": list(image) if as_list else image} for image in images]

    expected = apply_encoder(encoder, raw).to_numpy()

    np.testing.assert_array_equal(encode(rows, encoder.model_dump(mode="json")), expected)


def test_truth_values_are_categories_as_polars_writes_them() -> None:
    steps = [{"kind": "one_hot", "column": "late", "categories": ["false", "true"]}]

    encoded = encode([{"late": True}, {"late": False}], {"version": 1, "steps": steps})

    assert encoded.tolist() == [[0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("row", "version", "message"),
    [({"a": 1}, 1, r"lack the columns \['b'\]"), ({"a": 1, "b": 1}, 2, "version 1: 2")],
)
def test_faulty_input_is_refused(row: dict[str, int], version: int, message: str) -> None:
    steps = [{"kind": "indicate", "column": name} for name in ("a", "b")]

    with pytest.raises(ValueError, match=message):
        encode([row], {"version": version, "steps": steps})
