"""Recorded trainings: what each look saw, what each part cost, and how to read them from tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from rightfit.families.registry import get_family
from rightfit.tuning.judge.observed import SERVED_COLUMNS, ObservedTrial, Seen, Serving
from rightfit.tuning.judge.projection import project_fit, project_structure


@dataclass(frozen=True)
class RecordedTrial:
    """A recorded training, with what each part of it cost.

    Args:
        trial: All looks, from before the training to its end, and what was measured.
        spent_s: CPU seconds of training and validating up to each look, first 0.
        export_s: CPU seconds of writing and exporting the finished model.
        measuring_s: Seconds of measuring by serving configuration.
    """

    trial: ObservedTrial
    spent_s: tuple[float, ...]
    export_s: float
    measuring_s: Mapping[Serving, float]

    @property
    def total_s(self) -> float:
        """What training to the end and measuring everything costs."""
        return self.spent_s[-1] + self.export_s + sum(self.measuring_s.values())


@dataclass(frozen=True)
class RecordedCell:
    """All recordings of a cell.

    Args:
        name: ``{dataset}.{model}``.
        trials: In the order they were drawn.
        n_checkpoints: Looks of a whole training.
        best_quality: Highest quality recorded for the dataset, by any family.
        quality_elsewhere: The same by its other families, which a search may know already; -inf
            without any.
    """

    name: str
    trials: Sequence[RecordedTrial]
    n_checkpoints: int
    best_quality: float
    quality_elsewhere: float

    @property
    def servings(self) -> list[Serving]:
        """Serving configurations that were measured."""
        return list(dict.fromkeys(s for trial in self.trials for s in trial.measuring_s))


def read_cells(
    curves: pl.DataFrame,
    profiles: pl.DataFrame,
    places: Callable[[str, dict[str, Any]], tuple[float, ...]],
) -> list[RecordedCell]:
    """Build the cells from recorded tables.

    Args:
        curves: Recorded curves of all cells.
        profiles: Recorded profiles of all cells.
        places: Places a family's configuration on the unit cube.
    """
    final = pl.col("checkpoint") == pl.col("checkpoint").max()
    best = curves.filter(final).group_by("dataset", "model").agg(pl.col("quality").max()).rows()
    n_checkpoints = int(curves.select(pl.col("checkpoint").max()).item())
    cells = []
    for (dataset, model), rows in curves.group_by("dataset", "model", maintain_order=True):
        served = profiles.filter(
            (pl.col("dataset") == dataset)
            & (pl.col("model") == model)
            & (pl.col("checkpoint") == n_checkpoints)
        )
        by_index = {key[0]: part for key, part in served.group_by("index")}
        trials = [
            _read_trial(part, by_index[key[0]], partial(places, str(model)))
            for key, part in rows.group_by("index", maintain_order=True)
        ]
        here = {other: quality for name, other, quality in best if name == dataset}
        elsewhere = [quality for other, quality in here.items() if other != model]
        cells.append(
            RecordedCell(
                f"{dataset}.{model}",
                trials,
                n_checkpoints,
                best_quality=max(here.values()),
                quality_elsewhere=max(elsewhere, default=-np.inf),
            )
        )
    return cells


def _read_trial(
    rows: pl.DataFrame, profiles: pl.DataFrame, place: Callable[[dict[str, Any]], tuple[float, ...]]
) -> RecordedTrial:
    points = rows.sort("checkpoint").to_dicts()
    configuration = json.loads(points[0]["configuration"])
    family = get_family(points[0]["model"])
    final_steps = points[-1]["n_steps"]
    looks = tuple(
        Seen(
            checkpoint=point["checkpoint"],
            quality=point["quality"],
            structure=project_structure(
                None if point["structure"] is None else json.loads(point["structure"]),
                growth=family.growth,
                ratio=final_steps / max(point["n_steps"], 1),
            ),
            fit=project_fit(point, ratio=final_steps / max(point["n_steps"], 1)),
        )
        for point in points
    )
    served, measuring_s = {}, {}
    for row in profiles.to_dicts():
        serving = (row["runtime"], row["n_threads"], row["device"])
        served[serving] = {
            c: row[c] for c in SERVED_COLUMNS if row.get(c) is not None and row[c] == row[c]
        }
        measuring_s[serving] = json.loads(row["measured_how"]).get("measured_s", 0.0)
    trial = ObservedTrial(points[0]["index"], place(configuration), looks, served)
    spent = tuple(p["fit_cpu_s"] + p["validate_cpu_s"] for p in points)
    return RecordedTrial(trial, spent, points[0]["export_cpu_s"], measuring_s)
