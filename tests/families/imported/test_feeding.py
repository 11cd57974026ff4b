from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from onnx import TensorProto, helper
from onnx_files import write_onnx

from rightfit.families.imported.feeding import feed_random, feed_table
from rightfit.families.imported.onnx_call import Tensor, list_inputs, make_call, open_session

MATRIX = Tensor("x", "float32", (None, 2))
TABLE = pl.DataFrame({"a": [1.0, None], "b": [3, 4], "c": ["u", "v"]})


def test_one_input_takes_the_columns_in_their_order() -> None:
    fed = feed_table([MATRIX], TABLE.select("b", "a"))

    np.testing.assert_array_equal(fed.matrix, np.array([[3, 1], [4, np.nan]], dtype=np.float32))
    assert fed.feeds[0].shape == (2,)


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
    session = open_session(path, n_threads=1)
    fed = feed_table(list_inputs(session), TABLE)

    (answers,) = make_call(session, fed.feeds, None)(fed.matrix)

    assert answers.tolist() == [[3], [5]]


def test_random_rows_fit_every_declared_input() -> None:
    image, flag = Tensor("image", "uint8", (None, 3, 4, 4)), Tensor("flag", "bool", (None, 1))
    fed = feed_random([image, flag, Tensor("word", "str", (None, 1))], seed=0)

    assert fed.matrix.shape == (1024, 50)
    assert [feed.shape for feed in fed.feeds] == [(3, 4, 4), (1,), (1,)]
    assert set(np.unique(fed.matrix)) == {0, 1}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([MATRIX], "takes 2 columns, but the table has 3"),
        ([Tensor("x", "float32", (None, 3))], r"takes numbers, but the columns \['c'\]"),
        ([Tensor("a", "int64", (None, 1))], "takes whole numbers, but the table has gaps"),
        ([Tensor("b", "float32", (None, 1)), Tensor("cc", "str", (None, 1))], "did you mean 'c'"),
        ([Tensor("x", "seq(tensor(float))", (None, 3))], "must be tensors of numbers or texts"),
    ],
)
def test_table_that_does_not_fit_is_refused(inputs: list[Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        feed_table(inputs, TABLE)


def test_input_of_unknown_width_needs_rows() -> None:
    with pytest.raises(ValueError, match="give it rows: --rows"):
        feed_random([Tensor("x", "float32", (None, None))], seed=0)
