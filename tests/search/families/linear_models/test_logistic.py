from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from factories.bundles import store_model
from sklearn.linear_model import LogisticRegression, SGDClassifier

from rightfit.models.bundle import read_bundle
from rightfit.models.bundle_exports import add_onnx
from rightfit.models.runtimes import open_predictor
from rightfit.models.schema import InputSchema
from rightfit.params.defaults import read_default
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.linear import FAMILY
from rightfit_search.searching.training_params import SEARCH

EXACT = {
    "n_epochs": 2,
    "alpha": 1e-3,
    "penalty": "l2",
    "learning_rate": "optimal",
    "eta0": 0.01,
    "solver": "lbfgs",
}


def test_last_look_is_the_minimum_that_scikit_learn_finds(blobs: TrainingData) -> None:
    looks = [
        (look.n_steps, look.model)
        for look in FAMILY.train(TrainingRun(EXACT, blobs, n_checkpoints=6))
    ]

    theirs = LogisticRegression(C=1 / (1e-3 * 60)).fit(blobs.rows, blobs.labels)
    assert [n for n, _ in looks] == [3, 4, 8, 15, 30, 60]  # three classes are the least
    np.testing.assert_allclose(
        FAMILY.predict(looks[-1][1], blobs.rows), theirs.predict_proba(blobs.rows), atol=0.01
    )


def test_solver_changes_nothing_in_how_a_model_is_served(
    blobs: TrainingData, tmp_path: Path
) -> None:
    *_, last = FAMILY.train(TrainingRun(EXACT, blobs, n_checkpoints=2))
    untrained = FAMILY.build_untrained(EXACT, blobs.schema, seed=0)
    written = store_model(tmp_path / "bundle", last.model, "linear", EXACT, blobs.schema)

    bundle = read_bundle(add_onnx(written, blobs.rows).path, trust=True, family="linear")
    native = open_predictor(bundle, runtime="native", n_threads=1, device="cpu")

    np.testing.assert_array_equal(native(blobs.rows), FAMILY.predict(last.model, blobs.rows))
    assert FAMILY.describe_structure(untrained) == FAMILY.describe_structure(last.model)


def test_a_model_as_it_is_shipped_does_not_depend_on_the_seed() -> None:
    rng, block = np.random.default_rng(0), read_default("models", SEARCH)["linear"]
    rows = rng.standard_normal((300, 4), dtype=np.float32)
    labels = (rows[:, 0] + rng.standard_normal(300) > 0).astype(np.int64)
    data = TrainingData(rows, labels, InputSchema(tuple("abcd"), ("no", "yes"), None))
    probabilities = []
    for seed in (0, 1):
        configuration = block["fixed"] | block["default"]
        run = TrainingRun(configuration, data, n_checkpoints=1, seed=seed)
        [checkpoint] = FAMILY.train(run)
        probabilities.append(FAMILY.predict(checkpoint.model, rows))

    np.testing.assert_allclose(*probabilities, atol=0.01)


def test_unknown_solver_is_named() -> None:
    with pytest.raises(ValueError, match=r"solver must be one of \('sgd', 'lbfgs'\), not 'newton'"):
        FAMILY.check_values({**EXACT, "solver": "newton"})


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_untrained_model_of_many_classes_warns_of_nothing(solver: str) -> None:
    """Warnings are errors in tests; a search would print one for each configuration."""
    schema = InputSchema(("a", "b"), tuple("abcdefghijklmnopqrstuvwxyz"), None)

    untrained = FAMILY.build_untrained({**EXACT, "solver": solver}, schema, seed=0)

    assert untrained.coef_.shape == (26, 2)


@pytest.mark.parametrize(
    "estimator", [LogisticRegression(), SGDClassifier(loss="log_loss", random_state=0)]
)
def test_unlikely_class_has_a_probability_whichever_it_is(
    estimator: LogisticRegression | SGDClassifier,
) -> None:
    model = estimator.fit(np.array([[-1], [1]], dtype=np.float32), [0, 1])
    rows = np.array([[-20], [20]], dtype=np.float32) / np.float32(model.coef_.max())

    probabilities = FAMILY.predict(model, rows)

    assert probabilities[[0, 1], [1, 0]] == pytest.approx(np.exp(-20), rel=0.5)  # 1 - 1 is 0
    assert probabilities.sum(axis=1) == pytest.approx(1)
