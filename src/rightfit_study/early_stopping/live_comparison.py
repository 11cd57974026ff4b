"""Live searches of one cell at equal compute: pausing, no stopping, and Optuna's median.

Replays are exact for random search only. So the same cell is searched live with TPE, the pausing
search first; the others get the work that it did, in CPU seconds that trainings usually take.
Budgets are whole trainings of the family's default, since what stopping can save depends on how
many the budget holds. What a peer trained beyond it counts in rows of its own only (``…_late``): a
running training is not cut, and a user who waits for it has it. What complete trials cost to serve
follows from their structure. The winners by validation are judged on the test rows, which no search
has seen. Every search trains the default first, so limits relative to the best quality count from
the default's test quality: no method moves another's limits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
import polars as pl
from optuna.trial import FrozenTrial, TrialState

from rightfit.measuring.serving import Serving
from rightfit.models.bundle import read_bundle
from rightfit.models.family import TrainingData
from rightfit.models.registry import get_family
from rightfit.ranking.applications.constraints import judge_profiles, resolve_limits
from rightfit.searching.cell import Cell, SearchSettings
from rightfit.searching.observing import read_finished
from rightfit.searching.pausing.costs import ServingCosts
from rightfit.searching.pausing.observed import ObservedTrial, Pool
from rightfit.searching.pausing.pausing_rule import ApplicationTargets, PausingRule
from rightfit.searching.search import run_search
from rightfit.searching.studies.budget import spent_cpu_s, spent_work_s
from rightfit.searching.studies.study_store import StudyStore, fingerprint_family
from rightfit.searching.studies.trial_attributes import finished_trials
from rightfit.searching.task_worker import repeat_training
from rightfit_study.early_stopping.measured_trials import SERVED_COLUMNS

PEERS = ("none", "median")
LATE = "_late"  # with the training that ran when the budget was spent
OURS = "pausing"
N_DRAWS = 2_000

SCHEMA: dict[str, Any] = {
    "seed": pl.Int64,
    "method": pl.String,
    "application": pl.String,
    **dict.fromkeys(("n_trials", "n_complete"), pl.Int64),
    **dict.fromkeys(("spent_s", "utility_test", "quality_test"), pl.Float64),
}


@dataclass(frozen=True)
class SearchedCell:
    """A finished search.

    Args:
        method: How it was searched.
        store: Where its bundles are.
        study: The search.
        trials: Those of its trials that count.
    """

    method: str
    store: StudyStore
    study: optuna.Study
    trials: Sequence[FrozenTrial]


def compare_live(
    cell: Cell,
    test: TrainingData,
    settings: SearchSettings,
    targets: ApplicationTargets,
    store: StudyStore,
    *,
    n_trainings: float,
    seeds: Sequence[int],
) -> pl.DataFrame:
    """Search a cell by each method, once for each seed.

    Args:
        cell: What to search.
        test: Rows that no search sees.
        settings: Sampler of the pausing search, without application targets or a budget.
        targets: What the applications ask for.
        store: Where the studies are kept, in files; what is there is neither searched nor judged
            again.
        n_trainings: Budget of each search, in trainings of the family's default.
        seeds: Of sampling and training.

    Returns:
        One row per seed, method and application. ``utility_test`` is that of the winner by
        validation on the test rows, 0 where none is feasible there.
    """
    budget_s = n_trainings * _read_default_s(cell, settings, store)
    store = replace(store, folder=store.folder / f"live-{n_trainings:g}", storage=None)
    kept = _store_of(store, OURS)
    found = []
    for seed in seeds:
        own = settings.model_copy(update={"seed": seed, "budget_cpu_s": budget_s})
        study = _search(cell, own.model_copy(update={"targets": targets}), kept)
        ours = SearchedCell(OURS, kept, study, study.get_trials(deepcopy=False))
        spent_s = spent_work_s(ours.trials)
        searches = [ours]
        for method in PEERS:
            folder = _store_of(store, method)
            changes = {"n_trials": None, "budget_cpu_s": spent_s, "early_stopping": method}
            peer = own.model_copy(update=changes)
            study = _search(cell, peer, folder)
            trials = finished_trials(study)
            within = trials_within(trials, spent_s)
            searches.append(SearchedCell(method, folder, study, within))
            late = trials[: len(within) + 1]
            searches.append(SearchedCell(method + LATE, folder, study, late))
        found.append(judge_searches(cell, test, own, targets, searches))
    return pl.concat(found)


def judge_searches(
    cell: Cell,
    test: TrainingData,
    settings: SearchSettings,
    targets: ApplicationTargets,
    searches: Sequence[SearchedCell],
) -> pl.DataFrame:
    """Judge the searches of one seed on the test rows, or read how they were judged before."""
    asked = {"applications": targets.applications.model_dump(), "servings": repr(targets.servings)}
    ours = searches[0]
    kept = (
        ours.store.folder
        / f"{ours.study.study_name}.{fingerprint_family(cell.family, asked)}.parquet"
    )
    if kept.exists():
        return pl.read_parquet(kept)
    peer = searches[1]  # its first trial is the default, trained to its end whatever the budget
    default = _test_quality(cell, test, peer, 0)
    rows: list[dict[str, Any]] = []
    for search in searches:
        winners = _choose(targets, search, cell, settings.n_checkpoints)
        numbers = {winner[0].number for winner in winners.values() if winner is not None}
        tested = {number: _test_quality(cell, test, search, number) for number in numbers}
        shared = {
            "seed": settings.seed,
            "method": search.method,
            "n_trials": len(search.trials),
            "n_complete": sum(trial.state == TrialState.COMPLETE for trial in search.trials),
            "spent_s": spent_cpu_s(search.trials),
        }
        for name, winner in winners.items():
            worth = {"utility_test": 0.0, "quality_test": None}
            if winner is not None:
                quality = tested[winner[0].number]
                utility = _utility(targets, name, *winner, quality=quality, default=default)
                worth = {"utility_test": utility, "quality_test": quality}
            rows.append(shared | {"application": name} | worth)
    judged = pl.DataFrame(rows, schema=SCHEMA)
    partial = kept.with_suffix(".partial")
    judged.write_parquet(partial)
    partial.rename(kept)
    return judged


def _choose(
    targets: ApplicationTargets, search: SearchedCell, cell: Cell, n_checkpoints: int
) -> dict[str, tuple[ObservedTrial, Serving] | None]:
    """Let each application choose a trial that was trained to the end, and how it is served."""
    finished = read_finished(search.trials, cell, n_checkpoints=n_checkpoints)
    trained = [trial for trial in finished.trials if finished.is_trained(trial)]
    forecast = PausingRule(targets).forecast(Pool(trained, n_checkpoints))
    chosen: dict[str, tuple[ObservedTrial, Serving] | None] = dict.fromkeys(targets.applications)
    if forecast is None:
        return chosen
    for name, utility in forecast.utilities.items():
        worth = utility.quantiles.mean(axis=2)
        row, column = np.unravel_index(int(worth.argmax()), worth.shape)
        if worth[row, column] > 0:
            chosen[name] = trained[int(row)], targets.servings[int(column)]
    return chosen


def _test_quality(cell: Cell, test: TrainingData, search: SearchedCell, number: int) -> float:
    folder = search.store.bundle_folder(search.study.study_name, number)
    bundle = read_bundle(folder, family=cell.family)
    model = search.store.trust_recorded(bundle).load_native()
    answers = get_family(cell.family).predict(model, test.rows)
    return cell.quality.scale(cell.quality.score(test.labels, answers))


def _utility(
    targets: ApplicationTargets,
    name: str,
    winner: ObservedTrial,
    serving: Serving,
    *,
    quality: float,
    default: float,
) -> float:
    application = targets.applications[name]
    last, costs = winner.last, ServingCosts(targets.prior.lines)
    metrics = {
        metric: costs.predict(last.structure, serving, metric)[0] for metric in SERVED_COLUMNS
    } | dict(last.fit)
    known = {"quality": quality, "n_threads": float(serving.n_threads)}
    values = {
        metric: np.array([known.get(metric, metrics.get(metric, np.nan))], dtype=np.float64)
        for metric in application.needed_metrics()
    }
    limits = resolve_limits(application, {"quality": np.asarray(default)})
    judged = judge_profiles(values, application, limits=limits)
    return float(judged.utility[0]) if judged.feasible[0] else 0.0


def summarise_live(searches: pl.DataFrame, *, seed: int, ours: str = OURS) -> pl.DataFrame:
    """Sum up live searches: what a method gains in test utility, with a 95 % interval.

    Cells are drawn with replacement, then searches within each.

    Args:
        searches: From :func:`compare_live`, with the column ``cell``.
        seed: Of the bootstrap.
        ours: The method that the others are held against.

    Returns:
        One row per peer: ``n_cells``, ``n_searches``, mean ``gain``, ``gain_low``, ``gain_high``.
    """
    keys = ["cell", "seed", "application"]
    of_ours = searches.filter(pl.col("method") == ours).select(
        *keys, pl.col("utility_test").alias("ours")
    )
    rng = np.random.default_rng(seed)
    rows = []
    for peer in searches["method"].unique(maintain_order=True):
        if peer == ours:
            continue
        pairs = searches.filter(pl.col("method") == peer).join(of_ours, on=keys)
        gains = pairs.group_by("cell", "seed", maintain_order=True).agg(
            (pl.col("ours") - pl.col("utility_test")).mean().alias("gain")
        )
        cells = [part["gain"].to_numpy() for _, part in gains.group_by("cell", maintain_order=True)]
        draws = [
            np.mean([rng.choice(cells[c], len(cells[c])).mean() for c in drawn])
            for drawn in rng.integers(len(cells), size=(N_DRAWS, len(cells)))
        ]
        low, high = np.quantile(draws, [0.025, 0.975])
        rows.append(
            {
                "peer": peer,
                "n_cells": len(cells),
                "n_searches": pairs.unique(["cell", "seed"]).height,
                "gain": float(np.mean([cell.mean() for cell in cells])),
                "gain_low": float(low),
                "gain_high": float(high),
            }
        )
    return pl.DataFrame(rows)


def _read_default_s(cell: Cell, settings: SearchSettings, store: StudyStore) -> float:
    """Return the CPU seconds that training the family's default usually takes, found once.

    Without a default it is a random configuration.
    """
    kept = store.folder / "default_cpu_s.json"
    if kept.exists():
        return float(json.loads(kept.read_text(encoding="utf-8")))
    default = cell.default()
    if default is None:  # any other configuration: the same one for all methods
        sampler = optuna.samplers.RandomSampler(seed=settings.seed)
        configuration = cell.params.suggest(optuna.create_study(sampler=sampler).ask())
    else:
        configuration = cell.params.fixed | dict(default)
    last = repeat_training(configuration, cell, settings, settings.n_checkpoints)
    spent_s = last.point["work_s"]
    store.folder.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(spent_s), encoding="utf-8")
    return float(spent_s)


def _store_of(store: StudyStore, method: str) -> StudyStore:
    """Return where one method's searches are kept: a study's name does not tell it."""
    return replace(store, folder=store.folder / method)


def _search(cell: Cell, settings: SearchSettings, store: StudyStore) -> optuna.Study:
    return run_search(cell, settings, store)


def trials_within(trials: Sequence[FrozenTrial], budget_s: float) -> list[FrozenTrial]:
    """Return the trials that ended within a budget, one after the other; the first always does."""
    kept: list[FrozenTrial] = []
    for trial in trials:
        if kept and spent_work_s([*kept, trial]) > budget_s:
            break
        kept.append(trial)
    return kept
