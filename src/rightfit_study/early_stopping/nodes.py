"""Nodes of the experiment on early stopping."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import polars as pl

# Kedro reads the hints of node functions at run time: a hint it can't resolve switches off the
# check of the node's parameters.
from rightfit._core.processes.json_store import JsonStore
from rightfit._core.progress import report_trials
from rightfit.params.applications import ApplicationsParams
from rightfit.params.evaluation import EvaluationParams
from rightfit_search.searching.space import ModelBlock
from rightfit_search.searching.studies.study_store import StudyStore, fingerprint_family
from rightfit_search.searching.training_params import TrainingParams
from rightfit_search.tables.data_card import DataCard
from rightfit_study.early_stopping.params import EarlyStoppingParams
from rightfit_study.early_stopping.savings import (
    draw_stopping,
    headline,
    summarise_cells,
    summarise_savings,
)

logger = logging.getLogger(__name__)


def record_curves(
    train: pl.DataFrame,
    validation: pl.DataFrame,
    data_card: DataCard,
    studies: StudyStore,
    model: ModelBlock,
    study: EarlyStoppingParams,
    *,
    cell_name: str,
) -> pl.DataFrame:
    """Train a cell's random configurations to the end, looking at every checkpoint.

    Returns:
        One row per configuration and checkpoint; checkpoint 0 is before any training.
    """
    from rightfit_search.searching.setting_up import make_cell
    from rightfit_study.early_stopping.recording import record_cell, tabulate_recordings

    recording = study.recording
    cell = make_cell(cell_name, train, validation, data_card, model)
    key = fingerprint_family(
        cell.family,
        {
            "data_version": cell.data_version,
            "quality": cell.quality.name,
            "params": cell.params.model_dump(),
            "n_checkpoints": recording.n_checkpoints,
            "n_snapshots": recording.n_snapshots,
            "seed": recording.seed,
        },
    )
    folder = studies.cell(cell_name).folder / f"recordings-{key}"
    recordings = record_cell(
        cell, recording, folder, on_recording=partial(report_trials, f"{cell_name} unstopped")
    )
    logger.info("%s: %d trainings recorded", cell_name, len(recordings))
    return tabulate_recordings(
        recordings, dataset=data_card.dataset, model=cell.model, quality=cell.quality
    )


def profile_recordings(
    recorded_curves: pl.DataFrame,
    test: pl.DataFrame,
    data_card: DataCard,
    measurements: JsonStore,
    model: ModelBlock,
    study: EarlyStoppingParams,
    evaluation: EvaluationParams,
) -> pl.DataFrame:
    """Measure what every recorded model costs to serve, some of them before their end too.

    Returns:
        Resource profiles with the columns ``index`` and ``checkpoint`` in front.
    """
    from rightfit_study.early_stopping.recording_profiles import profile_recorded

    return profile_recorded(
        recorded_curves,
        test,
        data_card,
        measurements,
        study.recording,
        family=model.family,
        tiers=evaluation.tiers,
    )


def replay_rules(
    applications: ApplicationsParams,
    study: EarlyStoppingParams,
    training: TrainingParams,
    *recorded: pl.DataFrame,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame, Any]:
    """Replay every stopping policy on the recordings.

    ``recorded`` are the curves of all cells, then their profiles in the same order.

    Returns:
        All replays, the savings of each policy, the same by cell and application, how early each
        metric's final value is known, and the chart of savings against losses.
    """
    from rightfit_study.early_stopping.experiment import Experiment, run_experiment
    from rightfit_study.early_stopping.known_early import tabulate_known_early
    from rightfit_study.early_stopping.recorded import read_cells

    replaying = study.replay
    n_cells = len(recorded) // 2
    curves, profiles = pl.concat(recorded[:n_cells]), pl.concat(recorded[n_cells:])
    cells = read_cells(curves, profiles, {})
    experiment = Experiment(
        cells,
        dict(applications.items()),
        training.pausing,
        n_orders=replaying.n_orders,
        seed=replaying.seed,
        datasets=list(dict.fromkeys(cell.dataset for cell in cells)),
    )
    replays = run_experiment(
        experiment, n_jobs=replaying.n_jobs, on_task=partial(report_trials, "replays")
    )
    savings = summarise_savings(replays)
    by_cell = summarise_cells(replays)
    logger.info("Early stopping: %s", headline(replays, savings, seed=replaying.seed))
    known = tabulate_known_early(curves, profiles)
    return replays, savings, by_cell, known, draw_stopping(by_cell)
