"""What does a smaller search budget lose? Searches of the main job with several budgets and seeds.

Run from the repository's root: ``python benchmarks/search_budgets.py --root FOLDER``.
Budgets are CPU seconds, so the machine need not be quiet for the searches. What a search has kept
as candidates is judged on all test rows, which it has never seen: each application takes the
candidate and serving configuration of most utility by validation quality and the costs that follow
from its structure, and gets its utility with the test quality; 0 where a limit is broken then.
Limits relative to the best quality count from the best that any budget has reached with that seed.
The last line is JSON:

- ``utility_B``: mean utility of the winners with budget B;
- ``loss_B``, ``loss_B_error``: what is lost against the first budget, and its standard error over
  seeds;
- ``loss_kept_B``, ``loss_kept_B_error``: the same of the choices that keep all limits with both;
- ``errors_below_default_B``: the best test quality of a dataset less that of the best default
  configuration of its families, in standard errors; the smallest of all datasets and seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from kedro.framework.startup import bootstrap_project
from omegaconf import OmegaConf

from rightfit.families.family import TrainingData, TrainingRun
from rightfit.families.registry import get_family
from rightfit.kedro_project.run import RightfitSession
from rightfit.pipelines import find_grid
from rightfit.pipelines.training.nodes import plan_cell
from rightfit.quality.metric import QualityMetric
from rightfit.quality.standard_errors import standard_error
from rightfit.ranking.applications.applications import Application
from rightfit.ranking.applications.constraints import judge_profiles, resolve_limits
from rightfit.tuning.parallel.planned_search import PlannedSearch
from rightfit.tuning.pausing.observed import SERVED_COLUMNS
from rightfit.tuning.pausing.serving_costs import ServingCosts
from rightfit.tuning.search.cell import study_name
from rightfit.tuning.search.observing import read_finished
from rightfit.tuning.search.setting_up import make_data

PROJECT = Path(__file__).resolve().parents[1]
SHARED = ("02_intermediate", "04_feature", "05_model_input")  # what every search reads


@dataclass(frozen=True)
class ServedCandidate:
    """A candidate in a serving configuration.

    Args:
        costs: What it costs to serve, by metric.
        validated: Scaled quality on the validation rows.
        tested: Scaled quality on the test rows.
    """

    costs: dict[str, float]
    validated: float
    tested: float


def main() -> None:
    """Search with every budget and seed, judge, end with one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budgets", type=float, nargs="+", default=[40, 20])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--env", default="base")
    parser.add_argument("--params", nargs="*", default=[], help="more parameters: name=value")
    parser.add_argument("--root", type=Path, required=True, help="folder to keep the searches in")
    asked = parser.parse_args()
    bootstrap_project(PROJECT)
    root = asked.root.resolve()
    prepared = root / "prepared"
    if not prepared.exists():
        prepared.mkdir(parents=True)
        (prepared / "01_raw").symlink_to(PROJECT / "data" / "01_raw")
        _run("data_engineering", prepared, asked, [])
    utilities: dict[float, list[list[float]]] = {budget: [] for budget in asked.budgets}
    errors: dict[float, list[float]] = {budget: [] for budget in asked.budgets}
    for seed in asked.seeds:
        found = {
            budget: _search(root / f"{budget:g}-{seed}", prepared, asked, budget=budget, seed=seed)
            for budget in asked.budgets
        }
        for budget, (values, n_errors) in _judge(found, asked).items():
            utilities[budget].append(values)
            errors[budget].append(n_errors)
            print(
                f"seed {seed}, {budget:g} CPU s: {statistics.mean(values):.4f}, "
                f"{values.count(0.0)} of {len(values)} choices break a limit, "
                f"{n_errors:+.2f} standard errors",
                flush=True,
            )
    print(json.dumps(_sum_up(utilities, errors)))


