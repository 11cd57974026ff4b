"""Files, folders and ONNX models in memory become bundles that answer as they should."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import pytest
from factories.onnx_files import write_onnx, write_softmax
from factories.own_models import NUMBERS, ROWS, TARGETS, fit_pipeline, write_typed_onnx
from onnx import TensorProto, helper

from rightfit._core.errors import RightfitError
from rightfit.measuring.given_models import UserModel, adapt_model
from rightfit.measuring.rounds.first_rows import WorkerFirstRows
from rightfit.measuring.rounds.worker_pool import WorkerPool
from rightfit.models.bundle import ONNX_ONLY, write_bundle_files
from rightfit.models.imported.feeds import make_rows
from rightfit.models.imported.row_table import read_row_table
from rightfit.models.runtimes import available_runtimes
from rightfit.models.schema import InputSchema

pytestmark = pytest.mark.whole

CLASSES = ("no", "yes")
WEIGHTS = np.array([[1.0, -1.0], [0.5, 0.0]], dtype=np.float32)


@pytest.fixture(scope="module")
def first() -> Iterator[WorkerFirstRows]:
    pool = WorkerPool(2)
    yield WorkerFirstRows(pool)
    pool.close()


def take(model: Any, first: WorkerFirstRows, rows: Any = ROWS, *, trust: bool = False) -> UserModel:
    table = None if rows is None else read_row_table(rows)
    return adapt_model(model, rows=table, trust=trust, first=first)


def answer(
    given: UserModel,
    first: WorkerFirstRows,
    folder: Path,
    rows: Any = ROWS,
    classes: tuple[str, ...] | None = CLASSES,
) -> Any:
    table = None if rows is None else read_row_table(rows)
    bundle = given.bundle(folder / "bundle", name="m", rows=table, classes=classes)
    runtime = available_runtimes(bundle)[0]
    return first.answer(bundle, runtime, make_rows(bundle, runtime, table))


def write_skops(folder: Path) -> Any:
    import skops.io

    skops.io.dump(PIPELINE, folder / "model.skops")
    return folder / "model.skops"


def write_joblib(folder: Path) -> Any:
    joblib.dump(PIPELINE, folder / "model.joblib", compress=3)
    return str(folder / "model.joblib")


def write_file(folder: Path) -> Any:
    return write_typed_onnx(folder / "model.onnx")


def make_bytes(folder: Path) -> Any:
    return write_file(folder).read_bytes()


def make_proto(folder: Path) -> Any:
    return onnx.load(write_file(folder))


PIPELINE = fit_pipeline()


@pytest.mark.parametrize("write", [write_skops, write_joblib, write_file, make_bytes, make_proto])
def test_pipeline_answers_the_same_from_wherever_it_comes(
    write: Callable[[Path], Any], first: WorkerFirstRows, tmp_path: Path
) -> None:
    found = answer(take(write(tmp_path), first, trust=True), first, tmp_path)

    np.testing.assert_allclose(found, PIPELINE.predict_proba(ROWS), atol=1e-4)


def test_scores_of_a_graph_become_probabilities(first: WorkerFirstRows, tmp_path: Path) -> None:
    path = write_onnx(
        tmp_path / "model.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        inputs={"x": (TensorProto.FLOAT, [None, 2])},
        outputs={"y": (TensorProto.FLOAT, [None, 2])},
        weights={"w": WEIGHTS},
    )
    scores = np.exp(NUMBERS.to_numpy() @ WEIGHTS)

    found = answer(take(path, first), first, tmp_path, NUMBERS)

    np.testing.assert_allclose(found, scores / scores.sum(axis=1, keepdims=True), rtol=1e-4)


def test_graph_that_is_not_judged_stays_as_it_is(first: WorkerFirstRows, tmp_path: Path) -> None:
    path = write_softmax(tmp_path / "model.onnx", WEIGHTS, output_name="scores")

    given = take(path, first, None)
    found = answer(given, first, tmp_path, None, classes=None)

    assert found.shape == (1024, 2)  # random rows
    written = onnx.load(tmp_path / "bundle" / "model.onnx")
    assert [one.name for one in written.graph.output] == ["scores"]


def test_library_file_chooses_its_columns(first: WorkerFirstRows, tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(NUMBERS, TARGETS == "yes")
    model.booster_.save_model(tmp_path / "model.txt")

    given = take(tmp_path / "model.txt", first, trust=True)

    assert given.facts.features == ("age", "n_rooms")
    found = answer(given, first, tmp_path)  # of rows that have a text besides
    np.testing.assert_allclose(found, model.predict_proba(NUMBERS), atol=1e-6)


def test_bundle_of_a_run_is_served_where_it_lies(first: WorkerFirstRows, tmp_path: Path) -> None:
    (tmp_path / "stored").mkdir()
    write_softmax(tmp_path / "stored" / "model.onnx", WEIGHTS, input_name="rows",
                  output_name="probabilities")  # fmt: skip
    write_bundle_files(
        tmp_path / "stored",
        model="net",
        family=ONNX_ONLY,
        weights_file="model.onnx",
        configuration={},
        schema=InputSchema(("age", "n_rooms"), CLASSES, None),
    )

    given = take(tmp_path / "stored", first)

    assert given.facts.classes == CLASSES
    assert answer(given, first, tmp_path).shape == (len(ROWS), 2)
    assert not (tmp_path / "bundle").exists()


def test_bundle_that_holds_native_weights_alone_asks_for_trust(
    first: WorkerFirstRows, tmp_path: Path
) -> None:
    (tmp_path / "stored").mkdir()
    write_skops(tmp_path / "stored").rename(tmp_path / "stored" / "weights.skops")
    write_bundle_files(
        tmp_path / "stored",
        model="linear",
        family="rightfit.models.imported.objects:skops",
        weights_file="weights.skops",
        configuration={"rows": "pandas", "classes": list(CLASSES)},
        schema=InputSchema(tuple(ROWS.columns), CLASSES, None),
    )

    with pytest.raises(RightfitError, match=r"weights\.skops .* is not opened.* --trust"):
        take(tmp_path / "stored", first)
    found = answer(take(tmp_path / "stored", first, trust=True), first, tmp_path)
    np.testing.assert_allclose(found, PIPELINE.predict_proba(ROWS), atol=1e-6)


def test_object_of_another_process_in_a_bundle_is_not_opened(
    first: WorkerFirstRows, tmp_path: Path
) -> None:
    (tmp_path / "stored").mkdir()
    (tmp_path / "stored" / "object.pickle").write_bytes(b"whatever it does")
    write_bundle_files(
        tmp_path / "stored",
        model="net",
        family="rightfit.models.imported.objects:estimator",
        weights_file="object.pickle",
        configuration={"imports": ["antigravity"]},
        schema=InputSchema(("age",), CLASSES, None),
    )

    with pytest.raises(RightfitError, match=r"no ONNX export, and its object\.pickle needs"):
        take(tmp_path / "stored", first)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.onnx", "there is no file"),
        ("model.exe", r"must end in one of \.onnx"),
        ("model.pkl", "is a pickle: .* trust"),
        ("model.safetensors", "give the module itself"),
        ("model.onnx", "onnxruntime cannot open"),
        ("model.skops", "is opened by its own library.*trust: true"),
    ],
)
def test_file_that_cannot_be_taken_is_refused(
    name: str, message: str, first: WorkerFirstRows, tmp_path: Path
) -> None:
    if not name.startswith("nothing"):
        (tmp_path / name).write_bytes(b"no model")

    with pytest.raises(ValueError, match=message):
        take(tmp_path / name, first)


def test_pickle_that_cannot_be_opened_says_why(first: WorkerFirstRows, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"no pickle")

    with pytest.raises(RightfitError, match=r"it cannot be opened: .*Error"):
        take(tmp_path / "model.pkl", first, trust=True)
