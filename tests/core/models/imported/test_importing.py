from __future__ import annotations

import dataclasses
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import polars as pl
import pytest
from factories.onnx_files import write_onnx, write_softmax
from onnx import TensorProto, helper

from rightfit._core.errors import RightfitError
from rightfit.measuring.rounds.first_rows import WorkerFirstRows
from rightfit.measuring.rounds.worker_pool import WorkerPool
from rightfit.models.bundle import Bundle, read_bundle
from rightfit.models.imported.exporting import offer_exports
from rightfit.models.imported.first_predictions import FirstPredictions
from rightfit.models.imported.importing import (
    ModelFile,
    ReferencePredictions,
    check_file,
    import_file,
    read_columns,
)
from rightfit.models.imported.kinds import find_family, resolve_file
from rightfit.models.imported.onnx_form import OutputChoice
from rightfit.models.imported.row_table import take_stored
from rightfit.models.runtimes import available_runtimes, open_predictor
from rightfit.models.schema import InputSchema

pytestmark = pytest.mark.whole

SCHEMA = InputSchema(("a", "b", "c"), ("no", "yes"), None)
ROWS = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
TABLE = take_stored(pl.DataFrame(ROWS, schema=["a", "b", "c"]))
WEIGHTS = np.array([[1.0, -1.0], [0.5, 0.0], [-2.0, 1.0]], dtype=np.float32)


def give(path: Path, *, trust: bool = False) -> ModelFile:
    plain = OutputChoice()
    return ModelFile("incumbent", path, "raw", plain, trust=trust)


def try_pickle(path: Path) -> FirstPredictions:
    pool = WorkerPool(1)
    try:
        return WorkerFirstRows(pool).try_pickle(path, TABLE)
    finally:
        pool.close()


def import_model(path: Path, predictions: ReferencePredictions | None = None) -> Bundle:
    bundle = import_file(
        give(path, trust=True),
        path.parent / "bundle",
        schema=SCHEMA,
        rows=TABLE,
        predictions=predictions,
    )
    return offer_exports(bundle, TABLE)


def predict(rows: np.ndarray) -> np.ndarray:
    scores = np.exp(rows @ WEIGHTS)
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


def test_bundle_serves_the_file_in_onnx_alone(tmp_path: Path) -> None:
    path = write_softmax(tmp_path / "model.onnx", WEIGHTS)
    bundle = import_model(path)
    read = read_bundle(bundle.path, trust=True, family=bundle.family)

    assert available_runtimes(read) == ("onnx",)
    answers = open_predictor(read, runtime="onnx", n_threads=1, device="cpu")(ROWS)
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
    right = ReferencePredictions(Path("p.csv"), TABLE, predict(ROWS), None)
    wrong = ReferencePredictions(Path("p.csv"), TABLE, None, 1 - predict(ROWS).argmax(axis=1))

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


def test_values_of_a_library_are_not_called_logits_which_are_of_onnx_files(tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    table = lightgbm.Dataset(ROWS, 100 * ROWS[:, 0])
    model = lightgbm.train({"objective": "regression", "verbose": -1}, table, 5)
    model.save_model(tmp_path / "model.txt")

    with pytest.raises(ValueError, match=r"probabilities must lie in \[0, 1\]") as refused:
        import_model(tmp_path / "model.txt")

    assert "logits" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken.onnx", "onnxruntime cannot open"),
        ("broken.txt", "lightgbm cannot read"),
        ("broken.json", "xgboost cannot read"),
        ("broken.cbm", "catboost cannot read"),
        ("model.exe", r"must end in one of \.onnx, \.json"),
    ],
)
def test_file_that_cannot_be_opened_is_refused(name: str, message: str, tmp_path: Path) -> None:
    for suffix in ("onnx", "txt", "json", "cbm"):
        (tmp_path / f"broken.{suffix}").write_bytes(b"no model")

    with pytest.raises(ValueError, match=message):
        check_file(give(tmp_path / name, trust=True))


@pytest.mark.parametrize("suffix", ["skops", "txt", "json", "ubj", "cbm", "pkl"])
def test_file_that_is_no_onnx_is_opened_only_where_it_is_trusted(
    suffix: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=rf"model\.{suffix} is .*\(trust: true in the conf"):
        check_file(give(tmp_path / f"model.{suffix}"))


LABELS = (ROWS[:, 0] > 0).astype(int)


def write_xgboost(folder: Path) -> Path:
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=5, max_depth=2).fit(ROWS, LABELS)
    model.save_model(folder / "model.ubj")
    return folder / "model.ubj"


def write_lightgbm(folder: Path) -> Path:
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=2, verbose=-1)
    model.fit(ROWS, LABELS, feature_name=list("abc"))
    model.booster_.save_model(folder / "model.txt")
    return folder / "model.txt"


def write_catboost(folder: Path) -> Path:
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostClassifier(iterations=5, verbose=False, allow_writing_files=False)
    model.fit(ROWS, LABELS).save_model(str(folder / "model.cbm"))
    return folder / "model.cbm"


def write_skops(folder: Path) -> Path:
    import skops.io
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = np.array(["no", "yes"])[LABELS]
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(ROWS, names)
    skops.io.dump(model, folder / "model.skops")
    return folder / "model.skops"


