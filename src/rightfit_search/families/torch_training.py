"""Training a torch module batch by batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from rightfit.models.served_family import Configuration
from rightfit_search.families.family import Checkpoint, TrainingData, TrainingRun
from rightfit_search.families.rate_cycles import share_at
from rightfit_search.families.stored_rows import StoredRows

Loss = Callable[[Any, Any], Any]
"""Measures outputs against labels."""


def read_target(data: TrainingData) -> tuple[float, float]:
    """Return mean and standard deviation of the values to learn; neutral ones for classes."""
    if data.schema.task == "classification":
        return 0.0, 1.0
    return float(data.labels.mean()), float(data.labels.std())


def make_adamw(network: Any, configuration: Configuration) -> torch.optim.AdamW:
    """Return AdamW with the ``learning_rate`` and ``weight_decay`` of a configuration."""
    weights = list(network.parameters())
    return torch.optim.AdamW(
        weights,
        lr=configuration["learning_rate"],
        weight_decay=configuration["weight_decay"],
        # faster where tensors are small; complex numbers have no such form
        fused=all(torch.is_floating_point(weight) for weight in weights),
    )


def train_module(
    network: Any,
    run: TrainingRun,
    optimizer: torch.optim.Optimizer,
    *,
    schedule: Callable[[int], torch.optim.lr_scheduler.LRScheduler] | None = None,
    measure_loss: Loss | None = None,
    stored: StoredRows | None = None,
) -> Iterator[Checkpoint]:
    """Train a module, all rows once an epoch in a random order; a step is a mini-batch.

    Checkpoints lie where :func:`share_at` says, whatever the schedule of the rate. It trains on one
    thread. Two saved a fifth of the time on two free cores, and took 16 times as long when
    something else used one of them: they wait for each other at each operation.

    Args:
        network: The module, on its device.
        run: Its configuration holds ``n_epochs`` and ``batch_size``; the last batch of an epoch may
            have fewer rows; its seed is of the order.
        optimizer: Of the module's weights.
        schedule: Makes the schedule of the learning rate from the number of steps; ``None``: the
            rate is constant.
        measure_loss: ``None``: cross-entropy, or the squared error of a target of spread 1.
        stored: Rows to learn from instead, of which the run's are a sample.
    """
    configuration, data = run.configuration, run.data
    is_regression = data.schema.task == "regression"
    device = next(network.parameters()).device
    scale = read_target(data)[1]

    def measure_square(outputs: Any, targets: Any) -> Any:
        return (((outputs - targets) / scale) ** 2).mean()

    usual = measure_square if is_regression else torch.nn.functional.cross_entropy
    loss_of = measure_loss or usual
    batch_size, n_epochs = configuration["batch_size"], configuration["n_epochs"]
    if stored is None:
        n_steps = -(-len(data.labels) // batch_size) * n_epochs
        batches = _draw_batches(run, batch_size, n_epochs, device)
    else:
        n_steps = stored.count_batches(batch_size) * n_epochs
        read = stored.iterate_batches(batch_size, n_passes=n_epochs, seed=run.seed)
        batches = (_make_tensors(rows, labels, run, device) for rows, labels in read)
    shares = (share_at(n + 1, run.n_checkpoints) for n in range(run.n_checkpoints))
    ends = [max(1, round(n_steps * share)) for share in shares]
    weights = list(network.parameters())
    rate = schedule(n_steps) if schedule else None

    def step(rows: Any, labels: Any) -> None:
        loss = loss_of(network(rows), labels)
        for weight in weights:
            weight.grad = None  # as optimizer.zero_grad(), by a cheaper call
        loss.backward()
        optimizer.step()
        if rate:
            rate.step()

    n_threads_before = torch.get_num_threads()
    n_trained = 0
    try:
        for end in ends:
            torch.set_num_threads(1)
            network.train()
            for batch in itertools.islice(batches, end - n_trained):
                step(*batch)
            n_trained = end
            yield Checkpoint(network.eval(), n_steps=n_trained)
    finally:
        torch.set_num_threads(n_threads_before)


def _draw_batches(
    run: TrainingRun, batch_size: int, n_epochs: int, device: torch.device
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Draw mini-batches of a run's rows, each row once an epoch."""
    rows, labels = _make_tensors(run.data.rows, run.data.labels, run, device)
    shuffler = torch.Generator().manual_seed(run.seed)
    for _ in range(n_epochs):
        order = torch.randperm(len(rows), generator=shuffler)
        for index in torch.split(order, batch_size):
            on_device = index.to(device)  # as rows[index], by a cheaper call: nets take many steps
            yield rows.index_select(0, on_device), labels.index_select(0, on_device)


def _make_tensors(
    rows: Any, labels: Any, run: TrainingRun, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows, and what is learnt of them, on a device."""
    if run.data.schema.task == "regression":
        labels = labels.astype(np.float32)[:, None]
    writable = (np.require(array, requirements="W") for array in (rows, labels))
    on_device = [torch.from_numpy(array).to(device) for array in writable]
    return on_device[0], on_device[1]
