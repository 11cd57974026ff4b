"""Python, programs and servers read a value alike, or all of them refuse it."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from harness.new_rows import encode_new_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from rightfit.data.request_path.opening import compile_encoder
from rightfit_search.tables.description import DatasetBlock
from rightfit_search.tables.prepared import PreparedDataset, prepare_dataset
from rightfit_search.tables.tables import read_records

N_ROWS = 60
TABLE = pl.DataFrame(
    {
        "size": [float(i % 17) for i in range(N_ROWS)],
        "late": [i % 3 == 0 for i in range(N_ROWS)],
        "town": [("Bonn", "Ulm", "1", "true")[i % 4] for i in range(N_ROWS)],
        "floor": [i % 5 for i in range(N_ROWS)],
        "sold": ["yes" if i % 2 else "no" for i in range(N_ROWS)],
    }
)
ROW: dict[str, Any] = {"size": 1.5, "late": True, "town": "Ulm", "floor": 2}
VALUES = [
    *(None, True, False, 0, 1, 1.0, 2, 0.5, -7, 10**18, 1e30, 1e300, -1e308, float("inf")),
    *("", "1", "1.0", "true", "True", "Bonn", "no such town"),
    *([1], {"a": 1}, b"x", datetime.date(2026, 1, 1)),
]


@pytest.fixture(scope="module")
def prepared() -> PreparedDataset:
    features = {"numeric": ["size"], "categorical": ["late", "town", "floor"]}
    block = DatasetBlock.model_validate(
        {"tables": {"main": "houses"}, "target": {"column": "sold"}, "features": features}
    )
    return prepare_dataset("houses", block, {"main": TABLE})


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("column", ROW)
def test_a_value_is_read_alike_by_every_door(
    prepared: PreparedDataset, column: str, value: object
) -> None:
    row = ROW | {column: value}

    by_python = try_python(prepared, row)
    by_program = try_program(prepared, row)

    if isinstance(by_program, str):
        assert isinstance(by_python, str)
        assert column in by_program
    else:
        np.testing.assert_array_equal(by_python, by_program)


ANY_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.sampled_from(["1", "true", "false", "Ulm"]),
)


@settings(max_examples=300, deadline=None)
@given(row=st.fixed_dictionaries(dict.fromkeys(ROW, ANY_VALUE)))
def test_any_row_is_read_alike_by_every_door(
    prepared: PreparedDataset, row: dict[str, object]
) -> None:
    by_python, by_program = try_python(prepared, row), try_program(prepared, row)

    assert isinstance(by_python, str) == isinstance(by_program, str), (by_python, by_program)
    if not isinstance(by_program, str):
        np.testing.assert_array_equal(by_python, by_program)


def try_python(prepared: PreparedDataset, row: dict[str, Any]) -> npt.NDArray[np.float32] | str:
    try:
        rows = read_records([row], entry="rows")
        return encode_new_rows(prepared, rows)
    except ValueError as err:
        return str(err)


def try_program(prepared: PreparedDataset, row: dict[str, Any]) -> npt.NDArray[np.float32] | str:
    encode = compile_encoder(prepared.encoder.to_json())
    try:
        return encode({name: [one] for name, one in row.items()})
    except ValueError as err:
        return str(err)


def test_numbers_stand_for_truth_values(prepared: PreparedDataset) -> None:
    said = [try_python(prepared, ROW | {"late": late}) for late in (True, 1, 1.0, False, 0)]

    np.testing.assert_array_equal(said[1], said[0])
    np.testing.assert_array_equal(said[2], said[0])
    np.testing.assert_array_equal(said[4], said[3])
    assert (np.asarray(said[3]) != np.asarray(said[0])).any()
