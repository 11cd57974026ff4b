"""The networks of the net family (torch): perceptron, convolutions, the head of a regression."""

from __future__ import annotations

import torch
from torch import nn

from rightfit.families.family import Configuration
from rightfit.families.schema import InputSchema


class Rescale(nn.Module):
    """Turn standardised values into those of the target.

    A net learns values of standard deviation 1 well at one learning rate, whatever the unit of the
    target. The two numbers are part of the weights, so that every runtime answers in that unit.

    Args:
        mean: Mean of the target.
        scale: Its standard deviation.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, mean: float = 0.0, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))

    def forward(self, standardised: torch.Tensor) -> torch.Tensor:
        """Return values in the target's unit."""
        return standardised * self.scale + self.mean


def build_network(
    configuration: Configuration, schema: InputSchema, *, mean: float = 0.0, scale: float = 1.0
) -> nn.Sequential:
    """Build an untrained network: logits of the classes, or a value.

    Args:
        configuration: Its sizes.
        schema: Its input and what it predicts.
        mean: Mean of the target in regression.
        scale: Its standard deviation.

    Raises:
        ValueError: If rows are images that it does not support.
    """
    layers = _convolve(configuration, schema) if schema.image_shape else []
    n_inputs = _count_flat(configuration, schema) if schema.image_shape else schema.n_features
    layers += _connect(configuration, n_inputs, schema.n_outputs)
    if schema.task == "regression":
        layers.append(Rescale(mean, scale))
    return nn.Sequential(*layers)


def _connect(configuration: Configuration, n_inputs: int, n_outputs: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for _ in range(configuration["n_layers"]):
        layers += [nn.Linear(n_inputs, configuration["n_units"]), nn.ReLU()]
        layers += [nn.Dropout(configuration["dropout"])]
        n_inputs = configuration["n_units"]
    return [*layers, nn.Linear(n_inputs, n_outputs)]


def _convolve(configuration: Configuration, schema: InputSchema) -> list[nn.Module]:
    """Build two 3 × 3 convolutions with pooling."""
    height, width, n_channels = _read_size(configuration, schema)
    return [
        nn.Unflatten(1, (1, height, width)),
        nn.Conv2d(1, n_channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(n_channels, 2 * n_channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
    ]


def _count_flat(configuration: Configuration, schema: InputSchema) -> int:
    height, width, n_channels = _read_size(configuration, schema)
    return 2 * n_channels * (height // 4) * (width // 4)


def _read_size(configuration: Configuration, schema: InputSchema) -> tuple[int, int, int]:
    """Return an image's height and width, and the channels of the first convolution."""
    if schema.image_shape is None:
        raise ValueError("Convolutions need image-shaped rows, but got schema.image_shape=None.")
    height, width, n_image_channels = schema.image_shape
    if n_image_channels != 1:
        raise ValueError(f"Rows of {n_image_channels=} are not supported; set image_shape: null.")
    return height, width, int(configuration["n_channels"])
