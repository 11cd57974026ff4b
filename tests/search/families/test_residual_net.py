"""The net of images: residual blocks, random changes in training, and what is left as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories.bundles import store_model

from rightfit.models.bundle import read_bundle
from rightfit.models.bundle_exports import add_onnx
from rightfit.models.runtimes import open_predictor
from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Configuration
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.net import FAMILY

pytestmark = pytest.mark.whole

PLAIN: Configuration = {
    "n_epochs": 12, "n_layers": 0, "n_units": 1, "n_channels": 4, "dropout": 0.0,
    "learning_rate": 0.01, "weight_decay": 1e-4, "batch_size": 16,
}  # fmt: skip
RESIDUAL: Configuration = {**PLAIN, "n_blocks": 1, "shift": 1, "flip": False}


def make_stripes(shape: tuple[int, int, int]) -> TrainingData:
    """Draw images with a bright row or a bright column, anywhere, under noise."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 121)  # the last batch of an epoch has a few rows, or one
    images = rng.random((121, *shape), dtype=np.float32) / 2
    for image, label in zip(images, labels, strict=True):
        at = rng.integers(0, shape[label])
        image[(at, slice(None)) if label == 0 else (slice(None), at)] = 1
    rows = images.reshape(121, -1)
    names = tuple(f"p{i}" for i in range(rows.shape[1]))
    return TrainingData(rows, labels, InputSchema(names, ("row", "column"), shape))


def train(configuration: Configuration, data: TrainingData) -> Any:
    *_, last = FAMILY.train(TrainingRun(configuration, data, n_checkpoints=3))
    return last.model


@pytest.mark.parametrize("shape", [(8, 12, 3), (9, 8, 1)])
def test_residual_net_learns_is_stored_and_exported_alike(
    shape: tuple[int, int, int], tmp_path: Path
) -> None:
    data = make_stripes(shape)
    model = train(RESIDUAL, data)

    written = store_model(tmp_path / "net", model, "net", RESIDUAL, data.schema)
    bundle = add_onnx(written, data.rows)
    bundle = read_bundle(bundle.path, trust=True, family="net")

    answers = FAMILY.predict(model, data.rows)
    assert np.mean(answers.argmax(1) == data.labels) > 0.9
    for runtime in ("native", "onnx"):
        opened = open_predictor(bundle, runtime=runtime, n_threads=1, device="cpu")
        np.testing.assert_allclose(opened(data.rows), answers, atol=1e-5)


@pytest.mark.parametrize("batch_size", [8, 20])  # 121 rows: a last batch of one row
def test_an_image_that_shrinks_to_a_few_pixels_can_be_learnt(batch_size: int) -> None:
    data = make_stripes((4, 4, 1))

    model = train({**RESIDUAL, "n_epochs": 1, "batch_size": batch_size}, data)

    assert np.isfinite(FAMILY.predict(model, data.rows)).all()


def test_channels_are_told_apart() -> None:
    import torch

    from rightfit_search.families.networks import ImageRows

    data = make_stripes((4, 5, 3))
    images = ImageRows((4, 5, 3), shift=0, is_mirrored=False)(torch.from_numpy(data.rows))

    expected = data.rows.reshape(-1, 4, 5, 3)
    np.testing.assert_array_equal(images[:, 2].numpy(), expected[..., 2])


def test_training_moves_and_mirrors_images_and_serving_does_not() -> None:
    import torch

    from rightfit_search.families.networks import ImageRows

    image = torch.arange(1.0, 13.0).reshape(1, -1)
    rows = image.repeat(200, 1)
    layer = ImageRows((3, 4, 1), shift=1, is_mirrored=True)

    served = layer.eval()(rows)
    torch.manual_seed(0)
    seen = {tuple(one.flatten().tolist()) for one in layer.train()(rows)}

    np.testing.assert_array_equal(served, image.reshape(1, 1, 3, 4).expand(200, 1, 3, 4))
    assert len(seen) == 3 * 3 * 2  # down, right, mirrored
    assert (0, 0, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5) in seen
    assert (0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11) in seen


def test_structure_counts_every_place_of_a_convolution() -> None:
    from rightfit_search.families.networks import build_network

    schema = make_stripes((8, 8, 1)).schema

    plain = FAMILY.describe_structure(build_network(PLAIN, schema))
    residual = FAMILY.describe_structure(build_network(RESIDUAL, schema).eval())

    assert plain["n_operations"] == 4 * 9 * 64 + 8 * 4 * 9 * 16 + 8 * 2 * 2 * 2
    first, second = 2 * 4 * 4 * 9 * 16, (4 * 8 * 9 + 8 * 8 * 9 + 4 * 8) * 4
    third = (8 * 16 * 9 + 16 * 16 * 9 + 8 * 16) * 4  # as large: 2 pixels are not halved
    assert residual["n_operations"] == 4 * 9 * 64 + first + second + third + 16 * 2


def test_a_configuration_from_before_builds_the_same_net() -> None:
    import torch

    from rightfit_search.families.networks import Residual, build_network

    schema = make_stripes((8, 8, 1)).schema
    torch.manual_seed(0)

    network = build_network(PLAIN, schema)

    assert [*network.state_dict()] == ["1.weight", "1.bias", "4.weight", "4.bias", "8.weight",
                                       "8.bias"]  # fmt: skip
    assert not any(isinstance(layer, Residual) for layer in network)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"flip": 1}, "flip must be true or false, not 1"),
        ({"n_blocks": 1.5}, "n_blocks must be a whole number"),
        ({"shift": -1}, "shift must be a whole number from 0"),
    ],
)
def test_wrong_settings_of_images_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FAMILY.check_values({**RESIDUAL, **changed})


def test_images_too_small_for_convolutions_are_refused() -> None:
    from rightfit_search.families.networks import build_network

    with pytest.raises(ValueError, match="images of 4 by 4 pixels or more"):
        build_network(RESIDUAL, make_stripes((3, 8, 1)).schema)


def test_torchs_operators_are_read_once_however_many_exports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch
    from torch.onnx._internal.exporter import _registration

    read = _registration.onnxscript_apis.get_torchlib_ops
    calls = []
    monkeypatch.setattr(
        _registration.onnxscript_apis, "get_torchlib_ops", lambda: calls.append(1) or read()
    )
    schema = InputSchema(("a", "b"), ("x", "y"), None)
    FAMILY.load_exporter()

    exports = [FAMILY.export_onnx(torch.nn.Linear(2, 2), schema) for _ in range(2)]

    assert all(exports)
    assert len(calls) <= 1  # none if another test has exported
