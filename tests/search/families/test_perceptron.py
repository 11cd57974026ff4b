"""Nets on tables: their layers, how they are trained, and what is left to serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from rightfit.models.graph_passes import MODEL_PASSES
from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Configuration
from rightfit_search.families.family import Checkpoint, TrainingData, TrainingRun
from rightfit_search.families.net import FAMILY
from rightfit_search.families.training_work import TrainingSize

SMALL: Configuration = {"n_layers": 2, "n_units": 16, "n_channels": 4}


def make_rings(n_classes: int = 2) -> TrainingData:
    """Draw points whose class, or value, is their distance from the origin."""
    rows = np.random.default_rng(0).normal(size=(900, 3)).astype(np.float32)
    radius = np.linalg.norm(rows, axis=1)
    names = tuple(str(n) for n in range(n_classes))
    edges = np.quantile(radius, np.arange(1, n_classes) / max(n_classes, 1))
    labels = np.digitize(radius, edges) if names else 1e3 * radius
    return TrainingData(rows, labels, InputSchema(("a", "b", "c"), names, None))


def train(data: TrainingData, n_checkpoints: int = 1, **settings: Any) -> list[Checkpoint]:
    run = TrainingRun({**SMALL, "n_epochs": 60, **settings}, data, n_checkpoints)
    return list(FAMILY.train(run))


def list_operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def export(data: TrainingData, **settings: Any) -> onnx.ModelProto:
    model = train(data, **{"n_epochs": 1, **settings})[-1].model
    return onnx.load_from_string(FAMILY.export_onnx(model, data.schema))


@pytest.mark.parametrize("activation", ["smooth", "relu"])
def test_it_learns_what_no_linear_model_can(activation: str) -> None:
    classes, values = make_rings(), make_rings(0)

    labels = FAMILY.predict(train(classes, activation=activation)[-1].model, classes.rows)
    answers = FAMILY.predict(train(values, activation=activation)[-1].model, values.rows)

    assert np.mean(labels.argmax(1) == classes.labels) > 0.93
    assert np.square(answers[:, 0] - values.labels).mean() < 0.1 * values.labels.var()


def test_clip_scales_by_median_and_quartiles_and_stays_below_three() -> None:
    import torch

    from rightfit_search.families.perceptron import SmoothClip

    clip = SmoothClip(torch.zeros(3), torch.ones(3))
    spread = np.array([0, 1, 2, 3, 4], dtype=np.float32)
    rare = np.array([0, 0, 0, 0, 1], dtype=np.float32)  # its quartiles agree
    clip.fit(np.stack([spread, rare, np.full(5, 7, dtype=np.float32)], axis=1))

    clipped = clip(torch.tensor([[4.0, 1.0, 7.0], [1e6, 0.0, 1e6]])).numpy()

    one = 1 / np.sqrt(1 + 1 / 9)  # a quartile's distance above the median
    two = 2 / np.sqrt(1 + 4 / 9)  # twice half of the range
    np.testing.assert_allclose(clipped, [[one, two, 0], [3, 0, 0]], atol=1e-5)


def test_an_outlier_does_not_move_a_prediction_far() -> None:
    data = make_rings(0)
    model = train(data)[-1].model
    far, further = np.float32([[50, 0, 0]]), np.float32([[1e6, 0, 0]])

    answers = [FAMILY.predict(model, rows)[0, 0] for rows in (far, further)]

    assert answers[1] == pytest.approx(answers[0], rel=0.1)


def test_checkpoints_are_those_of_the_training_without_them() -> None:
    data = make_rings()

    steps = [checkpoint.n_steps for checkpoint in train(data, 6)]
    whole, split = (FAMILY.predict(train(data, n)[-1].model, data.rows) for n in (1, 6))

    assert steps == [4, 11, 27, 57, 118, 240]  # 240 batches times 1, 3, 7, 15, 31, 63 of 63
    np.testing.assert_array_equal(whole, split)


def test_six_checkpoints_grow_better() -> None:
    data = make_rings()

    qualities = []
    for checkpoint in FAMILY.train(TrainingRun({**SMALL, "n_epochs": 60}, data, 6)):
        answers = FAMILY.predict(checkpoint.model, data.rows)
        qualities.append(np.mean(answers.argmax(1) == data.labels))

    assert qualities[0] < qualities[2] < qualities[5]


def test_the_net_of_an_earlier_checkpoint_can_be_taken() -> None:
    data, early = make_rings(0), {}
    for checkpoint in FAMILY.train(TrainingRun({**SMALL, "n_epochs": 60}, data, 3)):
        early[checkpoint.n_steps] = FAMILY.predict(checkpoint.model, data.rows)

    taken = FAMILY.take_prefix(checkpoint.model, 57)

    assert [*early] == [57, 118, 240]
    np.testing.assert_array_equal(FAMILY.predict(taken, data.rows), early[57])
    np.testing.assert_array_equal(FAMILY.predict(checkpoint.model, data.rows), early[240])


def test_with_relu_all_but_products_folds() -> None:
    model = export(make_rings(3), activation="relu", n_layers=1)

    for rewrite in MODEL_PASSES:
        while (rewritten := rewrite(model)) is not model:
            model = rewritten

    assert list_operators(model) == ["Gemm", "Relu", "Gemm", "Softmax"]


@pytest.mark.parametrize(("n_classes", "operator"), [(3, "Selu"), (0, "Mish")])
def test_smooth_activations_are_single_operators(n_classes: int, operator: str) -> None:
    assert list_operators(export(make_rings(n_classes))).count(operator) == 2


def test_work_counts_the_recipes_epochs() -> None:
    size = TrainingSize(n_rows=1_000, n_judged=100, n_features=3, n_outputs=2)
    structure = {"n_parameters": 10.0, "n_operations": 8.0}
    image = {"n_parameters": 10.0, "n_operations": 80.0}  # its weights serve many places

    def passed(structure: dict[str, float], checkpoint: int = 6, **settings: Any) -> float:
        counts = FAMILY.count_work(
            SMALL | settings, size, structure, checkpoint=checkpoint, n_checkpoints=6
        )
        return counts["passed"]

    assert passed(structure) == 256_000
    assert passed(structure, 5) == pytest.approx(256_000 * 31 / 63)
    assert passed(structure, n_epochs=3) == 3_000
    assert passed(image) == 10_000


def test_wrong_activations_are_refused() -> None:
    with pytest.raises(ValueError, match="activation must be one of"):
        FAMILY.check_values({**SMALL, "activation": "tanh"})


def test_weights_that_are_read_are_not_drawn_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    data = make_rings()
    model = train(data, n_epochs=1)[-1].model
    FAMILY.save_weights(model, tmp_path / "weights")

    def draw(*_: object, **__: object) -> None:
        raise AssertionError("drawing without a device imports torch's compiler")

    monkeypatch.setattr(torch.nn.init, "normal_", draw)
    loaded = FAMILY.load_weights(tmp_path / "weights", SMALL, data.schema)

    np.testing.assert_array_equal(
        FAMILY.predict(loaded, data.rows), FAMILY.predict(model, data.rows)
    )
