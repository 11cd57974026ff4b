"""Every family keeps the promises of the family protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories.configurations import least_configuration

from rightfit.models.family import TrainingData, TrainingRun
from rightfit.models.registry import BUILT_IN, get_family

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "linear": {
        "n_epochs": 8,
        "alpha": 1e-4,
        "penalty": "l2",
        "learning_rate": "optimal",
        "eta0": 0.01,
    },
    "forest": {
        "n_estimators": 8,
        "max_depth": 4,
        "min_samples_leaf": 1,
        "max_features": "sqrt",
    },
    "boosting": {
        "max_iter": 8,
        "learning_rate": 0.3,
        "max_leaf_nodes": 7,
        "min_samples_leaf": 2,
        "l2_regularization": 0.1,
        "max_features": 0.5,
    },
    "net": {
        "n_epochs": 30,
        "n_layers": 1,
        "n_units": 16,
        "n_channels": 4,
        "dropout": 0.0,
        "learning_rate": 0.02,
        "weight_decay": 0.0,
        "batch_size": 16,
    },
}


def configuration_of(name: str) -> dict[str, Any]:
    """Settings that learn quickly: the above, or the least that parameters_models.yml allows."""
    return CONFIGURATIONS.get(name) or least_configuration(name)


def train_fully(name: str, data: TrainingData, *, seed: int = 0) -> Any:
    checkpoints = get_family(name).train(
        TrainingRun(configuration_of(name), data, n_checkpoints=2, seed=seed)
    )
    return list(checkpoints)[-1].model


@pytest.mark.parametrize("name", BUILT_IN)
def test_train_yields_each_checkpoint_with_growing_steps(name: str, blobs: TrainingData) -> None:
    checkpoints = get_family(name).train(
        TrainingRun(configuration_of(name), blobs, n_checkpoints=4)
    )

    n_steps = [checkpoint.n_steps for checkpoint in checkpoints]

    assert len(n_steps) == 4
    assert n_steps == sorted(set(n_steps))


@pytest.mark.parametrize("name", BUILT_IN)
def test_structure_counts_are_positive_and_grow_as_declared(name: str, blobs: TrainingData) -> None:
    family = get_family(name)
    counts = [
        family.describe_structure(checkpoint.model)
        for checkpoint in family.train(TrainingRun(configuration_of(name), blobs, n_checkpoints=2))
    ]

    assert {"n_parameters", "n_operations"} <= set(counts[0])
    assert min(counts[0].values()) > 0
    assert (counts[0] == counts[1]) == (family.growth == "constant")


def test_structure_of_a_perceptron_counts_weights_once_a_row(blobs: TrainingData) -> None:
    counts = get_family("net").describe_structure(train_fully("net", blobs))

    n_features = blobs.schema.n_features
    n_weights = n_features * 16 + 16 * 3
    n_others = n_features + 16 + 3  # factors of the columns, biases
    assert counts == {"n_parameters": n_weights + n_others, "n_operations": n_weights}


@pytest.mark.parametrize("name", BUILT_IN)
def test_trained_model_learns_separable_groups(name: str, blobs: TrainingData) -> None:
    probabilities = get_family(name).predict(train_fully(name, blobs), blobs.rows)

    assert probabilities.shape == (60, 3)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.mean(probabilities.argmax(axis=1) == blobs.labels) == 1.0


@pytest.mark.parametrize("name", BUILT_IN)
def test_same_seed_trains_the_same_model(name: str, blobs: TrainingData) -> None:
    first, second, other = (train_fully(name, blobs, seed=seed) for seed in (1, 1, 2))

    family = get_family(name)
    answers = family.predict(first, blobs.rows)

    np.testing.assert_array_equal(answers, family.predict(second, blobs.rows))
    assert not np.array_equal(answers, family.predict(other, blobs.rows))


def test_net_convolves_image_shaped_rows(image_blobs: TrainingData) -> None:
    net = get_family("net")

    model = train_fully("net", image_blobs)

    assert any("Conv2d" in type(layer).__name__ for layer in model)
    assert np.mean(net.predict(model, image_blobs.rows).argmax(1) == image_blobs.labels) > 0.9


@pytest.mark.parametrize("name", BUILT_IN)
def test_untrained_model_answers_in_the_final_shape_or_is_none(
    name: str, blobs: TrainingData
) -> None:
    family = get_family(name)

    model = family.build_untrained(configuration_of(name), blobs.schema, seed=0)

    if model is None:
        assert family.growth == "affine"
    else:
        assert family.predict(model, blobs.rows).shape == (60, 3)


@pytest.mark.parametrize("name", BUILT_IN)
def test_weights_survive_the_disk(name: str, blobs: TrainingData, tmp_path: Path) -> None:
    family = get_family(name)
    model = train_fully(name, blobs)
    path = tmp_path / family.weights_file

    family.save_weights(model, path)
    loaded = family.load_weights(path, configuration_of(name), blobs.schema)

    np.testing.assert_array_equal(
        family.predict(loaded, blobs.rows), family.predict(model, blobs.rows)
    )


@pytest.mark.parametrize("name", BUILT_IN)
def test_check_configuration_names_missing_and_unknown_settings(name: str) -> None:
    configuration = dict(configuration_of(name))
    removed = next(iter(configuration))
    del configuration[removed]
    configuration["colour"] = "red"

    with pytest.raises(ValueError, match=rf"missing=\[('{removed}')?\], .*'colour'"):
        get_family(name).check_configuration(configuration)


def test_get_family_names_what_there_is() -> None:
    with pytest.raises(
        ValueError, match=r"no model family 'boosted'.*'boosting', 'catboost', 'forest', "
    ):
        get_family("boosted")
