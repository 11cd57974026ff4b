from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_files import write_onnx, write_softmax

from rightfit.families.bundle import Bundle, read_bundle
from rightfit.families.imported.importing import (
    GivenFile,
    GivenPredictions,
    check_file,
    find_family,
    import_file,
)
from rightfit.families.imported.onnx_form import Answers
from rightfit.families.runtimes import available_runtimes, open_model
from rightfit.families.schema import InputSchema

SCHEMA = InputSchema(("a", "b", "c"), ("no", "yes"), None)
ROWS = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
WEIGHTS = np.array([[1.0, -1.0], [0.5, 0.0], [-2.0, 1.0]], dtype=np.float32)


def import_model(path: Path, predictions: GivenPredictions | None = None) -> Bundle:
    given = GivenFile("incumbent", path, "raw", Answers(None, None, are_logits=False))
    folder = path.parent / "bundle"
    return import_file(given, folder, schema=SCHEMA, rows=ROWS, predictions=predictions)


def predict(rows: np.ndarray) -> np.ndarray:
    scores = np.exp(rows @ WEIGHTS)
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


def test_bundle_serves_the_file_in_onnx_alone(tmp_path: Path) -> None:
    path = write_softmax(tmp_path / "model.onnx", WEIGHTS)
    bundle = import_model(path)
    read = read_bundle(bundle.path, family=find_family(path))

    assert available_runtimes(read) == ("onnx",)
    answers = open_model(read, runtime="onnx", n_threads=1, device="cpu")(ROWS)
    np.testing.assert_allclose(answers, predict(ROWS), rtol=1e-5)
    assert read.configuration["file"] == "model.onnx"


def test_same_file_gives_the_same_bundle(tmp_path: Path) -> None:
    bundles = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        bundles.append(import_model(write_softmax(tmp_path / name / "model.onnx", WEIGHTS)))

    assert bundles[0].sha256 == bundles[1].sha256


def test_given_predictions_must_be_reached(tmp_path: Path) -> None:
    path = write_softmax(tmp_path / "model.onnx", WEIGHTS)
    right = GivenPredictions(Path("p.csv"), ROWS, predict(ROWS), None)
    wrong = GivenPredictions(Path("p.csv"), ROWS, None, 1 - predict(ROWS).argmax(axis=1))

    assert import_model(path, right).files
    (tmp_path / "again").mkdir()
    with pytest.raises(ValueError, match=r"agree with p\.csv in 0\.0% of 50 rows"):
        import_model(write_softmax(tmp_path / "again" / "model.onnx", WEIGHTS), wrong)


def test_scores_are_no_probabilities(tmp_path: Path) -> None:
    path = write_onnx(
        tmp_path / "model.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        inputs={"x": (TensorProto.FLOAT, [None, 3])},
        outputs={"y": (TensorProto.FLOAT, [None, 2])},
        weights={"w": WEIGHTS},
    )

    with pytest.raises(ValueError, match="write logits: true"):
        import_model(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.onnx", "there is no file"),
        ("broken.onnx", "onnxruntime cannot open"),
        ("model.exe", r"must end in one of .*'\.onnx'"),
    ],
)
def test_file_that_cannot_be_opened_is_refused(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")

    with pytest.raises(ValueError, match=message):
        check_file(tmp_path / name)
