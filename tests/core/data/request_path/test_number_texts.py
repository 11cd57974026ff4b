"""Numbers written as texts are the same features, or targets, through every door."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from harness.new_rows import encode_new_rows
from hypothesis import given
from hypothesis import strategies as st

from rightfit._core.errors import RightfitError
from rightfit._core.frames import read_frame
from rightfit.data.request_path.feeding import read_numbers
from rightfit.data.request_path.number_texts import infer_decimal, parse_numbers
from rightfit.data.request_path.opening import compile_encoder
from rightfit.data.request_path.raw_inputs import list_inputs
from rightfit_deploy.http_load.loading import write_bodies
from rightfit_search.tables.data_card import read_input_schema
from rightfit_search.tables.description import DatasetBlock
from rightfit_search.tables.prepared import PreparedDataset, prepare_dataset

VALUES = [(i * 37 % 4_001) + 999.25 for i in range(120)]
WRITTEN = {
    "english": "{:,.2f}",
    "currency": "$ {:,.2f}",
    "percent": "{:.2f} %",
    "plain": "{:.2f}",
    "german": "{:,.2f} €",
    "spaced": "{:,.2f}",
}
MARKS = {"german": ".,", "spaced": "\u202f,"}  # of thousands and decimals, where not English


def write(kind: str, value: float) -> str:
    return WRITTEN[kind].format(value).translate(str.maketrans(",.", MARKS.get(kind, ",.")))


def prepare(amount: list[Any], target: list[Any] | None = None, **block: Any) -> PreparedDataset:
    cost = target or [float(i * i % 83) for i in range(len(amount))]
    more = {"other": block.pop("other")} if "other" in block else {}
    table = read_frame(pl.DataFrame({"amount": amount, "cost": cost, **more}), entry="sales")
    content = {"tables": ["sales"], "target": {"column": "cost"}, **block}
    return prepare_dataset("sales", DatasetBlock.model_validate(content), {"sales": table})


@pytest.mark.parametrize("kind", WRITTEN)
def test_texts_are_recognised_and_read_as_numbers_are(kind: str) -> None:
    values = [None if i % 13 == 5 else value for i, value in enumerate(VALUES)]
    texts = ["n/a" if value is None else write(kind, value) for value in values]

    by_texts, by_numbers = prepare(texts), prepare(values)

    assert by_texts.spec.features.numeric == ("amount",)
    assert by_texts.data_card.remarks == by_numbers.data_card.remarks
    assert by_texts.data_card.tables == by_numbers.data_card.tables
    assert by_texts.encode("train").equals(by_numbers.encode("train"))
    encoded = by_numbers.encode("test").drop("label").to_numpy()
    rows = pl.DataFrame({"amount": texts}).filter(by_texts.rows["part"] == "test")
    numbers = pl.DataFrame({"amount": values}).filter(by_texts.rows["part"] == "test")
    served = compile_encoder(by_texts.encoder.to_json())
    for table in (rows, numbers):
        by_python = encode_new_rows(by_texts, table)
        np.testing.assert_array_equal(by_python, encoded)
        np.testing.assert_array_equal(served({"amount": table["amount"].to_list()}), encoded)
    [body, *_] = write_bodies(rows, list_inputs(by_texts.encoder.to_json()))
    assert json.loads(body) == [{"amount": rows["amount"][0]}]


UNITS = ["{} km", "{}km", "{}"]  # of one column, in turn
PRICES = ["€ {}", "{} €", "{} EUR", "EUR {}"]


@pytest.mark.parametrize(("forms", "unit"), [(UNITS, "km"), (PRICES, "€"), (["{} l/100 km"], "l/")])
def test_numbers_with_one_unit_are_read_as_features_and_targets(
    forms: list[str], unit: str
) -> None:
    texts = [forms[i % len(forms)].format(write("spaced", value)) for i, value in enumerate(VALUES)]
    sizes = [float(i * i % 83) for i in range(len(VALUES))]

    feature, target = prepare(texts), prepare(sizes, texts)

    assert feature.spec.features.numeric == ("amount",)
    assert feature.rows["amount"].to_list() == target.rows["label"].to_list() == VALUES
    assert target.data_card.task == "regression"
    served = compile_encoder(feature.encoder.to_json())
    by_texts, by_numbers = served({"amount": texts}), served({"amount": VALUES})
    np.testing.assert_array_equal(by_texts, by_numbers)
    with pytest.raises(ValueError, match=f"'amount' must be a number or null: '5 m' .*'{unit}"):
        served({"amount": ["5 m"]})


def test_units_are_remarked_with_their_counts() -> None:
    texts = ["n/a", *(f"{i} km" if i % 4 else f"{i}" for i in range(1, 120))]

    [remark] = [text for text in prepare(texts).data_card.remarks if "amount" in text]

    assert "90 values look like numbers with 'km', 29 without a unit" in remark


def test_a_text_among_numbers_with_a_unit_is_named() -> None:
    sizes = [float(i * i % 83) for i in range(120)]
    texts = ["far", *(f"{i} km" for i in range(119))]

    remarks = prepare(texts, other=sizes[::-1]).data_card.remarks
    [remark] = [text for text in remarks if "amount" in text]
    assert "119 values look like numbers with 'km'" in remark
    assert "'far' does not" in remark
    for task in ({}, {"task": "regression"}):
        with pytest.raises(RightfitError, match=r"119 values look like .*'far' does not: correct"):
            prepare(sizes, texts, **task)


def test_a_target_in_two_currencies_names_a_value_of_the_rarer() -> None:
    sizes = [float(i * i % 83) for i in range(120)]
    prices = [f"{i} €" if i % 3 else f"$ {i}" for i in range(120)]

    with pytest.raises(RightfitError, match=r"80 values look like numbers with '€'.*'\$ 0'"):
        prepare(sizes, prices, task="regression")


def test_a_text_that_is_no_number_is_refused_and_named() -> None:
    prepared = prepare([write("german", value) for value in VALUES])
    texts = ["1.000,5", "many"]

    told = "Row 1: 'amount' must be a number or null: 'many' .in texts ',' is the decimal mark"
    with pytest.raises(ValueError, match=told):
        compile_encoder(prepared.encoder.to_json())({"amount": texts})
    with pytest.raises(ValueError, match="Row 1: 'amount' must be a number or null: 'many'"):
        encode_new_rows(prepared, pl.DataFrame({"amount": texts}))


def test_where_training_read_numbers_a_text_is_refused() -> None:
    prepared = prepare(VALUES)

    with pytest.raises(ValueError, match="Row 0: 'amount' must be a number or null: '5'"):
        compile_encoder(prepared.encoder.to_json())({"amount": ["5"]})


def test_marks_that_may_part_thousands_or_decimals_are_remarked() -> None:
    prepared = prepare([f"{1 + i % 9},{100 + i}" for i in range(120)])

    [remark] = [text for text in prepared.data_card.remarks if "amount" in text]
    assert "'1,100' is read as 1100" in remark
    assert prepared.rows["amount"][:2].to_list() == [1100, 2101]


def test_a_mark_that_is_certain_in_another_column_decides() -> None:
    thousands = [f"{1 + i % 9}.{100 + i} km" for i in range(120)]
    prices = [write("german", value) for value in VALUES]

    by_comma, by_point = prepare(thousands, prices), prepare(thousands)

    assert by_comma.rows["amount"][:2].to_list() == [1100, 2101]
    assert by_point.rows["amount"][:2].to_list() == [1.1, 2.101]
    for prepared in (by_comma, by_point):
        assert any("'1.100 km' is read as 1" in text for text in prepared.data_card.remarks)


def test_a_described_mark_decides() -> None:
    group = {"names": ["amount"], "dtype": "Float64", "decimal": ","}
    cost = {"names": ["cost"], "dtype": "Float64"}
    schemas = {"sales": {"columns": [group, cost]}}

    prepared = prepare([f"{1 + i % 9},{100 + i}" for i in range(120)], schemas=schemas)

    assert prepared.rows["amount"][:2].to_list() == [1.1, 2.101]
    with pytest.raises(ValueError, match="decimal needs a numeric dtype, but got String"):
        prepare(["1"], schemas={"sales": {"columns": [{**group, "dtype": "String"}, cost]}})


@pytest.mark.parametrize(
    "texts",
    [
        ["007", "1.5"],  # a code
        ["12", "7"],  # texts on purpose, as in a frame
        ["$5", "5 €"],
        ["5 %", "5"],
        ["5 kg", "5 g", "7 kg"],
        ["12", "13", "14", "12a"],  # house numbers
        ["2024-Q1", "2023-Q1"],
        ["12:30", "14:30"],
        ["1.5", "many"],
        ["1,5", "1.5"],  # neither mark reads both
        ["1,23,456", "7"],
        ["1.2.2024", "2.2.2024"],
        ["555 123 456", "600 700 800"],  # phones
        ["+48 555 123 456", "+48 600 700 800"],
        ["555.123.456", "n/a"],
        ["n/a", ""],
    ],
)
def test_other_texts_are_no_numbers(texts: list[str]) -> None:
    assert infer_decimal(pl.Series(texts)) is None


def test_phones_are_left_out_as_identifiers_without_advice_to_make_them_numbers() -> None:
    prepared = prepare(
        [f"555 {100 + i} {200 + i * 37 % 800}" for i in range(120)],
        other=[i * 7 % 31 for i in range(120)],
    )

    [remark] = [text for text in prepared.data_card.remarks if "amount" in text]
    assert prepared.spec.features.numeric == ("other",)
    assert "look like numbers" not in remark
    assert str(prepared.data_card).splitlines() == [
        "sales: regression of 'cost' by r2",
        "  rows: 77 train, 19 validation, 24 test",
        "  columns taken as numeric: 'other'",
        *(f"  {text}" for text in prepared.data_card.remarks),
    ]


def test_texts_that_the_block_names_as_categories_stay_texts() -> None:
    texts = [f"{1 + i % 4},000" for i in range(120)]
    prepared = prepare(texts, features={"categorical": ["am*"], "numeric": ["*"]})

    assert prepared.spec.features.categorical == ("amount",)
    assert "amount=1,000" in read_input_schema(prepared.spec, prepared.encoder).features


def test_a_target_of_many_numbers_is_predicted_as_one_and_few_are_classes() -> None:
    sizes = [float(i * i % 83) for i in range(120)]
    prices = [f"$1,{100 + i}" for i in range(120)]

    many = prepare(sizes, prices)
    few = prepare(sizes, ["5 %", "7 %"] * 60)
    said = prepare(sizes, ["5 %", "7 %"] * 60, task="regression")

    assert many.data_card.task == said.data_card.task == "regression"
    assert many.rows["label"][:2].to_list() == [1100, 1101]
    assert any("'$1,100' is read as 1100" in text for text in many.data_card.remarks)
    assert few.data_card.target.classes == ("5 %", "7 %")


PARTS = [*" +-$€%.,'0123456789e", "\u00a0", "\u202f", "1,234", "n/a", "\n", "km", "EUR"]
NOTATIONS = [".", ",", ". km", ", €", ". e", ", l/100 km"]


@given(
    texts=st.lists(st.lists(st.sampled_from(PARTS), max_size=8).map("".join), max_size=4),
    mark=st.sampled_from(NOTATIONS),
)
def test_any_text_is_read_alike_in_tables_and_in_requests(texts: list[str], mark: str) -> None:
    by_request = read_numbers(texts, mark)
    by_table = parse_numbers(pl.Series(texts, dtype=pl.String), mark)

    is_read = not any(isinstance(value, str) for value in by_request)
    assert (by_table is not None) == is_read
    if by_table is not None:
        assert by_table.to_list() == by_request