def _run(pipelines: str, data_root: Path, asked: argparse.Namespace, more: Sequence[str]) -> None:
    params = ",".join([f"data_root={data_root}", *asked.params, *more])
    command = ("-m", "kedro", "run", "--pipelines", pipelines, "--env", asked.env)
    subprocess.run(  # noqa: S603 - this program's own arguments
        [sys.executable, *command, "--params", params], check=True, cwd=PROJECT, stdout=sys.stderr
    )


def _search(
    folder: Path, prepared: Path, asked: argparse.Namespace, *, budget: float, seed: int
) -> dict[str, Any]:
    """Search all cells unless that is done; return the run's parameters."""
    given = {"training.budget_cpu_s": budget, "training.seed": seed}
    if not (folder / "done").exists():
        folder.mkdir(exist_ok=True)
        for name in SHARED:
            if not (folder / name).exists():
                (folder / name).symlink_to(prepared / name)
        _run("training", folder, asked, [f"{key}={value}" for key, value in given.items()])
        (folder / "done").touch()
    lines = [*asked.params, *(f"{key}={value}" for key, value in given.items())]
    params: Any = OmegaConf.to_container(OmegaConf.from_dotlist(lines))
    return {"data_root": str(folder), **params}


def _judge(
    runs: dict[float, dict[str, Any]], asked: argparse.Namespace
) -> dict[float, tuple[list[float], float]]:
    """Return the winners' utilities by budget, and the least standard errors above a default."""
    served: dict[float, dict[str, list[ServedCandidate]]] = {}
    n_errors: dict[float, float] = {}
    defaults: dict[str, tuple[float, float]] = {}  # best default of each dataset, and its error
    for budget, params in runs.items():
        opened: Any = RightfitSession.create(PROJECT, env=asked.env, runtime_params=params)
        with opened as session:
            stored = session.load_context().catalog
            applications = dict(stored.load("params:applications").items())
            grid = find_grid()
            assert grid is not None  # noqa: S101 - the configuration has one
            served[budget], margins = {}, []
            for dataset in grid.datasets:
                searches = [
                    _plan(stored, name, model)
                    for name, model in grid.searched_cells()
                    if name == dataset
                ]
                card = stored.load(f"{dataset}.data_card")
                test = make_data(stored.load(f"{dataset}.test"), card.input_schema)
                if dataset not in defaults:
                    defaults[dataset] = max(_test_default(search, test) for search in searches)
                found = [
                    one
                    for search in searches
                    for one in _test_candidates(
                        search, stored.load(f"{search.cell.name}.candidates"), test
                    )
                ]
                best = max(one.tested for one in found)
                margins.append((best - defaults[dataset][0]) / defaults[dataset][1])
                served[budget][dataset] = found
            n_errors[budget] = min(margins)
    best_tested = {
        dataset: max(one.tested for of in served.values() for one in of[dataset])
        for dataset in next(iter(served.values()))
    }
    return {
        budget: (
            [
                _value(application, found, best_tested[dataset])
                for dataset, found in of.items()
                for application in applications.values()
            ],
            n_errors[budget],
        )
        for budget, of in served.items()
    }


def _plan(stored: Any, dataset: str, model: str) -> PlannedSearch:
    tables = [stored.load(f"{dataset}.{name}") for name in ("train", "validation", "data_card")]
    blocks = [stored.load(f"params:{name}") for name in ("training", "applications", "evaluation")]
    train, validation, data_card = tables
    training, applications, evaluation = blocks
    return plan_cell(
        train,
        validation,
        data_card,
        stored.load("studies"),
        stored.load(f"params:models.{model}"),
        training,
        applications,
        evaluation,
        cell_name=f"{dataset}.{model}",
        n_searches=1,
    )


