"""An adapted file answers as the file itself does, whatever its own form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from factories.onnx_files import write_onnx, write_softmax
from onnx import TensorProto, helper

from rightfit.models.imported.onnx_form import OutputChoice, adapt_onnx
from rightfit.models.onnx_session import open_session
from rightfit.models.schema import InputSchema

SCHEMA = InputSchema(("a", "b", "c"), ("no", "yes"), None)
PLAIN = OutputChoice()
ROWS = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
WEIGHTS = np.array([[1.0, -1.0], [0.5, 0.0], [-2.0, 1.0]], dtype=np.float32)


def run_adapted(
    path: Path, folder: Path, answers: OutputChoice = PLAIN, schema: InputSchema = SCHEMA
) -> np.ndarray[Any, Any]:
    adapted = folder / "adapted.onnx"
    adapted.write_bytes(adapt_onnx(onnx.load(path), open_session(path), schema, answers))
    session = open_session(adapted)
    assert [one.name for one in session.get_inputs()] == ["rows"]
    found: np.ndarray[Any, Any] = session.run(["probabilities"], {"rows": ROWS})[0]
    return found


def run_file(path: Path, feed: Mapping[str, Any], output: str) -> Any:
    return open_session(path).run([output], dict(feed))[0]


def test_names_of_the_file_are_replaced_and_its_answers_kept(tmp_path: Path) -> None:
    path = write_softmax(tmp_path / "model.onnx", WEIGHTS, input_name="x", output_name="rows")

    np.testing.assert_array_equal(run_adapted(path, tmp_path), run_file(path, {"x": ROWS}, "rows"))


def test_named_columns_of_other_types_are_taken_from_the_rows(tmp_path: Path) -> None:
    path = write_onnx(
        tmp_path / "model.onnx",
        [
            helper.make_node("Cast", ["c"], ["c_float"], to=TensorProto.FLOAT),
            helper.make_node("Sub", ["a", "c_float"], ["score"]),
            helper.make_node("Sigmoid", ["score"], ["p"]),
        ],
        inputs={
            "c": (TensorProto.DOUBLE, [None, 1]),
            "a": (TensorProto.FLOAT, [None, 1]),
        },
        outputs={"p": (TensorProto.FLOAT, [None, 1])},
    )
    positive = 1 / (1 + np.exp(ROWS[:, 2] - ROWS[:, 0]))

    np.testing.assert_allclose(
        run_adapted(path, tmp_path), np.column_stack([1 - positive, positive]), rtol=1e-5
    )


def test_logits_become_probabilities(tmp_path: Path) -> None:
    path = write_onnx(
        tmp_path / "model.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        inputs={"x": (TensorProto.FLOAT, [None, 3])},
        outputs={"y": (TensorProto.FLOAT, [None, 2])},
        weights={"w": WEIGHTS},
    )
    scores = np.exp(ROWS @ WEIGHTS)

    found = run_adapted(path, tmp_path, OutputChoice(are_logits=True))

    np.testing.assert_allclose(found, scores / scores.sum(axis=1, keepdims=True), rtol=1e-5)


def test_classes_get_the_order_of_the_dataset(tmp_path: Path) -> None:
    path = write_softmax(tmp_path / "model.onnx", WEIGHTS)

    found = run_adapted(path, tmp_path, OutputChoice(classes=("yes", "no")))

    np.testing.assert_array_equal(found, run_adapted(path, tmp_path)[:, ::-1])


def test_classifier_of_scikit_learn_names_its_classes_itself(tmp_path: Path) -> None:
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    names = np.array(["yes", "also", "no"])[np.arange(20) % 3]
    model = LogisticRegression().fit(ROWS, names)
    path = tmp_path / "model.onnx"
    path.write_bytes(to_onnx(model, ROWS[:1]).SerializeToString())  # with a ZipMap
    schema = InputSchema(("a", "b", "c"), ("no", "yes", "also"), None)

    found = run_adapted(path, tmp_path, schema=schema)

    expected = model.predict_proba(ROWS)[:, [1, 2, 0]]  # scikit-learn sorts: also, no, yes
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_image_model_gets_its_shape(tmp_path: Path) -> None:
    path = write_onnx(
        tmp_path / "model.onnx",
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["y"]),
            helper.make_node("Softmax", ["y"], ["p"], axis=1),
        ],
        inputs={"x": (TensorProto.FLOAT, [None, 1, 3, 1])},
        outputs={"p": (TensorProto.FLOAT, [None, 2])},
        weights={"w": WEIGHTS},
    )

    np.testing.assert_allclose(run_adapted(path, tmp_path).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("schema", "answers", "message"),
    [
        (InputSchema(("a", "b"), ("no", "yes"), None), PLAIN, "takes 3 values a row.*2 columns"),
        (InputSchema(("a", "b", "c"), ("1", "2", "3"), None), PLAIN, "could hold 3 probabilities"),
        (SCHEMA, OutputChoice("other"), "output names 'other'"),
        (SCHEMA, OutputChoice(classes=("no", "perhaps")), "its classes are no, perhaps"),
    ],
)
def test_file_that_does_not_fit_is_refused(
    schema: InputSchema, answers: OutputChoice, message: str, tmp_path: Path
) -> None:
    path = write_softmax(tmp_path / "model.onnx", WEIGHTS)

    with pytest.raises(ValueError, match=message):
        adapt_onnx(onnx.load(path), open_session(path), schema, answers)


def test_input_named_otherwise_than_the_columns_is_refused(tmp_path: Path) -> None:
    path = write_onnx(
        tmp_path / "model.onnx",
        [helper.make_node("Sub", ["a", "width"], ["p"])],
        inputs=dict.fromkeys(("a", "width"), (TensorProto.FLOAT, [None, 1])),
        outputs={"p": (TensorProto.FLOAT, [None, 1])},
    )

    with pytest.raises(ValueError, match=r"inputs \['width'\] are no columns .*: a, b, c"):
        adapt_onnx(onnx.load(path), open_session(path), SCHEMA, PLAIN)
