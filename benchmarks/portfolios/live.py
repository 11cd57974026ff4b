"""Live searches with portfolios against two without, on tables that no portfolio was learnt on.

``python benchmarks/portfolios/live.py --root FOLDER`` searches each cell live three times, from the
same default, with the same seed and the same budget of work: so many trainings of the default.

- ``portfolio``, as shipped: entries whole in half of the budget, then TPE under the pausing rule.
- ``pausing``: the default, then TPE under the pausing rule.
- ``plain``, what a tuning tool does: the default, then TPE, each configuration trained whole.
  ``plain_late`` also counts the training that ran when the budget was spent.

Each sample application takes the whole training that is worth most by validated quality and gets
its worth by the quality on test rows, with serving costs that follow from structure; limits
relative to the best quality count from the default's. A line per cell, budget and rival; the last
one is JSON: ``gain_B_RIVAL``, the mean gain of ``portfolio`` in utility at B trainings, with the
ends of its 95 % interval (cells are drawn with replacement, then seeds within each). Searches that
``FOLDER`` holds are not done again.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import polars as pl
from record import make_cell, read_block, start
from worth import SERVINGS, read_samples

from rightfit.families.registry import get_family
from rightfit.parameters.defaults import read_default
from rightfit.ranking.applications.applications import Applications
from rightfit.tuning.pausing.pausing_rule import ApplicationTargets
from rightfit.tuning.pausing.priors import read_shipped_prior
from rightfit.tuning.search.search import run_search
from rightfit.tuning.search.setting_up import make_settings
from rightfit.tuning.search.task_worker import repeat_training
from rightfit.tuning.search.training_params import TrainingParams
from rightfit.tuning.studies.study_store import StudyStore
from rightfit.tuning.studies.trial_attributes import finished_trials
from rightfit_study.early_stopping.live_comparison import (
    SearchedCell,
    judge_searches,
    summarise_live,
    trials_within,
)

PROJECT = Path(__file__).resolve().parents[2]
CELLS = (
    *("landsat.forest", "landsat.net", "landsat.lightgbm"),
    *("letter.net", "letter.lightgbm", "dna.forest", "dna.linear", "dna.xgboost"),
    *("soybean.forest", "soybean.net", "poverty.boosting", "poverty.lightgbm"),
    *("vocabulary.net", "vocabulary.lightgbm"),
)
BUDGETS = (4, 8, 16)
RIVALS = ("pausing", "plain", "plain_late")


def search_cell(name: str, budget: float, seed: int, folder: Path) -> pl.DataFrame:
    """Search a cell in each of the ways; judge all on the test rows."""
    table, _, model = name.partition(".")
    made = make_cell(table, model)
    if made is None:
        raise ValueError(f"{model} cannot learn {table}.")
    cell, test = made
    get_family(cell.family).load_libraries()
    training = read_training()
    settings = make_settings(training, cell.family).model_copy(
        update={"seed": seed, "n_trials": None}
    )
    targets = ApplicationTargets(
        applications=Applications(read_samples()),
        pausing=training.pausing,
        servings=SERVINGS,
        known_quality=None,
        prior=read_shipped_prior(cell.family),
    )
    default = cell.params.fixed | dict(cell.default() or {})
    unit_s = repeat_training(default, cell, settings, settings.n_checkpoints).point["work_s"]
    own = settings.model_copy(update={"budget_cpu_s": budget * unit_s, "targets": targets})
    searches = []
    for method, entries in (("portfolio", read_block(model).portfolio), ("pausing", ())):
        params = cell.params.model_copy(update={"portfolio": entries})
        store = StudyStore(folder / method, None)
        study = run_search(replace(cell, params=params), own, store, on_trial=_say_nothing)
        searches.append(SearchedCell(method, store, study, study.get_trials(deepcopy=False)))
    params = cell.params.model_copy(update={"portfolio": ()})
    store = StudyStore(folder / "plain", None)
    plain = own.model_copy(update={"targets": None, "early_stopping": "none"})
    study = run_search(replace(cell, params=params), plain, store, on_trial=_say_nothing)
    trials = finished_trials(study)
    within = trials_within(trials, budget * unit_s)
    searches.append(SearchedCell("plain", store, study, within))
    searches.append(SearchedCell("plain_late", store, study, trials[: len(within) + 1]))
    judged = judge_searches(cell, test, own, targets, searches)
    return judged.select(pl.lit(name).alias("cell"), pl.lit(budget).alias("budget"), pl.all())


def _say_nothing(n_begun: int, n_trials: int | None) -> None:
    pass


def read_training() -> TrainingParams:
    """Return the library's rules of a search, one thread a training."""
    return TrainingParams.model_validate(
        read_default("training") | {"n_threads": 1, "device": "cpu"}
    )


def sum_up(judged: pl.DataFrame) -> dict[str, list[float]]:
    """Return the mean gain at each budget over each rival, and the ends of its 95 % interval."""
    found = {}
    for (budget,), rows in judged.group_by("budget", maintain_order=True):
        summary = summarise_live(rows, ours="portfolio", seed=0)
        for row in summary.iter_rows(named=True):
            gain = [round(row[name], 4) for name in ("gain", "gain_low", "gain_high")]
            found[f"gain_{budget:g}_{row['peer']}"] = gain
    return found


def print_cells(judged: pl.DataFrame) -> None:
    """Print each cell's mean gain over each rival."""
    means = judged.group_by("budget", "cell", "method", maintain_order=True).agg(
        pl.col("utility_test").mean(), pl.col("seed").n_unique().alias("n_seeds")
    )
    wide = means.pivot("method", index=["budget", "cell", "n_seeds"], values="utility_test")
    for row in wide.iter_rows(named=True):
        gains = "  ".join(f"{name} {row['portfolio'] - row[name]:+.4f}" for name in RIVALS)
        print(f"{row['budget']:g} {row['cell']:20} {gains}  {row['n_seeds']} seeds")


def main() -> None:
    """Search, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the searches")
    parser.add_argument("--cells", nargs="+", default=list(CELLS))
    parser.add_argument("--budgets", nargs="+", type=float, default=list(BUDGETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(51, 61)))
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    with ProcessPoolExecutor(
        asked.processes, mp_context=get_context("spawn"), initializer=start
    ) as pool:
        due = [
            pool.submit(search_cell, name, budget, seed, asked.root / f"{name}-{budget:g}-{seed}")
            for seed in asked.seeds
            for budget in asked.budgets
            for name in asked.cells
        ]
        found = []
        for place, one in enumerate(due, start=1):
            found.append(one.result())
            if place % 20 == 0:
                print(f"{place} of {len(due)}", file=sys.stderr, flush=True)
    judged = pl.concat(found)
    print_cells(judged)
    print(json.dumps(sum_up(judged)))


if __name__ == "__main__":
    main()