def _test_candidates(
    search: PlannedSearch, candidates: dict[str, Any], test: TrainingData
) -> list[ServedCandidate]:
    """Return a cell's candidates in all serving configurations."""
    cell, settings = search.cell, search.settings
    assert settings.targets is not None  # noqa: S101 - it is steered
    study = optuna.load_study(study_name=study_name(cell, settings), storage=search.store.open())
    pool = read_finished(
        study.get_trials(deepcopy=False), cell, n_checkpoints=settings.n_checkpoints
    )
    trials = {trial.number: trial for trial in pool.trials}
    found, costs = [], ServingCosts(settings.targets.prior.lines)
    for name, stored in candidates.items():
        bundle = search.store.trust_recorded(replace(stored, family=cell.family))
        tested = _score(cell.quality, bundle.load_native(), cell.family, test)
        trial = trials[int(name.rpartition("-")[2])]
        for serving in settings.targets.servings:
            metrics = {
                metric: costs.predict(trial.last.structure, serving, metric)[0]
                for metric in SERVED_COLUMNS
            }
            metrics |= {metric: value for metric, value in trial.last.fit.items() if value}
            metrics["n_threads"] = float(serving.n_threads)
            found.append(ServedCandidate(metrics, trial.qualities[-1], tested))
    return found


def _test_default(search: PlannedSearch, test: TrainingData) -> tuple[float, float]:
    """Return the scaled test quality of a family's default configuration, and its error."""
    cell, settings = search.cell, search.settings
    family = get_family(cell.family)
    default = cell.default()
    if default is None:
        return -np.inf, 1.0
    *_, last = family.train(
        TrainingRun(cell.params.fixed | dict(default), cell.train, seed=settings.seed)
    )
    answers = family.predict(last.model, test.rows)
    raw = cell.quality.score(test.labels, answers)
    error = standard_error(cell.quality, test.labels, answers, raw=raw)
    return cell.quality.scale(raw), cell.quality.scale_error(error)


def _score(quality: QualityMetric, model: object, family: str, test: TrainingData) -> float:
    return quality.scale(quality.score(test.labels, get_family(family).predict(model, test.rows)))


def _value(application: Application, found: Sequence[ServedCandidate], best_tested: float) -> float:
    """Return what an application's choice by validation is worth on the test rows."""
    metrics = application.needed_metrics()
    values = {
        metric: np.array([one.costs.get(metric, np.nan) for one in found]) for metric in metrics
    }
    validated = np.array([one.validated for one in found])
    tested = np.array([one.tested for one in found])
    chosen = _judge_with(application, values, validated, best=float(validated.max()))
    worth = np.where(chosen.feasible, chosen.utility, -1.0)
    winner = int(worth.argmax())
    if worth[winner] < 0:
        return 0.0
    judged = _judge_with(application, values, tested, best=best_tested)
    return float(judged.utility[winner]) if judged.feasible[winner] else 0.0


def _judge_with(
    application: Application, values: dict[str, Any], quality: Any, *, best: float
) -> Any:
    known = values | ({"quality": quality} if "quality" in values else {})
    limits = resolve_limits(application, {"quality": np.asarray(best)})
    return judge_profiles(known, application, limits=limits)


def _sum_up(
    utilities: dict[float, list[list[float]]], errors: dict[float, list[float]]
) -> dict[str, float]:
    usual = next(iter(utilities.values()))
    figures = {}
    for budget, found in utilities.items():
        pairs = [list(zip(a, b, strict=True)) for a, b in zip(usual, found, strict=True)]
        kept = [[(a, b) for a, b in of_seed if a and b] for of_seed in pairs]
        figures[f"utility_{budget:g}"] = statistics.mean(map(statistics.mean, found))
        for name, chosen in (("loss", pairs), ("loss_kept", kept)):
            losses = [statistics.mean(a - b for a, b in of_seed) for of_seed in chosen if of_seed]
            spread = statistics.stdev(losses) if len(losses) > 1 else math.nan
            figures[f"{name}_{budget:g}"] = statistics.mean(losses) if losses else math.nan
            figures[f"{name}_{budget:g}_error"] = spread / max(len(losses), 1) ** 0.5
        figures[f"errors_below_default_{budget:g}"] = min(errors[budget])
    return {name: round(value, 4) for name, value in figures.items()}


if __name__ == "__main__":
    main()
