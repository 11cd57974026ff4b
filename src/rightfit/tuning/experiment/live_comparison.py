"""Live searches with and without stopping.

Replays are exact for random search only: a sampler that learns asks for other configurations once
trials are stopped. So the same search is run twice, once with the judge and once with nobody
stopping, everything trained and measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from rightfit.tuning.judge.appraisal import appraise
from rightfit.tuning.judge.demand import Demand
from rightfit.tuning.judge.observed import Pool
from rightfit.tuning.search.budget import spent_cpu_s
from rightfit.tuning.search.search import Cell, SearchSettings, run_search
from rightfit.tuning.studies.live_pool import SearchRecord, read_search
from rightfit.tuning.studies.study_store import StudyStore

SCHEMA: dict[str, Any] = {
    "seed": pl.Int64,
    "application": pl.String,
    "n_trials": pl.Int64,
    **dict.fromkeys(("n_complete", "n_complete_unstopped"), pl.Int64),
    **dict.fromkeys(("spent_s", "spent_unstopped_s"), pl.Float64),
    **dict.fromkeys(("utility", "utility_unstopped", "regret"), pl.Float64),
}


def compare_live(
    cell: Cell, settings: SearchSettings, demand: Demand, store: StudyStore, *, seeds: Sequence[int]
) -> pl.DataFrame:
    """Search a cell with and without stopping, once for each seed.

    Args:
        cell: What to search.
        settings: Budget and sampler, without a demand.
        demand: What the applications ask for.
        store: Where the studies are kept; what is there is not searched again.
        seeds: Of sampling and training.

    Returns:
        One row per seed and application. ``utility`` is that of the search's best trial, costs
        smoothed over all searches of the cell; null where nothing is feasible. ``regret`` is what
        stopping lost (negative: gained), the whole utility where it lost the only feasible.
    """
    unstopped = replace(demand, rules=demand.rules.model_copy(update={"rules": ()}))
    pairs = [
        tuple(
            _search(cell, replace(settings, seed=seed, demand=asked), store, name)
            for asked, name in ((demand, "judge"), (unstopped, "none"))
        )
        for seed in seeds
    ]
    trials = [trial for pair in pairs for found in pair for trial in found.pool.trials]
    renumbered = [replace(trial, number=number) for number, trial in enumerate(trials)]
    judge = demand.make_judge(Pool(renumbered, settings.n_checkpoints))
    rows = []
    for seed, (stopped, whole) in zip(seeds, pairs, strict=True):
        for name in judge.applications:
            best, best_unstopped = (
                max(appraise(judge, trial, name) for trial in found.complete)
                for found in (stopped, whole)
            )
            rows.append(
                {
                    "seed": seed,
                    "application": name,
                    "n_trials": len(stopped.trials),
                    "n_complete": len(stopped.complete),
                    "n_complete_unstopped": len(whole.complete),
                    "spent_s": spent_cpu_s(stopped.trials),
                    "spent_unstopped_s": spent_cpu_s(whole.trials),
                    "utility": best if best >= 0 else None,
                    "utility_unstopped": best_unstopped if best_unstopped >= 0 else None,
                    "regret": max(best_unstopped, 0.0) - max(best, 0.0),
                }
            )
    return pl.DataFrame(rows, schema=SCHEMA)


def summarise_live(searches: pl.DataFrame) -> pl.DataFrame:
    """Sum up live searches by cell and application.

    Args:
        searches: From :func:`compare_live`, with the column ``cell``.

    Returns:
        ``saved`` (cost without stopping / cost, geometric mean over seeds), mean and highest
        ``regret``, and the number of seeds with a feasible winner that stopping lost.
    """
    log_saved = (pl.col("spent_unstopped_s") / pl.col("spent_s")).log()
    is_lost = pl.col("utility").is_null() & pl.col("utility_unstopped").is_not_null()
    return searches.group_by("cell", "application", maintain_order=True).agg(
        n_seeds=pl.len(),
        saved=log_saved.mean().exp(),
        regret_mean=pl.col("regret").mean(),
        regret_max=pl.col("regret").max(),
        n_lost=is_lost.sum(),
    )


def _search(cell: Cell, settings: SearchSettings, store: StudyStore, name: str) -> SearchRecord:
    own = replace(store, folder=store.folder / f"live-{name}")
    study = run_search(cell, settings, own, on_trial=lambda n, m: None)  # noqa: ARG005
    return read_search(study.get_trials(deepcopy=False), cell, n_checkpoints=settings.n_checkpoints)