@pytest.mark.parametrize("write", [write_xgboost, write_lightgbm, write_catboost, write_skops])
def test_native_file_is_served_natively_and_as_onnx(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    bundle = import_model(write(tmp_path))
    read = read_bundle(bundle.path, trust=True, family=bundle.family)

    assert available_runtimes(read) == ("native", "onnx")
    native, exported = (
        open_predictor(read, runtime=runtime, n_threads=1, device="cpu")(ROWS)
        for runtime in ("native", "onnx")
    )
    np.testing.assert_allclose(native, exported, atol=1e-5)
    assert np.mean(native.argmax(axis=1) == LABELS) > 0.9


def test_names_in_a_native_file_choose_its_columns(tmp_path: Path) -> None:
    assert read_columns(give(write_lightgbm(tmp_path), trust=True)) == ("a", "b", "c")
    assert read_columns(give(write_catboost(tmp_path), trust=True)) is None  # it numbers columns


def test_trusted_pickle_is_tried_in_a_process_of_its_own_and_served(tmp_path: Path) -> None:
    from sklearn.tree import DecisionTreeClassifier

    path = tmp_path / "model.joblib"
    joblib.dump(DecisionTreeClassifier(max_depth=1).fit(ROWS, LABELS), path)
    bundle = import_file(
        give(path, trust=True),
        tmp_path / "bundle",
        schema=SCHEMA,
        rows=TABLE,
        tried=try_pickle(path),
    )

    with pytest.raises(ValueError, match=r"is a pickle: .*\(trust: true in .*, --trust"):
        find_family(bundle.weights_file, trust=False)
    read = read_bundle(bundle.path, trust=True, family=find_family(bundle.weights_file, trust=True))
    assert available_runtimes(read) == ("native",)
    answers = open_predictor(read, runtime="native", n_threads=1, device="cpu")(ROWS)
    assert (answers.argmax(axis=1) == LABELS).all()


@dataclass
class Noter:
    """Notes the process in which it is unpickled, and is no model there."""

    path: Path

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return eval, (f"open({str(self.path)!r}, 'w').write(str(__import__('os').getpid()))",)


def test_pickle_runs_nothing_in_the_process_that_imports_it(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Noter(tmp_path / "ran")))

    check_file(give(path, trust=True))
    assert not (tmp_path / "ran").exists()
    with pytest.raises(RightfitError, match="but got a int"):
        try_pickle(path)

    assert int((tmp_path / "ran").read_text()) != os.getpid()


def test_mlflow_model_leads_to_the_file_of_its_flavour(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    (tmp_path / "MLmodel").write_text(
        "flavors:\n  onnx: {data: model.onnx}\n  python_function: {data: model.pkl}\n"
    )

    assert resolve_file(tmp_path) == tmp_path / "model.onnx"
    (tmp_path / "MLmodel").write_text("flavors: {onnx: {data: ../model.onnx}}")
    with pytest.raises(ValueError, match="names no model file in its folder"):
        resolve_file(tmp_path)
    with pytest.raises(ValueError, match="there is no file"):
        resolve_file(tmp_path / "nothing.onnx")


def test_regression_takes_one_number(tmp_path: Path) -> None:
    path = write_onnx(
        tmp_path / "model.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        inputs={"x": (TensorProto.FLOAT, [None, 3])},
        outputs={"y": (TensorProto.FLOAT, [None, 1])},
        weights={"w": WEIGHTS[:, :1]},
    )
    values = ROWS @ WEIGHTS[:, :1]
    bundle = import_file(
        give(path),
        tmp_path / "bundle",
        schema=InputSchema(("a", "b", "c"), (), None),
        rows=TABLE,
        predictions=ReferencePredictions(Path("p.csv"), TABLE, values, None),
    )

    answers = open_predictor(bundle, runtime="onnx", n_threads=1, device="cpu")(ROWS)
    np.testing.assert_allclose(answers, values, atol=1e-5)


def test_classifier_is_refused_where_the_target_is_a_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="it is a classifier of 0, 1, but the dataset's target is"):
        import_file(
            give(write_lightgbm(tmp_path), trust=True),
            tmp_path / "bundle",
            schema=InputSchema(("a", "b", "c"), (), None),
            rows=TABLE,
        )


@pytest.mark.long
def test_weights_of_a_module_by_path_are_served(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.from_numpy(WEIGHTS.T.copy()), "bias": torch.zeros(2)}, path)
    given = dataclasses.replace(
        give(path),
        module="torch.nn.Linear",
        settings={"in_features": 3, "out_features": 2},
    )
    bundle = import_file(given, tmp_path / "bundle", schema=SCHEMA, rows=TABLE)
    bundle = offer_exports(bundle, TABLE)

    assert available_runtimes(bundle) == ("native", "onnx", "onnx_int8")
    for runtime in ("native", "onnx"):
        answers = open_predictor(bundle, runtime=runtime, n_threads=1, device="cpu")(ROWS)
        np.testing.assert_allclose(answers, predict(ROWS), rtol=1e-4)
    with pytest.raises(ValueError, match="does not hold the weights of torch"):
        import_file(
            dataclasses.replace(given, settings={"in_features": 4, "out_features": 2}),
            tmp_path / "other",
            schema=SCHEMA,
            rows=TABLE,
            predictions=None,
        )
    with pytest.raises(ValueError, match=r"module names the torch module of a \.safetensors file"):
        check_file(give(path))
