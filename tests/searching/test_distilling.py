from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from rightfit.models.family import LabelledRows, TrainingData, TrainingRun
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.registry import get_family
from rightfit.models.schema import InputSchema
from rightfit.searching.distilling import add_answers, draw_between, is_better

CLASSES = InputSchema(("a", "b"), ("no", "yes"), None)
VALUES = InputSchema(("a", "b"), (), None)
ACCURACY = QualityMetric(name="accuracy", worst=0.5, best=1.0)


def make_data(schema: InputSchema, n_rows: int = 200) -> TrainingData:
    rows = np.random.default_rng(0).normal(size=(n_rows, 2)).astype(np.float32)
    labels = (rows[:, 0] > 0).astype(np.int64) if schema.classes else rows[:, 0].astype(np.float64)
    return TrainingData(rows, labels, schema)


def test_rows_in_between_mix_a_row_with_a_near_one() -> None:
    rows = np.repeat(np.array([[0.0], [100.0]], dtype=np.float32), 50, axis=0)
    rows = np.hstack([rows, rows]) + np.arange(100, dtype=np.float32)[:, None] / 1e3
    drawn = draw_between(rows, 300, seed=0).fill(pl.DataFrame(rows, schema=["a", "b"])).to_numpy()

    assert drawn.shape == (300, 2)
    assert np.abs(drawn[:, 0] - drawn[:, 1]).max() < 1  # never across the gap
    assert 0.2 < (drawn[:, 0] != drawn[:, 1]).mean() < 0.8
    assert np.isin(drawn, rows).all()


def test_answers_are_learnt_beside_the_labels() -> None:
    data = make_data(CLASSES)
    taught = add_answers(data, data.rows[:3], np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]))

    assert taught.labels[-3:].tolist() == [0, 1, 0]
    assert taught.targets is not None
    assert taught.targets[-2].tolist() == pytest.approx([0.2, 0.8])
    assert taught.targets[:200].argmax(axis=1).tolist() == data.labels.tolist()
    assert set(np.unique(taught.targets[:200])) == {0.0, 1.0}


def test_answers_of_a_regression_are_values() -> None:
    taught = add_answers(make_data(VALUES), make_data(VALUES).rows[:1], np.array([[7.5]]))

    assert taught.labels[-1] == 7.5
    assert taught.targets is None


def test_a_net_learns_probabilities_in_place_of_labels() -> None:
    pytest.importorskip("torch")
    data = make_data(CLASSES)
    turned = np.eye(2, dtype=np.float32)[1 - data.labels]
    taught = TrainingData(data.rows, data.labels, data.schema, turned)
    settings = {"n_layers": 1, "n_units": 16, "n_channels": 1, "activation": "relu"}
    net = get_family("net")
    *_, last = net.train(TrainingRun(settings, taught))

    predicted = net.predict(last.model, data.rows).argmax(axis=1)
    assert (predicted == 1 - data.labels).mean() > 0.9


def judge(n_right: int, n_right_alone: int) -> bool:
    """Compare two classifiers that err on the last rows of 400."""
    labels = np.arange(400) % 2
    rows = LabelledRows(np.zeros((400, 2), dtype=np.float32), labels, CLASSES)
    student, alone = (
        np.eye(2, dtype=np.float32)[np.where(np.arange(400) < n, labels, 1 - labels)]
        for n in (n_right, n_right_alone)
    )
    return is_better(ACCURACY, rows, student, alone)


@pytest.mark.parametrize(
    ("n_right", "n_right_alone", "is_admitted"),
    [(380, 350, True), (352, 350, False), (350, 350, False), (340, 350, False)],
)
def test_a_student_is_admitted_only_where_chance_does_not_explain_it(
    n_right: int, n_right_alone: int, is_admitted: bool
) -> None:
    assert judge(n_right, n_right_alone) is is_admitted
