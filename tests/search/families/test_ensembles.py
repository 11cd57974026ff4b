"""A scikit-learn ensemble becomes a family by its description alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rightfit_search.families.ensembles import EnsembleFamily
from rightfit_search.families.family import Family, TrainingData, TrainingRun
from rightfit_search.families.registry import get_family

CONFIGURATION = {"n_estimators": 6, "max_depth": 3}


@pytest.fixture
def extra_trees() -> Family:
    return EnsembleFamily(
        "sklearn.ensemble.ExtraTreesClassifier",
        settings=("n_estimators", "max_depth"),
    )


def test_described_ensemble_trains_saves_and_exports(
    extra_trees: Family, blobs: TrainingData, tmp_path: Path
) -> None:
    import onnxruntime

    *_, last = extra_trees.train(TrainingRun(CONFIGURATION, blobs, n_checkpoints=3))
    extra_trees.save_weights(last.model, tmp_path / "weights.skops")
    loaded = extra_trees.load_weights(tmp_path / "weights.skops", CONFIGURATION, blobs.schema)
    extra_trees.set_serving(loaded, n_threads=2, device="cpu")
    session = onnxruntime.InferenceSession(extra_trees.export_onnx(loaded, blobs.schema))
    exported = session.run(["probabilities"], {"rows": blobs.rows})[0]

    assert last.n_steps == 6
    assert loaded.n_jobs == 2
    answers = extra_trees.predict(loaded, blobs.rows)
    np.testing.assert_array_equal(answers, extra_trees.predict(last.model, blobs.rows))
    np.testing.assert_allclose(exported, answers, atol=1e-6)


def test_a_forest_of_random_splits_is_extremely_randomised(
    blobs: TrainingData, tmp_path: Path
) -> None:
    from sklearn.ensemble import ExtraTreesClassifier

    forest = get_family("forest")
    settings = {"n_estimators": 6, "max_depth": 3, "min_samples_leaf": 1, "max_features": "sqrt"}
    *_, last = forest.train(TrainingRun(settings | {"splits": "random"}, blobs, n_checkpoints=3))
    forest.save_weights(last.model, tmp_path / "weights.skops")
    loaded = forest.load_weights(
        tmp_path / "weights.skops", settings | {"splits": "random"}, blobs.schema
    )

    theirs = ExtraTreesClassifier(**settings, random_state=0).fit(blobs.rows, blobs.labels)
    np.testing.assert_allclose(
        forest.predict(loaded, blobs.rows), theirs.predict_proba(blobs.rows), atol=1e-6
    )
    with pytest.raises(ValueError, match="splits must be one of"):
        forest.check_values(settings | {"splits": "worst"})


def test_gradient_boosting_has_trees_of_each_class(blobs: TrainingData) -> None:
    family = EnsembleFamily("sklearn.ensemble.GradientBoostingClassifier", settings=("max_depth",))

    *_, last = family.train(TrainingRun({"n_estimators": 6}, blobs, n_checkpoints=2))

    assert family.describe_structure(last.model)["n_trees"] == 6 * blobs.schema.n_classes
