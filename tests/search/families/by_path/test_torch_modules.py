"""A torch module becomes a family by its import path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories.bundles import store_model

from rightfit.models.bundle import read_bundle
from rightfit.models.bundle_exports import offer_onnx
from rightfit.models.runtimes import open_predictor
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.registry import get_family, refer_to_family

TRAINING = {"n_epochs": 40, "batch_size": 16, "learning_rate": 0.02, "weight_decay": 0.0}
TWO_LAYERS: dict[str, Any] = {**TRAINING, "n_units": 8}


def train(module: str, configuration: dict[str, Any], data: TrainingData, seed: int = 0) -> Any:
    *_, last = get_family(f"torch:fakes.networks.{module}").train(
        TrainingRun(configuration, data, n_checkpoints=3, seed=seed)
    )
    return last


def test_module_learns_is_stored_and_answers_alike_in_every_runtime(
    blobs: TrainingData, tmp_path: Path
) -> None:
    name = refer_to_family({"family": "torch", "module": "fakes.networks.TwoLayers"})
    last = train("TwoLayers", TWO_LAYERS, blobs)
    written = store_model(tmp_path / "bundle", last.model, name, TWO_LAYERS, blobs.schema)

    bundle = read_bundle(offer_onnx(written, blobs.rows).path, trust=True, family=name)
    native, onnx = (
        open_predictor(bundle, runtime=runtime, n_threads=1, device="cpu")
        for runtime in ("native", "onnx")
    )

    answers = get_family(name).predict(last.model, blobs.rows)
    assert last.n_steps == 160  # 40 epochs of 4 batches
    assert np.mean(answers.argmax(axis=1) == blobs.labels) == 1.0
    np.testing.assert_array_equal(native(blobs.rows), answers)
    np.testing.assert_allclose(onnx(blobs.rows), answers, atol=1e-4)
    assert bundle.weights_file == "weights.safetensors"
    assert "fakes.networks" not in (bundle.path / "bundle.json").read_text()


def test_same_seed_trains_the_same_module(blobs: TrainingData) -> None:
    family = get_family("torch:fakes.networks.TwoLayers")
    first, second, other = (
        family.predict(train("TwoLayers", TWO_LAYERS, blobs, seed).model, blobs.rows)
        for seed in (1, 1, 2)
    )

    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_loss_of_the_module_is_what_is_trained_by(blobs: TrainingData) -> None:
    from fakes.networks import Smoothed

    before = Smoothed.n_calls

    train("Smoothed", {**TWO_LAYERS, "n_epochs": 1}, blobs)

    assert Smoothed.n_calls == before + 4


def test_structure_counts_each_place_of_a_convolution(image_blobs: TrainingData) -> None:
    family = get_family("torch:fakes.networks.Convolved")
    model = family.build_untrained(TRAINING, image_blobs.schema, seed=0)

    counts = family.describe_structure(model)

    n_convolved, n_connected = 3 * 9, 3 * 64 * 3
    assert counts == {
        "n_parameters": n_convolved + 3 + n_connected + 3,
        "n_operations": n_convolved * 64 + n_connected,
    }


@pytest.mark.parametrize(
    ("module", "configuration", "message"),
    [
        ("fakes.networks.TwoLayer", TWO_LAYERS, r"has no 'TwoLayer'. Correct the model's module"),
        ("networks_of_test.TwoLayers", TWO_LAYERS, "no module 'networks_of_test'"),
        ("fakes.networks.TwoLayers", TRAINING, r"missing=\['n_units'\]"),
        ("fakes.networks.TwoLayers", {"n_units": 8}, r"missing=\['batch_size', "),
        ("fakes.networks.TwoLayers", {**TWO_LAYERS, "depth": 2}, r"unknown=\['depth'\]"),
        ("torch.nn.ReLU", TRAINING, "n_features and n_outputs"),
    ],
)
def test_wrong_module_or_setting_is_named(
    module: str, configuration: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        get_family(f"torch:{module}").check_configuration(configuration)


def test_what_is_no_module_is_named(blobs: TrainingData) -> None:
    with pytest.raises(ValueError, match=r"made a list, which is no nn\.Module"):
        train("make_nothing", TRAINING, blobs)


def test_weights_of_another_size_are_refused(blobs: TrainingData, tmp_path: Path) -> None:
    family = get_family("torch:fakes.networks.TwoLayers")
    family.save_weights(train("TwoLayers", TWO_LAYERS, blobs).model, tmp_path / "w.safetensors")

    with pytest.raises(ValueError, match=r"does not hold the weights of fakes\.networks"):
        family.load_weights(tmp_path / "w.safetensors", {**TWO_LAYERS, "n_units": 9}, blobs.schema)
