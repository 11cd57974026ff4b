"""Networks (torch): perceptron, convolutions, the head of a regression; reading their weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Configuration, Rows
from rightfit_search.families.perceptron import build_perceptron

MIN_SIDE = 4  # of an image, in pixels
N_STAGES = 3
PRODUCTS = (nn.Conv2d, nn.Linear)  # layers that are matrix products
SIMPLEST: Mapping[str, int | bool] = {"n_blocks": 0, "shift": 0, "flip": False}
"""Settings of images for a configuration that lacks them."""


class Rescale(nn.Module):
    """Turn standardised values into those of the target.

    A net learns values of standard deviation 1 well at one learning rate, whatever the unit of the
    target. The two numbers are part of the weights, so that every runtime answers in that unit.
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


class ImageRows(nn.Module):
    """Turn rows of pixels into images, channels first; in training each is changed at random.

    Args:
        shape: Height, width and channels.
        shift: Pixels by which an image is moved at most, in each direction; black moves in.
        is_mirrored: Mirror every second image, left to right.
    """

    def __init__(self, shape: tuple[int, int, int], *, shift: int, is_mirrored: bool) -> None:
        super().__init__()
        self.shape = shape
        self.shift = shift
        self.is_mirrored = is_mirrored

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return images, shape (n_rows, channels, height, width)."""
        images = rows.reshape(-1, *self.shape)
        if self.training and (self.shift or self.is_mirrored):
            n, (height, width, _), most = len(images), self.shape, self.shift
            down, right = torch.randint(-most, most + 1, (2, n, 1), device=images.device)
            ys = torch.arange(height, device=images.device) + down
            xs = torch.arange(width, device=images.device) + right
            if self.is_mirrored:
                xs = torch.where(torch.rand(n, 1, device=images.device) < 0.5, width - 1 - xs, xs)
            framed = nn.functional.pad(images, (0, 0, most, most, most, most))
            image_index = torch.arange(n, device=images.device)[:, None, None]
            images = framed[image_index, (ys + most)[:, :, None], (xs + most)[:, None, :]]
        if self.shape[2] == 1:  # the same memory, read as another shape
            return images.reshape(-1, 1, *self.shape[:2])
        return images.permute(0, 3, 1, 2).contiguous()


class Residual(nn.Module):
    """Two 3 × 3 convolutions whose result is added to what they read.

    Args:
        n_inputs: Channels that it reads.
        n_outputs: Channels that it gives.
        stride: 2 to halve height and width.
    """

    def __init__(self, n_inputs: int, n_outputs: int, *, stride: int) -> None:
        super().__init__()
        self.first = _normalise(n_inputs, n_outputs, 3, stride=stride)
        self.second = _normalise(n_outputs, n_outputs, 3)
        is_same = n_inputs == n_outputs and stride == 1
        self.shortcut = (
            nn.Identity() if is_same else _normalise(n_inputs, n_outputs, 1, stride=stride)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return images of the same or half the size."""
        inner = self.second(torch.relu(self.first(images)))
        return torch.relu(inner + self.shortcut(images))


def build_network(
    configuration: Configuration,
    schema: InputSchema,
    *,
    target: tuple[float, float] = (0.0, 1.0),
    seed: int | None = None,
) -> nn.Sequential:
    """Build an untrained network: logits of the classes, or a value.

    Args:
        configuration: All settings of the net family.
        schema: What it reads and predicts.
        target: Mean and standard deviation of the values of a regression.
        seed: Of the initial weights; ``None``: torch's generator goes on from where it is.

    Raises:
        ValueError: If rows are images too small for convolutions.
    """
    if seed is not None:
        torch.manual_seed(seed)
    if schema.image_shape is None:
        layers = build_perceptron(configuration, schema)
    else:
        layers, n_inputs = _convolve(configuration, schema.image_shape)
        for _ in range(configuration["n_layers"]):
            layers += [nn.Linear(n_inputs, configuration["n_units"]), nn.ReLU()]
            layers += [nn.Dropout(configuration["dropout"])]
            n_inputs = configuration["n_units"]
        layers.append(nn.Linear(n_inputs, schema.n_outputs))
    if schema.task == "regression":
        layers.append(Rescale(*target))
    network = nn.Sequential(*layers)
    network.n_features = schema.n_features  # type: ignore[assignment]  # no module
    return network


def wrap_module(
    module: nn.Module, schema: InputSchema, *, target: tuple[float, float] | None
) -> nn.Sequential:
    """Return somebody's module as the first of a sequence that knows its number of inputs.

    Args:
        module: The module.
        schema: What it reads and predicts.
        target: Mean and standard deviation that it is rescaled to in a regression; ``None``: it
            answers in the target's unit.
    """
    network = nn.Sequential(module)
    if schema.task == "regression" and target is not None:
        network.append(Rescale(*target))
    network.n_features = schema.n_features  # type: ignore[assignment]  # no module
    return network


