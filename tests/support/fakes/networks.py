"""Torch modules that tests name by import path."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class TwoLayers(nn.Module):
    """A perceptron with a normalised input."""

    def __init__(self, n_features: int, n_outputs: int, n_units: int, slope: float = 0.1) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm1d(n_features)
        self.first = nn.Linear(n_features, n_units)
        self.second = nn.Linear(n_units, n_outputs)
        self.slope = slope

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        hidden = nn.functional.leaky_relu(self.first(self.normalise(rows)), self.slope)
        scores: torch.Tensor = self.second(hidden)
        return scores


class Smoothed(TwoLayers):
    """The same with a loss of its own."""

    n_calls = 0

    def loss(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        Smoothed.n_calls += 1
        return nn.functional.cross_entropy(outputs, labels, label_smoothing=0.1)


class Convolved(nn.Module):
    """One convolution over an image-shaped row."""

    def __init__(self, n_features: int, n_outputs: int, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        height, width, n_channels = image_shape
        self.layers = nn.Sequential(
            nn.Unflatten(1, (n_channels, height, width)),
            nn.Conv2d(n_channels, 3, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(3 * height * width, n_outputs),
        )

    def forward(self, rows: torch.Tensor) -> Any:
        return self.layers(rows)


def make_nothing(n_features: int, n_outputs: int) -> list[int]:
    return [n_features, n_outputs]
