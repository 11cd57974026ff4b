"""Every family keeps the promises of the family protocol."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from factories.configurations import QUICK

from rightfit.models.schema import Task
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.registry import get_family, refer_to_family
from rightfit_search.searching.pausing.priors import read_shipped_prior
from rightfit_search.testing import check_family


def train_fully(name: str, data: TrainingData, *, seed: int = 0) -> Any:
    checkpoints = get_family(name).train(TrainingRun(QUICK[name], data, n_checkpoints=2, seed=seed))
    return list(checkpoints)[-1].model


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", QUICK)
def test_family_does_what_the_protocol_asks_for(name: str, task: Task) -> None:
    assert check_family(name, QUICK[name], task=task) == []


@pytest.mark.parametrize("name", QUICK)
def test_structure_counts_are_positive_and_grow_as_declared(name: str, blobs: TrainingData) -> None:
    family = get_family(name)
    counts = [
        family.describe_structure(checkpoint.model)
        for checkpoint in family.train(TrainingRun(QUICK[name], blobs, n_checkpoints=2))
    ]

    assert {"n_parameters", "n_operations"} <= set(counts[0])
    assert min(counts[0].values()) > 0
    assert (counts[0] == counts[1]) == (family.growth == "constant")


def test_structure_of_a_perceptron_counts_weights_once_a_row(blobs: TrainingData) -> None:
    counts = get_family("net").describe_structure(train_fully("net", blobs))

    n_features = blobs.schema.n_features
    n_weights = n_features * 32 + 32 * 3
    n_others = n_features + 32 + 3  # factors of the columns, biases
    assert counts == {"n_parameters": n_weights + n_others, "n_operations": n_weights}


@pytest.mark.parametrize("name", QUICK)
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


@pytest.mark.parametrize("name", QUICK)
def test_check_configuration_names_missing_and_unknown_settings(name: str) -> None:
    configuration = dict(QUICK[name])
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


@pytest.mark.parametrize("family", ["forest", "rightfit_search.families.forest"])
def test_family_of_the_library_goes_by_its_name(family: str) -> None:
    reference = refer_to_family({"family": family})

    assert reference == "forest"
    assert read_shipped_prior(reference).lines