Weights = Mapping[str, torch.Tensor]


def load_module(path: Path, build: Callable[[Weights], nn.Module], *, called: str) -> nn.Module:
    """Build a module for the weights of a file, and give it these.

    Raises:
        ValueError: If the file is damaged, or holds the weights of another module.
    """
    try:
        tensors = load_file(path)
        module = build(tensors)
        module.load_state_dict(tensors, assign=True)
    except (AttributeError, KeyError, RuntimeError, SafetensorError, TypeError, ValueError) as err:
        raise ValueError(f"{path} does not hold the weights of {called}: {err}") from err
    return module.eval()


def load_network(path: Path, configuration: Configuration, schema: InputSchema) -> nn.Module:
    """Read a network of the net family; see :func:`load_module` for what it raises."""

    def build(tensors: Weights) -> nn.Module:
        n_layers = configuration["n_layers"] + configuration.get("n_blocks", 0)
        if n_layers > len(tensors):  # before that many layers are built
            raise ValueError(f"{n_layers=}, but {len(tensors)} tensors are stored")
        with torch.device("meta"):  # no time is spent on weights that are replaced at once
            return build_network(configuration, schema)

    return load_module(path, build, called="this network")


def predict_network(network: Any, rows: Rows) -> Rows:
    """Return class probabilities, or the values of a regression; see ``Family.predict``."""
    with torch.inference_mode():
        device = next(network.parameters()).device
        outputs = network(torch.from_numpy(rows).to(device))
        if not isinstance(network[-1], Rescale):
            outputs = torch.softmax(outputs, dim=1)
        answers: Rows = outputs.cpu().numpy()
    return answers


def count_operations(
    network: nn.Sequential, of: tuple[type[nn.Module], ...] = (nn.Module,)
) -> float:
    """Count the multiplications of one row, by letting one pass.

    Args:
        network: It knows its number of inputs as ``n_features``.
        of: Kinds of layers that are counted, as far as they have weights.
    """
    n_operations = 0.0

    def count(layer: nn.Module, _inputs: object, output: Any) -> None:
        nonlocal n_operations
        weight: Any = getattr(layer, "weight", None)
        if weight is None or list(layer.children()):
            return
        shape = tuple(output.shape) if hasattr(output, "shape") else ()
        n_places = math.prod(shape[2:]) if weight.ndim > 2 else 1  # of a convolution
        n_operations += weight.numel() * n_places

    counted = [layer for layer in network.modules() if isinstance(layer, of)]
    hooks = [layer.register_forward_hook(count) for layer in counted]
    try:
        with torch.inference_mode():
            n_features: Any = network.n_features
            device = next(network.parameters()).device
            network(torch.zeros(1, n_features, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return n_operations


def _convolve(
    configuration: Configuration, shape: tuple[int, int, int]
) -> tuple[list[nn.Module], int]:
    """Build the part that reads images; return it with the number of its outputs.

    With ``n_blocks``: stages of residual blocks; each but the first halves the image and doubles
    the channels. He et al. (2016), arXiv:1512.03385, with a pooled first convolution as for large
    images. Without: two 3 × 3 convolutions with pooling.
    """
    height, width, n_image_channels = shape
    if min(height, width) < MIN_SIDE:
        raise ValueError(
            f"Convolutions need images of {MIN_SIDE} by {MIN_SIDE} pixels or more, but got "
            f"image_shape={list(shape)}."
        )
    settings = {**SIMPLEST, **configuration}
    n_channels, n_blocks = settings["n_channels"], settings["n_blocks"]
    layers: list[nn.Module] = [
        ImageRows(shape, shift=settings["shift"], is_mirrored=settings["flip"])
    ]
    if not n_blocks:
        layers += [
            nn.Conv2d(n_image_channels, n_channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(n_channels, 2 * n_channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        ]
        return layers, 2 * n_channels * (height // 4) * (width // 4)
    layers += [*_normalise(n_image_channels, n_channels, 3), nn.ReLU(), nn.MaxPool2d(2)]
    side, n_inputs = min(height, width) // 2, n_channels
    for stage in range(N_STAGES):
        stride = 2 if stage and side >= MIN_SIDE else 1
        side //= stride
        n_outputs = n_channels * 2**stage
        for _ in range(n_blocks):
            layers.append(Residual(n_inputs, n_outputs, stride=stride))
            n_inputs, stride = n_outputs, 1
    return [*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()], n_inputs


def _normalise(n_inputs: int, n_outputs: int, size: int, *, stride: int = 1) -> nn.Sequential:
    """Build a convolution and the scaling of its channels."""
    return nn.Sequential(
        nn.Conv2d(n_inputs, n_outputs, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(n_outputs),
    )
