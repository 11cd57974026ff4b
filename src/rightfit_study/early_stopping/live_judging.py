"""Judging live searches: what their winners by validation are worth on rows that none has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
import polars as pl
from optuna.trial import FrozenTrial, TrialState

from rightfit.families.bundle import read_bundle
from rightfit.families.family import TrainingData
from rightfit.families.registry import get_family
from rightfit.profiling.serving import Serving
from rightfit.ranking.applications.constraints import judge_profiles, resolve_limits
from rightfit.tuning.pausing.observed import SERVED_COLUMNS, ObservedTrial, Pool
from rightfit.tuning.pausing.serving_costs import ServingCosts
from rightfit.tuning.search.cell import ApplicationTargets, Cell, SearchSettings
from rightfit.tuning.search.observing import read_finished
from rightfit.tuning.studies.budget import spent_cpu_s
from rightfit.tuning.studies.study_store import StudyStore, fingerprint_family

SCHEMA: dict[str, Any] = {
    "seed": pl.Int64,
    "method": pl.String,
    "application": pl.String,
    **dict.fromkeys(("n_trials", "n_complete"), pl.Int64),
    **dict.fromkeys(("spent_s", "utility_test", "quality_test"), pl.Float64),
}


@dataclass(frozen=True)
class ChosenTrial:
    """What an application chooses of a search.

    Args:
        trial: The complete trial.
        serving: How it is served.
    """

    trial: ObservedTrial
    serving: Serving


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
    chosen = [_choose(targets, search, cell, settings.n_checkpoints) for search in searches]
    tested: dict[tuple[str, int], float] = {}
    for search, winners in zip(searches, chosen, strict=True):
        for number in {winner.trial.number for winner in winners.values() if winner is not None}:
            quality = _test_quality(cell, test, search.store, search.study, number)
            tested[search.method, number] = quality
    peer = searches[1]  # its first trial is the default, trained to its end whatever the budget
    default = _test_quality(cell, test, peer.store, peer.study, 0)
    rows: list[dict[str, Any]] = []
    for search, winners in zip(searches, chosen, strict=True):
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
                quality = tested[search.method, winner.trial.number]
                utility = _utility(targets, name, winner, quality, default=default)
                worth = {"utility_test": utility, "quality_test": quality}
            rows.append(shared | {"application": name} | worth)
    judged = pl.DataFrame(rows, schema=SCHEMA)
    partial = kept.with_suffix(".partial")
    judged.write_parquet(partial)
    partial.rename(kept)
    return judged


def _choose(
    targets: ApplicationTargets, search: SearchedCell, cell: Cell, n_checkpoints: int
) -> dict[str, ChosenTrial | None]:
    """Let each application choose a trial that was trained to the end, and how it is served."""
    finished = read_finished(search.trials, cell, n_checkpoints=n_checkpoints)
    trained = [replace(t, is_free=True) for t in finished.trials if finished.is_trained(t)]
    forecast = targets.make_rule().forecast(Pool(trained, n_checkpoints))
    chosen: dict[str, ChosenTrial | None] = dict.fromkeys(targets.applications.root)
    if forecast is None:
        return chosen
    for name, utility in forecast.utilities.items():
        worth = utility.quantiles.mean(axis=2)
        row, column = np.unravel_index(int(worth.argmax()), worth.shape)
        if worth[row, column] > 0:
            chosen[name] = ChosenTrial(trained[int(row)], targets.servings[int(column)])
    return chosen


def _test_quality(
    cell: Cell, test: TrainingData, store: StudyStore, study: optuna.Study, number: int
) -> float:
    bundle = read_bundle(store.bundle_folder(study.study_name, number), family=cell.family)
    model = store.trust_recorded(bundle).load_native()
    answers = get_family(cell.family).predict(model, test.rows)
    return cell.quality.scale(cell.quality.score(test.labels, answers))


def _utility(
    targets: ApplicationTargets, name: str, winner: ChosenTrial, quality: float, *, default: float
) -> float:
    application = targets.applications.root[name]
    last, costs = winner.trial.last, ServingCosts(targets.prior.lines)
    metrics = {
        metric: costs.predict(last.structure, winner.serving, metric)[0]
        for metric in SERVED_COLUMNS
    } | dict(last.fit)
    known = {"quality": quality, "n_threads": float(winner.serving.n_threads)}
    values = {
        metric: np.array([known.get(metric, metrics.get(metric, np.nan))], dtype=np.float64)
        for metric in application.needed_metrics()
    }
    limits = resolve_limits(application, {"quality": np.asarray(default)})
    judged = judge_profiles(values, application, limits=limits)
    return float(judged.utility[0]) if judged.feasible[0] else 0.0
