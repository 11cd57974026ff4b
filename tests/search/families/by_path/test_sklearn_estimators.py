"""An estimator of scikit-learn becomes a family by its import path alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories.bundles import store_model, train_bundle
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from rightfit.models.bundle import read_bundle
from rightfit.models.bundle_exports import offer_onnx
from rightfit.models.runtimes import available_runtimes, open_predictor
from rightfit.models.schema import InputSchema
from rightfit_search.families.by_path.sklearn_estimators import EstimatorFamily
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.registry import get_family, refer_to_family

ESTIMATORS: dict[str, dict[str, Any]] = {
    "sklearn.svm.SVC": {"C": 2.0},
    "sklearn.svm.LinearSVC": {},
    "sklearn.svm.NuSVC": {"decision_function_shape": "ovo"},  # scores of pairs of classes
    "sklearn.naive_bayes.GaussianNB": {},
    "sklearn.linear_model.LogisticRegression": {"C": 0.5},
    "sklearn.linear_model.Perceptron": {"max_iter": 4},
    "sklearn.neural_network.MLPClassifier": {
        "max_iter": 40,
        "hidden_layer_sizes": [16, 8],
        "learning_rate_init": 0.02,
    },
    "sklearn.ensemble.ExtraTreesClassifier": {"n_estimators": 6},
    "sklearn.neighbors.KNeighborsClassifier": {"n_neighbors": 3},
    "sklearn.preprocessing.StandardScaler+sklearn.svm.SVC": {"svc__C": 3.0},
    "sklearn.decomposition.PCA+sklearn.ensemble.RandomForestClassifier": {
        "pca__n_components": 2,
        "randomforestclassifier__n_estimators": 4,
    },
}

SQUARE = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype=np.float32)
LABELS = np.array([0, 0, 1, 1])
ANY = EstimatorFamily("sklearn.svm.SVC")  # counts the numbers of any fitted estimator


def two_classes(blobs: TrainingData) -> TrainingData:
    schema = InputSchema(blobs.schema.features, ("no", "yes"), None)
    return TrainingData(blobs.rows, np.minimum(blobs.labels, 1), schema)


@pytest.fixture
def many(blobs: TrainingData) -> TrainingData:
    """Three groups of 200 rows each."""
    return TrainingData(np.tile(blobs.rows, (10, 1)), np.tile(blobs.labels, 10), blobs.schema)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("path", ESTIMATORS)
def test_estimator_learns_is_stored_and_answers_alike_in_every_runtime(
    path: str, n_classes: int, many: TrainingData, tmp_path: Path
) -> None:
    name, configuration = f"sklearn:{path}", ESTIMATORS[path]
    data = many if n_classes == 3 else two_classes(many)
    family = get_family(name)
    *_, last = family.train(TrainingRun(configuration, data, n_checkpoints=2))
    written = store_model(tmp_path / "bundle", last.model, name, configuration, data.schema)
    offer_onnx(written, data.rows)
    bundle = read_bundle(tmp_path / "bundle", trust=True, family=name)
    native, onnx = (
        open_predictor(bundle, runtime=runtime, n_threads=1, device="cpu")
        for runtime in ("native", "onnx" if "onnx" in available_runtimes(bundle) else "native")
    )

    answers = family.predict(last.model, data.rows)
    np.testing.assert_array_equal(native(data.rows), answers)
    np.testing.assert_allclose(onnx(data.rows), answers, atol=1e-4)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert np.mean(answers.argmax(axis=1) == data.labels) > 0.9
    assert min(family.describe_structure(last.model).values()) >= 1


@pytest.mark.parametrize(
    ("path", "configuration", "n_steps"),
    [
        ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 8}, [2, 4, 8]),
        ("sklearn.linear_model.SGDClassifier", {"max_iter": 4, "loss": "log_loss"}, [1, 2, 4]),
        ("sklearn.linear_model.SGDClassifier", {"loss": "log_loss"}, [150, 300, 600]),
        ("sklearn.svm.SVC", {}, [150, 300, 600]),
    ],
    ids=["members", "passes that are asked for", "rows where it stops by itself", "rows"],
)
def test_estimator_grows_by_what_it_offers(
    path: str, configuration: dict[str, Any], n_steps: list[int], many: TrainingData
) -> None:
    checkpoints = get_family(f"sklearn:{path}").train(
        TrainingRun(configuration, many, n_checkpoints=3)
    )

    assert [checkpoint.n_steps for checkpoint in checkpoints] == n_steps


def test_last_share_is_what_the_estimator_makes_of_all_rows(many: TrainingData) -> None:
    from sklearn.svm import SVC

    family = get_family("sklearn:sklearn.svm.SVC")

    *_, last = family.train(TrainingRun({}, many, n_checkpoints=3))

    expected = SVC(random_state=0).fit(many.rows, many.labels)
    np.testing.assert_array_equal(last.model.support_, expected.support_)


def test_small_share_holds_rows_of_a_rare_class(many: TrainingData) -> None:
    kept = np.concatenate([np.flatnonzero(many.labels < 2), np.flatnonzero(many.labels == 2)[:5]])
    data = TrainingData(many.rows[kept], many.labels[kept], many.schema)

    first = next(
        get_family("sklearn:sklearn.svm.SVC").train(TrainingRun({}, data, n_checkpoints=6))
    )

    assert first.model.classes_.tolist() == [0, 1, 2]
    assert first.n_steps == 128


def test_function_of_the_project_makes_an_estimator(many: TrainingData) -> None:
    family = get_family("sklearn:fakes.estimators.make_calibrated")

    *_, last = family.train(TrainingRun({"cv": 3}, many, n_checkpoints=2))

    assert family.predict(last.model, many.rows).shape == (600, 3)


def test_neighbours_weighted_by_distance_stay_native(
    many: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = "sklearn:sklearn.neighbors.KNeighborsClassifier"
    written = train_bundle(tmp_path / "bundle", many, name, {"weights": "distance"})

    bundle = offer_onnx(written, many.rows)

    assert available_runtimes(bundle) == ("native",)
    assert "weighted by distance" in str(read_bundle(bundle.path).onnx_refused)
    assert "served natively only" in caplog.text


@pytest.mark.parametrize(
    ("path", "configuration", "message"),
    [
        ("sklearn.svm.SCV", {}, r"module sklearn\.svm has no 'SCV'.*the model's estimator"),
        ("sklearn.smv.SVC", {}, r"no module 'sklearn\.smv'"),
        ("SVC", {}, r"import path with a dot, not 'SVC'. Correct the model's estimator"),
        ("sklearn.metrics.accuracy_score", {}, "can't be made without arguments"),
        ("collections.OrderedDict", {}, r"is no estimator of scikit-learn"),
        ("sklearn.ensemble.StackingClassifier", {}, "can't be made without arguments"),
        ("sklearn.svm.SVC", {"c": 1.0}, r"sklearn\.svm\.SVC has no settings \['c'\]; it has \['C'"),
        ("sklearn.svm.SVC", {"kernel": "rbff"}, r"'kernel' parameter of SVC must be"),
        ("sklearn.neighbors.KNeighborsClassifier", {"algorithm": "kd_tree"}, "brute or auto"),
    ],
)
def test_wrong_path_or_setting_is_named(
    path: str, configuration: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        get_family(f"sklearn:{path}").check_configuration(configuration)


def test_block_without_an_estimator_is_refused() -> None:
    with pytest.raises(ValueError, match="family: sklearn needs the key estimator"):
        refer_to_family({"family": "sklearn"})


def test_linear_model_is_its_coefficients() -> None:
    counts = ANY.describe_structure(LogisticRegression().fit(SQUARE, LABELS))

    assert counts == {"n_parameters": 4.0, "n_operations": 4.0}  # two, an intercept, n_iter_


def test_neighbours_are_their_rows_and_labels() -> None:
    model = KNeighborsClassifier(1, algorithm="brute").fit(SQUARE, LABELS)

    assert ANY.describe_structure(model) == {"n_parameters": 12.0, "n_operations": 12.0}


def test_row_passes_one_path_of_a_tree() -> None:
    counts = ANY.describe_structure(DecisionTreeClassifier(random_state=0).fit(SQUARE, LABELS))

    assert counts == {"n_parameters": 3 * 4.0, "n_operations": 2.0}  # root and a leaf


def test_pipeline_is_the_sum_of_its_steps() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(SQUARE, LABELS)

    n_scaler = 6.0  # mean, variance and scale of two columns
    assert ANY.describe_structure(model)["n_parameters"] == 4.0 + n_scaler
