from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from factories.studies import fit_encoder, make_raw

from rightfit.data.request_path.feeding import Plan, TensorInput, make_feed
from rightfit.data.request_path.opening import compile_encoder
from rightfit.data.request_path.raw_inputs import ENCODER_VERSION, EncoderJson, StepJson
from rightfit.data.request_path.usage import to_columns
from rightfit.models.onnx_session import Filling
from rightfit_search.tables.description_parts import Features
from rightfit_search.tables.encoding import apply_encoder, fit_encoder_steps


def make_encoder(*steps: StepJson) -> EncoderJson:
    return EncoderJson(version=ENCODER_VERSION, steps=steps)


def test_rows_are_encoded_as_in_training() -> None:
    raw = make_raw()
    encoder = fit_encoder(raw)
    encode = compile_encoder(encoder.model_dump(mode="json"))
    unseen = raw.with_columns(pl.lit("XYZ").alias("origin"), pl.lit(None).alias("n_parts"))

    for rows in (raw, unseen):
        expected = apply_encoder(encoder, rows).to_numpy()
        encoded = encode(to_columns(rows.to_dicts()))

        assert encoded.dtype == np.float32
        np.testing.assert_array_equal(encoded, expected)


@pytest.mark.parametrize("form", [bytes, list, np.array])
def test_images_are_encoded_as_in_training(form: Any) -> None:
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
    values: Sequence[Any] = [form(list(image)) for image in images]
    if form is np.array:
        values = np.array(values, dtype=np.uint8)

    expected = apply_encoder(encoder, raw).to_numpy()

    encode = compile_encoder(encoder.model_dump(mode="json"))
    np.testing.assert_array_equal(encode({"image": values}), expected)


def test_truth_values_are_categories_as_polars_writes_them() -> None:
    step = StepJson(kind="one_hot", column="late", categories=["false", "true"])

    encoded = compile_encoder(make_encoder(step))({"late": [True, False]})

    assert encoded.tolist() == [[0, 1, 0], [1, 0, 0]]


def test_an_empty_text_is_a_missing_category() -> None:
    train = pl.DataFrame({"place": ["", "", "here", None]})
    chosen = Features.model_validate({"categorical": ["place"], "min_category_share": 0.0})
    encoder = fit_encoder_steps(chosen, train)
    encode = compile_encoder(encoder.model_dump(mode="json"))

    assert apply_encoder(encoder, train).columns == ["place=here", "place=<other>"]
    np.testing.assert_array_equal(encode({"place": ["", None, "here"]}), [[0, 1], [0, 1], [1, 0]])


def test_steps_may_stand_in_any_order() -> None:
    number = {"kind": "standardise", "fill": 0.0, "mean": 1.0, "scale": 2.0}
    steps = [
        StepJson(kind="indicate", column="b"),
        StepJson(column="a", **number),  # type: ignore[typeddict-item]
        StepJson(kind="one_hot", column="c", categories=["x"]),
        StepJson(column="b", **number),  # type: ignore[typeddict-item]
    ]

    encoded = compile_encoder(make_encoder(*steps))({"a": [3], "b": [None], "c": ["y"]})

    assert encoded.tolist() == [[1, 1, 0, 1, -0.5]]


def test_an_encoder_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 2: 1"):
        compile_encoder(EncoderJson(version=1, steps=[]))


def test_missing_columns_are_named() -> None:
    inputs = [TensorInput("numbers", "float64", ("a", "b"))]

    with pytest.raises(ValueError, match=r"lacks the columns \['b'\]"):
        make_feed({"a": [1]}, inputs)
    with pytest.raises(ValueError, match="Row 1 has other columns"):
        to_columns([{"a": 1, "b": 2}, {"a": 1}])


@pytest.mark.parametrize("rows", [[10**400], [1.0, -(10**400)]])
def test_a_whole_number_beyond_float64_is_refused_by_name(rows: list[float]) -> None:
    with pytest.raises(ValueError, match=f"Row {len(rows) - 1}: 'a' must be a number up to"):
        make_feed({"a": rows}, [TensorInput("numbers", "float64", ("a",))])


def test_a_tensor_per_column_is_fed_too() -> None:
    inputs = [TensorInput("a", "float32", ("a",)), TensorInput("c", "string", ("c",))]

    feed = make_feed({"a": [1, None], "c": ["x", None], "more": [0, 0]}, inputs)

    assert feed["a"].dtype == np.float32
    np.testing.assert_array_equal(feed["a"], [[1], [np.nan]])
    assert feed["c"].tolist() == [["x"], [""]]


def make_compiled_plan() -> Plan:
    """Columns ``a`` and ``b``, filled with 5 and 7; gaps of ``b`` are indicated."""
    fill, indicated = np.array([5, 7], dtype=np.float32), np.array([1])
    filling = Filling(fill, indicated)
    inputs = [TensorInput("numbers", "float32", ("a", "b"))]
    return Plan(inputs, fillings={"numbers": filling})


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1], [2], [[1, 2, 0]]),
        ([None], [2], [[5, 2, 0]]),
        ([1], [None], [[1, 7, 1]]),
        ([float("nan")], [float("nan")], [[5, 7, 1]]),
        ([1.5], [True], [[1.5, 1, 0]]),
        ([1, None], [2, 3], [[1, 2, 0], [5, 3, 0]]),
        ([1, 2], [None, 4], [[1, 7, 1], [2, 4, 0]]),
        (np.array([1, np.nan]), np.array([np.nan, 4]), [[1, 7, 1], [5, 4, 0]]),
        (np.array([1, 2], dtype=np.uint8), [None, 4], [[1, 7, 1], [2, 4, 0]]),
    ],
)
def test_gaps_of_a_compiled_graphs_input_are_filled_and_told(a: Any, b: Any, expected: Any) -> None:
    feed = make_compiled_plan().feed({"a": a, "b": b})

    assert feed["numbers"].dtype == np.float32
    assert feed["numbers"].flags.c_contiguous
    np.testing.assert_array_equal(feed["numbers"], expected)


def test_many_values_are_filled_as_few_are() -> None:
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=10_000) for name in ("a", "b")}
    columns["b"][7_000] = np.nan

    numbers = make_compiled_plan().feed(columns)["numbers"]

    assert numbers[7_000, 1:].tolist() == [7, 1]
    assert numbers[:, 2].sum() == 1
    np.testing.assert_array_equal(numbers[:, 0], columns["a"].astype(np.float32))


@pytest.mark.parametrize(
    ("a", "b"),
    [([1], [2, 3]), ([1, 2], [3]), ([1], []), (np.zeros(2), np.zeros(1)), (np.zeros(1), [1, 2])],
)
@pytest.mark.parametrize("compiled", [False, True])
def test_columns_of_different_lengths_are_refused(a: Any, b: Any, *, compiled: bool) -> None:
    plain = [TensorInput("numbers", "float64", ("a", "b"))]
    plan = make_compiled_plan() if compiled else Plan(plain)

    with pytest.raises(ValueError, match="of one length"):
        plan.feed({"a": a, "b": b})


def test_texts_come_as_texts_numbers_or_nothing() -> None:
    inputs = [TensorInput("texts", "string", ("a",))]
    columns: list[tuple[Any, list[str]]] = [
        (["x", "y"], ["x", "y"]),
        (["x", None], ["x", ""]),
        ([0, None, 7.0, True], ["0", "", "7", "true"]),
        ([None], [""]),
        (np.array(["x", "y"]), ["x", "y"]),
    ]

    for values, expected in columns:
        assert make_feed({"a": values}, inputs)["texts"][:, 0].tolist() == expected
