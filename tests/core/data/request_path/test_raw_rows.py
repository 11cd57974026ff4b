from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from factories.studies import fit_encoder, make_raw

from rightfit.data.request_path.feeding import TensorInput
from rightfit.data.request_path.opening import compile_encoder
from rightfit.data.request_path.raw_inputs import list_inputs
from rightfit.data.request_path.raw_rows import (
    Tensors,
    copy_input,
    cut_input,
    cut_singles,
    load_rows,
    save_rows,
    take_first,
)
from rightfit.data.request_path.row_reading import make_raw_rows, write_raw_rows

INPUTS = (
    TensorInput("numbers", "float64", ("a",)),
    TensorInput("texts", "string", ("b",)),
    TensorInput("image", "uint8", ("c",)),
)
TABLE = pl.DataFrame({"a": [1, None], "b": ["x", None], "c": [b"\x01\x02", b"\x03\x04"]})


def test_a_request_of_one_row_holds_python_values() -> None:
    rows = make_raw_rows(TABLE, INPUTS)

    assert cut_singles(rows, 2) == [
        {"a": [1.0], "b": ["x"], "c": [b"\x01\x02"]},
        {"a": [None], "b": [None], "c": [b"\x03\x04"]},
    ]


def test_a_request_of_many_rows_is_a_record_batch_of_its_own_memory() -> None:
    rows = make_raw_rows(TABLE, INPUTS)

    batch = cut_input(rows, 0, 2)
    copied = copy_input(batch)

    assert isinstance(batch, dict)
    assert isinstance(copied, dict)
    np.testing.assert_array_equal(batch["a"], [1, np.nan])
    assert batch["b"] == ["x", None]
    np.testing.assert_array_equal(batch["c"], [[1, 2], [3, 4]])
    assert not np.shares_memory(batch["c"], copied["c"])


def test_encoded_rows_stay_a_matrix() -> None:
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)

    np.testing.assert_array_equal(cut_input(rows, 1, 3), [[2, 3], [4, 5]])
    np.testing.assert_array_equal(cut_singles(rows, 1)[0], [[0, 1]])


def test_raw_rows_survive_their_file_and_encode_as_the_table_does(tmp_path: Path) -> None:
    raw = make_raw()
    encoder = fit_encoder(raw).model_dump(mode="json")
    write_raw_rows(tmp_path / "rows.npy", raw, list_inputs(encoder))
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r", allow_pickle=False)
    encode = compile_encoder(encoder)
    expected = encode(raw.to_dict(as_series=False))

    whole = encode(cut_input(rows, 0, len(rows)))
    single = np.concatenate([encode(one) for one in cut_singles(rows, len(rows))])

    np.testing.assert_array_equal(whole, expected)
    np.testing.assert_array_equal(single, expected)


def test_names_of_raw_columns_may_hold_any_letter(tmp_path: Path) -> None:
    name = "Preis (€)"

    write_raw_rows(
        tmp_path / "rows.npy",
        pl.DataFrame({name: [1.5, 2.5]}),
        (TensorInput("numbers", "float64", (name,)),),
    )

    rows = np.load(tmp_path / "rows.npy", mmap_mode="r", allow_pickle=False)
    assert rows[name].tolist() == [1.5, 2.5]


FRAMES = [
    pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": pd.Categorical(["x", "y", "x"])}),
    pl.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "x"]}),
]


@pytest.mark.parametrize("frame", FRAMES)
def test_frame_is_cut_into_frames_of_its_kind(frame: Any, tmp_path: Path) -> None:
    rows = load_rows(str(save_rows(frame, tmp_path, "rows")))

    single, batch = cut_singles(rows, 2)[1], cut_input(take_first(rows, 5), 2, 5)

    assert type(single) is type(batch) is type(frame)
    assert (single["a"].to_list(), single["b"].to_list()) == ([2.0], ["y"])
    assert batch["a"].to_list() == [3.0, 1.0, 2.0]  # from the first on again
    assert single["b"].dtype == frame["b"].dtype


def test_named_tensors_are_cut_into_feeds(tmp_path: Path) -> None:
    made = Tensors({"n": np.array([[1], [2]]), "text": np.array([["a"], ["b"]], dtype=object)})
    rows = load_rows(str(save_rows(made, tmp_path, "rows")))

    feed = cut_input(take_first(rows, 3), 1, 3)

    assert feed["n"].tolist() == [[2], [1]]
    assert feed["text"].tolist() == [["b"], ["a"]]
    assert feed["text"].dtype == object  # which onnxruntime takes


def test_changed_pickle_of_rows_is_not_opened(tmp_path: Path) -> None:
    path = save_rows(FRAMES[0], tmp_path, "rows")
    path.write_bytes(path.read_bytes() + b" ")

    with pytest.raises(ValueError, match="was changed after it was written, so it is not opened"):
        load_rows(str(path))
