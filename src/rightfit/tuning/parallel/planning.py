"""Plan a search: its budget and rules, what applications ask of it, and who shares the cores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rightfit.ranking.applications.applications import Applications
from rightfit.tuning.parallel.search_queue import PlannedSearch
from rightfit.tuning.pausing.priors import read_shipped_prior
from rightfit.tuning.search.cell import Cell
from rightfit.tuning.search.setting_up import WantedServings, make_demand, make_settings
from rightfit.tuning.search.space import ModelBlock
from rightfit.tuning.search.training_params import TrainingParams
from rightfit.tuning.studies.study_store import StudyStore


def plan_search(
    cell: Cell,
    training: TrainingParams,
    applications: Applications,
    evaluation: WantedServings,
    *,
    studies: StudyStore,
    siblings: Mapping[str, ModelBlock],
    n_searches: int,
) -> PlannedSearch:
    """Plan the search of a cell.

    Args:
        cell: What to search.
        training: Budget and rules.
        applications: Who will choose.
        evaluation: Serving configurations that they may choose from.
        studies: Where all searches are kept.
        siblings: The dataset's other models, by name.
        n_searches: Searches that run side by side.
    """
    settings = make_settings(training, cell.family, n_searches=n_searches)
    if training.early_stopping == "pausing":
        demand = make_demand(training, applications, evaluation)
        prior = read_shipped_prior(cell.family)
        settings = settings.model_copy(update={"demand": replace(demand, prior=prior)})
    n_at_once, _ = training.share_cores(n_searches)
    return PlannedSearch(
        cell,
        settings,
        studies,
        siblings,
        n_workers=training.n_workers,
        n_at_once=n_at_once,
        n_candidates=training.n_candidates,
    )
