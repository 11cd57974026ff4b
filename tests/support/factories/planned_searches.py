"""Searches that are to run side by side in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from factories import cells
from factories.application_targets import make_targets
from rightfit_search.families.family import TrainingData
from rightfit_search.searching.parallel.planned_search import PlannedSearch
from rightfit_search.searching.studies.study_store import StudyStore

DEFAULT = {"default": {"alpha": 1e-4, "eta0": 0.1}}
PARAMS = cells.LINEAR_PARAMS.model_copy(update=DEFAULT)
BLOCK = cells.LINEAR_BLOCK.model_copy(update=DEFAULT)


def plan(
    data: TrainingData, studies: Path, n_at_once: int, *, n_jobs: int = 1, **changes: Any
) -> list[PlannedSearch]:
    """Plan three searches on two datasets."""
    changes = {
        "sampler": "tpe",
        "n_trials": 5,
        "early_stopping": "pausing",
        "targets": make_targets(),
    } | changes
    return [
        PlannedSearch(
            cells.make_cell(data, name=name, params=PARAMS),
            cells.make_settings(seed=seed, n_jobs=n_jobs, n_candidates=2, **changes),
            StudyStore(studies, None),
            {"a": BLOCK} if name == "x.b" else {},
            n_at_once,
        )
        for seed, name in enumerate(("x.a", "x.b", "y.a"))
    ]
