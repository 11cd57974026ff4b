from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from factories.onnx_files import write_onnx
from onnx import TensorProto, helper

from rightfit._core.errors import RightfitError
from rightfit.models.imported.feeds import (
    Tensor,
    draw,
    fill,
    plan_feeds,
    plan_random,
    read_inputs,
    reads_matrix,
)
from rightfit.models.imported.row_table import read_row_table
from rightfit.models.onnx_session import open_session

MATRIX = Tensor("x", "float32", (None, 2))
TABLE = pl.DataFrame({"a": [1.0, None], "b": [3, 4], "c": ["u", "v"]})


def feed(inputs: list[Tensor], rows: Any = TABLE) -> dict[str, Any]:
    table = read_row_table(rows)
    return fill(plan_feeds(inputs, table), table)


def test_one_input_takes_the_columns_in_their_order() -> None:
    fed = feed([MATRIX], TABLE.select("b", "a"))

    np.testing.assert_array_equal(fed["x"], np.array([[3, 1], [4, np.nan]], dtype=np.float32))
    assert reads_matrix([MATRIX])


def test_inputs_named_like_columns_take_them_and_answer_as_the_session(tmp_path: Path) -> None:
    path = write_onnx(
        tmp_path / "named.onnx",
        [
            helper.make_node("Equal", ["c", "v"], ["is_v"]),
            helper.make_node("Cast", ["is_v"], ["c_number"], to=TensorProto.INT64),
            helper.make_node("Add", ["b", "c_number"], ["sum"]),
        ],
        inputs={"c": (TensorProto.STRING, [None, 1]), "b": (TensorProto.INT64, [None, 1])},
        outputs={"sum": (TensorProto.INT64, [None, 1])},
        weights={"v": np.array(["v"], dtype=object)},
    )
    session = open_session(path)

    (answers,) = session.run(None, feed(list(read_inputs(session))))

    assert answers.tolist() == [[3], [5]]


def test_whole_numbers_stay_exact() -> None:
    large = 2**53 - 1

    fed = feed([Tensor("id", "int64", (None, 1))], pl.DataFrame({"id": [large]}))

    assert fed["id"].tolist() == [[large]]


def test_columns_fill_the_shape_that_the_file_leaves_open() -> None:
    fed = feed([Tensor("x", "float32", (None, 2, None))], np.arange(12.0).reshape(2, 6))

    assert fed["x"].tolist() == np.arange(12).reshape(2, 2, 3).tolist()


def test_array_of_images_is_taken_as_it_is() -> None:
    images = np.zeros((5, 3, 4, 4), dtype=np.uint8)

    assert feed([Tensor("x", "float32", (None, 3, None, None))], images)["x"].shape == images.shape
    with pytest.raises(RightfitError, match=r"does not take rows of shape \(3, 4, 4\)"):
        feed([Tensor("x", "float32", (None, 1, None, None))], images)


def test_random_rows_fit_every_declared_input() -> None:
    image, flag = Tensor("image", "uint8", (None, 3, 4, 4)), Tensor("flag", "bool", (None, 1))
    fed = draw(plan_random([image, flag, Tensor("word", "str", (None, 1))]))

    assert {name: one.shape for name, one in fed.items()} == {
        "image": (1024, 3, 4, 4),
        "flag": (1024, 1),
        "word": (1024, 1),
    }
    assert set(np.unique(fed["image"])) == {0, 1}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([MATRIX], "takes 2 columns, but the rows have 3"),
        (
            [Tensor("x", "float32", (None, 3))],
            r"numbers \(float32\), but the columns \['c'\]",
        ),
        (
            [Tensor("a", "int64", (None, 1))],
            r"whole numbers \(int64\), but the rows have gaps",
        ),
        ([Tensor("b", "float32", (None, 1)), Tensor("cc", "str", (None, 1))], "is 'c' meant"),
        ([Tensor("x", "seq(tensor(float))", (None, 3))], "must be tensors of numbers or texts"),
        ([Tensor("x", "float32", (7, 3))], r"takes exactly \['7'\] rows a call"),
    ],
)
def test_table_that_does_not_fit_is_refused(inputs: list[Tensor], message: str) -> None:
    with pytest.raises(RightfitError, match=message):
        feed(inputs)


def test_input_of_unknown_width_needs_rows() -> None:
    with pytest.raises(RightfitError, match="give it rows"):
        plan_random([Tensor("x", "float32", (None, None))])
