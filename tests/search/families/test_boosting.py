"""Boosted trees: what differs from other ensembles."""

from __future__ import annotations

import numpy as np
import pytest
from factories.configurations import QUICK
from sklearn.ensemble import HistGradientBoostingClassifier

from rightfit.models.onnx_session import open_session
from rightfit.models.schema import InputSchema
from rightfit_search.families.boosting import FAMILY
from rightfit_search.families.family import TrainingData, TrainingRun


def test_step_is_a_round_of_one_tree_per_class(blobs: TrainingData) -> None:
    *_, last = FAMILY.train(TrainingRun(QUICK["boosting"], blobs, n_checkpoints=2))

    assert last.n_steps == 32
    assert [len(trees) for trees in last.model._predictors] == [3] * 32
    structure = FAMILY.describe_structure(last.model)
    assert structure["n_trees"] == 96
    assert structure["n_operations"] > 96  # a row meets more than a tree's root


def test_checkpoints_lead_to_the_model_trained_at_once(blobs: TrainingData) -> None:
    at_once, in_parts = (
        list(FAMILY.train(TrainingRun(QUICK["boosting"], blobs, n_checkpoints=n)))[-1].model
        for n in (1, 3)
    )

    np.testing.assert_array_equal(
        FAMILY.predict(at_once, blobs.rows), FAMILY.predict(in_parts, blobs.rows)
    )


def test_export_parts_neighbouring_numbers_as_the_model_does() -> None:
    steps = np.repeat(np.arange(20), 20)
    rows = (1 + steps[:, None] * np.finfo(np.float32).eps).astype(np.float32)
    schema = InputSchema(("x",), ("even", "odd"), None)
    *_, last = FAMILY.train(TrainingRun({"max_iter": 5}, TrainingData(rows, steps % 2, schema)))

    session = open_session(FAMILY.export_onnx(last.model, schema))

    answers = session.run([schema.output_name], {"rows": rows})[0]
    np.testing.assert_allclose(answers, FAMILY.predict(last.model, rows), atol=1e-5)


def test_native_categories_are_refused_because_their_export_is_wrong(blobs: TrainingData) -> None:
    rows = np.abs(blobs.rows.round())
    model = HistGradientBoostingClassifier(max_iter=2, categorical_features=[0])
    model.fit(rows, blobs.labels)

    with pytest.raises(ValueError, match=r"native categories.*features\.categorical"):
        FAMILY.export_onnx(model, blobs.schema)
