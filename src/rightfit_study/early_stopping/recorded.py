"""Recorded trainings: what each look saw, what each part cost, and what they teach of a family."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from pydantic import TypeAdapter

from rightfit.measuring.serving import Serving
from rightfit_search.searching.observing import project_fit, project_structure
from rightfit_search.searching.pausing.observed import Pool, Seen
from rightfit_search.searching.pausing.priors import Prior
from rightfit_search.searching.pausing.quality_projection import Floats, QualityPrior, StepPrior
from rightfit_study.early_stopping.measured_trials import (
    SERVED_COLUMNS,
    MeasuredTrial,
    learn_lines,
    list_measured,
)


@dataclass(frozen=True)
class RecordedTrial:
    """A recorded training.

    Args:
        trial: All looks, from before the training to its end, what was measured, and what exporting
            and measuring took.
        test_quality: Scaled quality on rows that the search never saw, by serving configuration.
    """

    trial: MeasuredTrial
    test_quality: Mapping[Serving, float]

    @property
    def total_s(self) -> float:
        """What training to the end and measuring everything costs."""
        trial = self.trial
        return trial.last.spent_s + (trial.export_s or 0.0) + sum(trial.measured_s.values())


@dataclass(frozen=True)
class RecordedCell:
    """All recordings of a cell.

    Args:
        dataset: Its dataset.
        model: Its family.
        trials: In the order they were drawn.
        n_checkpoints: Looks of a whole training.
    """

    dataset: str
    model: str
    trials: Sequence[RecordedTrial]
    n_checkpoints: int

    @property
    def name(self) -> str:
        """``{dataset}.{model}``."""
        return f"{self.dataset}.{self.model}"

    @property
    def servings(self) -> list[Serving]:
        """Serving configurations that were measured."""
        return list(dict.fromkeys(s for trial in self.trials for s in trial.trial.measured_s))

    @property
    def total_s(self) -> float:
        """What training every trial to the end and measuring everything costs."""
        return sum(trial.total_s for trial in self.trials)

    @property
    def best_quality(self) -> float:
        """Highest validated quality of a finished trial."""
        return max(recorded.trial.qualities[-1] for recorded in self.trials)

    def pool(self) -> Pool:
        """Return all trials as a search would see them that stopped nothing."""
        return Pool([recorded.trial for recorded in self.trials], self.n_checkpoints)


def read_cells(
    curves: pl.DataFrame, profiles: pl.DataFrame, growth: Mapping[str, str]
) -> list[RecordedCell]:
    """Build the cells from recorded tables.

    Args:
        curves: Recorded curves of all cells.
        profiles: Recorded profiles of all cells.
        growth: How a family's structure grows in training, by its name: ``constant`` or
            ``affine``. A family that is not named grows if its recorded counts do.
    """
    n_checkpoints = int(curves.select(pl.col("checkpoint").max()).item())
    cells = []
    for key, rows in curves.group_by("dataset", "model", maintain_order=True):
        dataset, model = str(key[0]), str(key[1])
        served = profiles.filter(
            (pl.col("dataset") == dataset)
            & (pl.col("model") == model)
            & (pl.col("checkpoint") == n_checkpoints)
        )
        by_index = {part_key[0]: part for part_key, part in served.group_by("index")}
        structures = rows.filter(pl.col("checkpoint") > 0).group_by("index").agg("structure")
        is_constant = structures["structure"].list.n_unique().max() == 1
        kind = growth.get(model) or ("constant" if is_constant else "affine")
        trials = [
            _read_trial(part, by_index[part_key[0]], kind)
            for part_key, part in rows.group_by("index", maintain_order=True)
        ]
        cells.append(RecordedCell(dataset, model, trials, n_checkpoints))
    return cells


def _read_trial(rows: pl.DataFrame, profiles: pl.DataFrame, growth: str) -> RecordedTrial:
    points = rows.sort("checkpoint").to_dicts()
    final_steps = points[-1]["n_steps"]
    looks = []
    for point in points:
        ratio = final_steps / max(point["n_steps"], 1)
        structure = None if point["structure"] is None else json.loads(point["structure"])
        looks.append(
            Seen(
                checkpoint=point["checkpoint"],
                quality=point["quality"],
                structure=project_structure(structure, growth=growth, ratio=ratio),
                fit=project_fit(point, ratio=ratio),
                spent_s=point["fit_cpu_s"] + point["validate_cpu_s"],
            )
        )
    served, measured_s, test_quality = {}, {}, {}
    for row in profiles.to_dicts():
        serving = Serving(row["runtime"], row["n_threads"], row["device"])
        served[serving] = {
            c: row[c] for c in SERVED_COLUMNS if row.get(c) is not None and row[c] == row[c]
        }
        measured_s[serving] = json.loads(row["measured_how"]).get("measured_s", 0.0)
        test_quality[serving] = row["quality"]
    start = points[0]
    trial = MeasuredTrial(
        start["index"],
        tuple(looks),
        served=served,
        export_s=start["export_cpu_s"],
        measured_s=measured_s,
    )
    return RecordedTrial(trial, test_quality)


def learn_prior(searches: Sequence[Pool]) -> Prior:
    """Learn from searches of the same family in which every trial was trained to the end."""
    if not searches:
        return Prior()
    curves = [np.array([trial.qualities for trial in search.trials]) for search in searches]
    measured = [trial for search in searches for trial in list_measured(search)]
    return Prior(learn_quality_prior(curves), learn_lines(measured))


def learn_quality_prior(curves: Sequence[Floats]) -> QualityPrior:
    """Learn from searches whose trials were all trained to the end.

    Args:
        curves: Qualities of each search, shape (n_trials, n_looks), all with the same looks. The
            better half at each look teaches slope and spread, the best third the rise.
    """
    steps = []
    for step in range(curves[0].shape[1] - 1):
        ranked = [q[np.argsort(-q[:, step], kind="stable")] for q in curves]
        rises = [np.median((q[:, step + 1] - q[:, step])[: max(len(q) // 3, 1)]) for q in ranked]
        halves = [q[: max(len(q) // 2, 1), step : step + 2] for q in ranked]
        centred = np.concatenate([half - half.mean(axis=0) for half in halves])
        slope = float((centred[:, 0] @ centred[:, 1]) / max(centred[:, 0] @ centred[:, 0], 1e-9))
        spread = float(np.std(centred[:, 1] - slope * centred[:, 0]))
        steps.append(StepPrior(float(np.median(rises)), slope, spread))
    return tuple(steps)


def dump_priors(priors: Mapping[str, Prior]) -> str:
    """Turn priors by family into JSON, as :func:`read_shipped_prior` reads it."""
    return TypeAdapter(dict[str, Prior]).dump_json(dict(priors)).decode()


def learn_elsewhere(cell: RecordedCell, cells: Sequence[RecordedCell]) -> Prior:
    """Learn what the recordings of a family on other datasets teach."""
    return learn_prior(
        [
            other.pool()
            for other in cells
            if other.model == cell.model
            and other.dataset != cell.dataset
            and other.n_checkpoints == cell.n_checkpoints
        ]
    )
