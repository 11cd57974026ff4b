"""Every family that learns regression keeps the promises of the family protocol there too."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from factories.bundles import store_model
from factories.configurations import QUICK
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_info, threadpool_limits

from rightfit.models.bundle import Bundle, read_bundle
from rightfit.models.bundle_exports import add_onnx
from rightfit.models.runtimes import available_runtimes, open_predictor
from rightfit.models.schema import InputSchema
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.registry import get_family

pytestmark = pytest.mark.whole


def train(name: str, data: TrainingData, **changes: Any) -> Any:
    *_, last = get_family(name).train(TrainingRun(QUICK[name] | changes, data, n_checkpoints=3))
    return last.model


def bundle_of(name: str, data: TrainingData, folder: Path, **changes: Any) -> Bundle:
    model = train(name, data, **changes)
    return store_model(folder, model, name, QUICK[name] | changes, data.schema)


def share_explained(values: np.ndarray, answers: np.ndarray) -> float:
    return 1 - float(np.mean((values - answers[:, 0]) ** 2) / values.var())


@pytest.mark.parametrize("name", QUICK)
def test_bundle_answers_alike_in_every_runtime(
    name: str, slopes: TrainingData, tmp_path: Path
) -> None:
    bundle = add_onnx(bundle_of(name, slopes, tmp_path / "bundle"), slopes.rows)
    reread = read_bundle(bundle.path, trust=True, family=name)
    native = get_family(name).predict(bundle.load_native(), slopes.rows)

    assert bundle.onnx is not None
    assert bundle.onnx["agreement"] == 1.0
    assert reread.schema.task == "regression"
    for runtime in available_runtimes(reread):
        answers = open_predictor(reread, runtime=runtime, n_threads=1, device="cpu")(slopes.rows)
        assert answers.shape == (120, 1)
        spread = 0.05 if runtime == "onnx_int8" else 1e-4  # 8 bits are coarse
        np.testing.assert_allclose(answers, native, atol=spread * float(native.std()))


def test_linear_regression_takes_one_thread(
    slopes: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_threads = set[int]()

    def fit(model: Ridge, *arguments: Any) -> Ridge:
        n_threads.update(pool["num_threads"] for pool in threadpool_info())
        return fit_ridge(model, *arguments)

    fit_ridge = Ridge.fit
    monkeypatch.setattr(Ridge, "fit", fit)
    with threadpool_limits(2):
        train("linear", slopes, penalty="l2")

    assert n_threads == {1}


@pytest.mark.parametrize("penalty", ["l1", "l2", "elasticnet"])
def test_linear_regression_has_every_penalty(penalty: str, slopes: TrainingData) -> None:
    model = train("linear", slopes, penalty=penalty, alpha=1e-3)

    assert share_explained(slopes.labels, get_family("linear").predict(model, slopes.rows)) > 0.95


def test_untrained_linear_model_is_made_without_a_warning(slopes: TrainingData) -> None:
    configuration = QUICK["linear"] | {"penalty": "l1"}

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        get_family("linear").build_untrained(configuration, slopes.schema, seed=0)


def test_unit_of_the_target_does_not_change_what_a_net_learns(slopes: TrainingData) -> None:
    tiny = replace(slopes, labels=slopes.labels * 1e-6)
    net = get_family("net")

    one, other = (net.predict(train("net", data), data.rows) for data in (slopes, tiny))

    np.testing.assert_allclose(other * 1e6, one, rtol=1e-3)


def test_export_that_answers_otherwise_is_refused(
    slopes: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = bundle_of("linear", slopes, tmp_path / "bundle")
    family = get_family("linear")
    shifted = family.export_onnx(train("linear", slopes, alpha=1.0), slopes.schema)
    monkeypatch.setattr(family, "export_onnx", lambda model, schema: shifted)

    with pytest.raises(ValueError, match=r"does not answer as the native model does: .*agreement"):
        add_onnx(bundle, slopes.rows)


def test_exported_output_is_called_values(slopes: TrainingData) -> None:
    exported = get_family("forest").export_onnx(train("forest", slopes), slopes.schema)

    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])

    assert [output.name for output in session.get_outputs()] == ["values"]


def test_weights_of_a_classifier_are_refused_in_a_regression(
    blobs: TrainingData, slopes: TrainingData, tmp_path: Path
) -> None:
    family = get_family("linear")
    configuration = QUICK["linear"]
    *_, last = family.train(TrainingRun(configuration, blobs))
    path = tmp_path / family.weights_file
    family.save_weights(last.model, path)

    with pytest.raises(ValueError, match="must hold a Ridge or ElasticNet, but holds a SGDClass"):
        family.load_weights(path, configuration, slopes.schema)


@pytest.mark.parametrize(
    ("values", "message"),
    [([1.0, 1.0, 1.0], "are all 1.0"), ([1.0, np.nan, 2.0], "must be finite")],
)
def test_values_that_teach_nothing_are_refused(values: list[float], message: str) -> None:
    schema = InputSchema(("x",), (), None)

    with pytest.raises(ValueError, match=message):
        TrainingData(np.zeros((3, 1), dtype=np.float32), np.array(values), schema)
