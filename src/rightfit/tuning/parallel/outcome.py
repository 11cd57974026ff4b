"""Bring a planned search to its end, and put what it found into tables and candidates."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import polars as pl

from rightfit.families.bundle import Bundle
from rightfit.formatting import count
from rightfit.tuning.parallel.search_queue import PlannedSearch
from rightfit.tuning.search.candidates import bundle_candidates
from rightfit.tuning.search.search import SearchFailedError, run_search
from rightfit.tuning.search.search_scheduler import open_study
from rightfit.tuning.search.search_tables import (
    ACCOUNT_SCHEMA,
    account_search,
    tabulate_curves,
    tabulate_failure,
    tabulate_trials,
)
from rightfit.tuning.studies.budget import GUARD, Budget
from rightfit.tuning.studies.trial_attributes import finished_trials

logger = logging.getLogger(__name__)


class SearchOutcome(NamedTuple):
    """What a search has found.

    Args:
        trials: One row per finished trial; where none was begun, one failed trial with the reason.
        learning_curves: One row per finished trial and checkpoint.
        account: What it spent, and what each application got; no rows where quality alone steered,
            or the search has failed.
        candidates: Bundles by candidate name, the best by quality first; none if it has failed.
    """

    trials: pl.DataFrame
    learning_curves: pl.DataFrame
    account: pl.DataFrame
    candidates: dict[str, Bundle]


def complete_search(
    planned: PlannedSearch, *, on_trial: Callable[[str, int, int | None], None]
) -> SearchOutcome:
    """Search a cell until its budget is spent, unless that is done already; keep its candidates.

    A search without a complete trial is told of in the log and in its trials.

    Args:
        planned: The search.
        on_trial: Called with the cell's name, the trials begun and ``n_trials``.
    """
    search = planned.tell_known_quality()
    cell, settings, store = search.cell, search.settings, search.store
    told = partial(on_trial, cell.name)
    no_account = pl.DataFrame(schema=ACCOUNT_SCHEMA)
    try:
        study = run_search(cell, settings, store, on_trial=told, rule=search.rule)
    except (SearchFailedError, ImportError) as err:
        logger.error("%s has failed, the other cells go on: %s", cell.name, err)
        study = open_study(cell, settings, store)
        trials = tabulate_trials(study, cell, n_checkpoints=settings.n_checkpoints)
        if trials.is_empty():
            trials = tabulate_failure(str(err))
        return SearchOutcome(trials, tabulate_curves(study, cell.quality), no_account, {})
    budget = Budget(None, settings.budget_cpu_s, None)
    if budget.is_guarded(finished_trials(study)):
        logger.warning(
            "%s took %g times its budget of %g CPU seconds and was ended: on a faster or an idle "
            "machine it would find more. Raise training.budget_cpu_s, or train on fewer rows.",
            *(cell.name, GUARD, budget.cpu_s),
        )
    account = no_account
    if settings.targets is not None:
        account = account_search(study.get_trials(deepcopy=False), cell, settings, settings.targets)
    candidates = bundle_candidates(
        study,
        cell,
        settings,
        store,
        n_candidates=search.n_candidates,
        exports=search.exports,
    )
    trials = tabulate_trials(study, cell, n_checkpoints=settings.n_checkpoints)
    states = ", ".join(f"{n} {state}" for state, n in sorted(trials["state"].value_counts().rows()))
    found = f"{states}, {count(len(candidates), 'candidate')}"
    missed = account.filter(pl.col("nearest_miss").is_not_null())["application"]
    if len(missed):
        found += f"; no trial satisfies {', '.join(missed)}, other cells' may"
    logger.info("%s: %s", cell.name, found)
    return SearchOutcome(trials, tabulate_curves(study, cell.quality), account, candidates)
