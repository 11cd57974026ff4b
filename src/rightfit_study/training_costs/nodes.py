"""Nodes of the study of training costs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

# Kedro reads the hints of node functions at run time.
from rightfit._core.errors import RightfitError
from rightfit._core.processes.json_store import JsonStore
from rightfit._core.processes.leftovers import temporary_folder
from rightfit.measuring.hardware.environment import describe_environment
from rightfit.models.bundle import Bundle
from rightfit_search.searching.space import ModelBlock
from rightfit_search.tables.data_card import DataCard
from rightfit_study.training_costs.chart import draw_training_costs
from rightfit_study.training_costs.params import TrainingCostsParams

BATCHED_FAMILIES = ("net",)  # those whose configuration has a batch_size


def refuse_grid(grid: dict[str, Any]) -> None:
    """End a study of a grid in which no family trains in batches.

    Raises:
        RightfitError: Always.
    """
    raise RightfitError(
        f"No model of grid.models trains in batches: got {grid['models']}, families that do are "
        f"{list(BATCHED_FAMILIES)}. Add one, or choose another environment.",
        key="grid",
    )


def profile_training(
    candidates: Mapping[str, Bundle],
    train: pl.DataFrame,
    data_card: DataCard,
    measurements: JsonStore,
    params: TrainingCostsParams,
    model: ModelBlock,
) -> pl.DataFrame:
    """Measure training steps of a cell's first candidate at different batch sizes.

    Returns:
        One row per batch size.
    """
    from rightfit.measuring.rounds.worker_pool import shared_pool
    from rightfit_study.training_costs.measuring import measure_training_costs
    from rightfit_study.training_costs.steps import TrainingTask

    name, bundle = next(iter(sorted(candidates.items())))
    with temporary_folder("rows") as folder:
        rows, labels = _save_rows(train, data_card, params, folder)
        return measure_training_costs(
            TrainingTask(
                family=model.family,
                configuration=dict(bundle.configuration),
                schema=data_card.input_schema,
                rows=str(rows),
                labels=str(labels),
                device=params.device,
            ),
            params,
            pool=shared_pool(),
            store=measurements,
            context={
                "environment_id": describe_environment().environment_id,
                "data_version": data_card.data_version,
            },
            keys={"dataset": data_card.dataset, "model": bundle.model, "candidate": name},
        )


def collect_training_costs(*costs: pl.DataFrame) -> tuple[pl.DataFrame, Any]:
    """Put the costs of all cells into one table and draw them.

    Returns:
        The table and the chart of step time, throughput, cores and memory against batch size.
    """
    collected = pl.concat(costs)
    return collected, draw_training_costs(collected)


def _save_rows(
    train: pl.DataFrame, data_card: DataCard, params: TrainingCostsParams, folder: Path
) -> tuple[Path, Path]:
    """Write rows in random order, repeated where there are fewer than the largest stretch needs."""
    n_rows = max(params.n_rows, max(params.batch_sizes) * params.min_steps)
    order = np.resize(np.random.default_rng(0).permutation(train.height), n_rows)
    features = train.select(data_card.input_schema.features).to_numpy()
    rows, labels = folder / "rows.npy", folder / "labels.npy"
    np.save(rows, np.ascontiguousarray(features[order], dtype=np.float32))
    np.save(labels, data_card.input_schema.cast_labels(train["label"].to_numpy())[order])
    return rows, labels
