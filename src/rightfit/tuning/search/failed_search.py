"""The tables of a search without a complete trial, so that the other cells go on."""

from __future__ import annotations

import polars as pl

from rightfit.families.bundle import Bundle
from rightfit.tuning.search.cell import Cell, SearchSettings
from rightfit.tuning.search.search import open_study
from rightfit.tuning.studies.search_account import SCHEMA
from rightfit.tuning.studies.search_tables import (
    tabulate_curves,
    tabulate_failure,
    tabulate_trials,
)
from rightfit.tuning.studies.study_store import StudyStore


def describe_failed_search(
    cell: Cell, settings: SearchSettings, store: StudyStore, reason: str
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, dict[str, Bundle]]:
    """Return what a search leaves that has failed.

    Args:
        cell: What was searched.
        settings: By which rules.
        store: Where it is kept.
        reason: Why no trial was completed.

    Returns:
        Trials, one at least of them with the reason, learning curves, an account without rows, and
        no candidates.
    """
    study = open_study(cell, settings, store)
    trials = tabulate_trials(study, cell, n_checkpoints=settings.n_checkpoints)
    if trials.is_empty():
        trials = tabulate_failure(reason)
    return trials, tabulate_curves(study, cell.quality), pl.DataFrame(schema=SCHEMA), {}
