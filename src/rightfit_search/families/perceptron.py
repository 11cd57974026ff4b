"""Perceptrons on tables, after RealMLP-TD-S.

The recipe is that of Holzmüller, Grinsztajn and Steinwart (2024), *Better by default: strong
pre-tuned MLPs and boosted trees on tabular data*, arXiv:2407.04491. Columns are scaled robustly and
clipped smoothly, each has a learnt factor, layers are trained in the neural-tangent
parametrisation, by Adam at a high rate that rises and falls in cycles, with smoothed labels. Where
the recipe keeps the best epoch, a search keeps the best end of a cycle: a candidate's last
training, which has no validation rows to judge by, can then end there.
"""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Configuration, Rows
from rightfit_search.families.family import Checkpoint, TrainingRun
from rightfit_search.families.rate_cycles import cycle_rate
from rightfit_search.families.stored_rows import StoredRows
from rightfit_search.families.torch_training import train_module

CLIP = 3.0
LABEL_SMOOTHING = 0.1
SCALE_RATE, BIAS_RATE = 6.0, 0.1  # times the learning rate


class SmoothClip(nn.Module):
    """Scale columns by median and quartiles, and keep them within ±3 smoothly.

    Args:
        center: Medians, shape (n_features,).
        factor: What deviations from them are multiplied by, same shape.
    """

    center: torch.Tensor
    factor: torch.Tensor

    def __init__(self, center: torch.Tensor, factor: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("center", center)
        self.register_buffer("factor", factor)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return values in (-3, 3)."""
        scaled = (rows - self.center) * self.factor
        return scaled / torch.sqrt(1 + scaled * scaled) * CLIP

    def fit(self, rows: Rows) -> None:
        """Measure the columns; one whose quartiles agree is scaled by half its range."""
        low, median, high = np.quantile(rows, [0.25, 0.5, 0.75], axis=0)
        width = np.where(high > low, high - low, np.ptp(rows, axis=0) / 2)
        factor = np.divide(1 / CLIP, width, out=np.zeros_like(width), where=width > 0)
        self.center.copy_(torch.from_numpy(median))
        self.factor.copy_(torch.from_numpy(factor))


class ColumnScale(nn.Module):
    """Multiply each column by a learnt factor."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n_features))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return scaled rows."""
        return rows * self.scale


def build_perceptron(configuration: Configuration, schema: InputSchema) -> list[nn.Module]:
    """Return the layers of an untrained perceptron, from rows to logits or a standardised value.

    With ``activation: relu`` columns are not clipped: all but products and ReLU then folds into
    the products, and serving is cheapest.
    """
    n_inputs = schema.n_features
    is_smooth = configuration["activation"] == "smooth"
    layers: list[nn.Module] = [ColumnScale(n_inputs)]
    if is_smooth:
        layers.insert(0, SmoothClip(torch.zeros(n_inputs), torch.full((n_inputs,), 1 / CLIP)))
    for _ in range(configuration["n_layers"]):
        layers.append(nn.Linear(n_inputs, configuration["n_units"]))
        if not is_smooth:
            layers.append(nn.ReLU())
        else:
            layers.append(nn.SELU() if schema.classes else nn.Mish())
        if configuration["dropout"]:
            layers.append(nn.Dropout(configuration["dropout"]))
        n_inputs = configuration["n_units"]
    layers.append(nn.Linear(n_inputs, schema.n_outputs))
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    if linear[-1].weight.is_meta:  # to be read: drawing them would import torch's compiler, 1 s
        return layers
    for layer in linear[:-1]:
        nn.init.normal_(layer.weight, std=1 / math.sqrt(layer.in_features))
        nn.init.normal_(layer.bias)
    nn.init.zeros_(linear[-1].weight)
    nn.init.zeros_(linear[-1].bias)
    return layers


def train_perceptron(
    network: nn.Sequential, run: TrainingRun, stored: StoredRows | None = None
) -> Iterator[Checkpoint]:
    """Train a perceptron; a step is a mini-batch.

    Adam's steps do not depend on the size of gradients. A weight in the neural-tangent
    parametrisation, where a layer divides by the root of its inputs, therefore moves as an
    ordinary weight at a rate that is divided by the same root.

    Args:
        network: On its device.
        run: With every setting.
        stored: Rows to learn from instead, of which the run's are a sample.
    """
    for clip in network.children():
        if isinstance(clip, SmoothClip):
            clip.fit(run.data.rows)
    of_rate: dict[float, list[torch.Tensor]] = defaultdict(list)
    for layer in network.modules():
        if isinstance(layer, ColumnScale):
            of_rate[SCALE_RATE].append(layer.scale)
        elif isinstance(layer, nn.Linear):
            of_rate[1 / math.sqrt(layer.in_features)].append(layer.weight)
            of_rate[BIAS_RATE].append(layer.bias)
    rate = run.configuration["learning_rate"]
    optimizer = torch.optim.AdamW(
        [{"params": params, "lr": rate * factor} for factor, params in of_rate.items()],
        betas=(0.9, 0.95),
        weight_decay=run.configuration["weight_decay"],
        fused=True,
    )
    smoothed = nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING)
    trained = train_module(
        network,
        run,
        optimizer,
        schedule=lambda n_steps: torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: cycle_rate(step / n_steps)
        ),
        measure_loss=smoothed if run.data.schema.classes else None,
        stored=stored,
    )
    snapshots: dict[int, dict[str, torch.Tensor]] = {}
    network.snapshots = snapshots  # type: ignore[assignment]  # no module
    for checkpoint in trained:
        snapshots[checkpoint.n_steps] = {
            name: tensor.clone() for name, tensor in network.state_dict().items()
        }
        yield checkpoint


def take_snapshot(network: Any, n_steps: int) -> Any | None:
    """Return a copy of a network as it was at a checkpoint; ``None`` without snapshots."""
    snapshots = network.__dict__.pop("snapshots", None)
    if snapshots is None:
        return None
    earlier = copy.deepcopy(network)
    network.snapshots = snapshots
    earlier.load_state_dict(snapshots[n_steps])
    return earlier
