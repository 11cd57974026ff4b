"""A search that is due, from its plan to what it has found: tables and candidates."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import polars as pl
from optuna.trial import TrialState

from rightfit._core.formatting import count
from rightfit.models.bundle import Bundle
from rightfit.ranking.applications.applications import Applications
from rightfit_search.families.family import LabelledRows
from rightfit_search.searching.candidates import (
    bundle_candidates,
    plan_finish,
    predict_validation,
)
from rightfit_search.searching.cell import Cell, SearchSettings, study_name
from rightfit_search.searching.search import SearchFailedError, require_complete, run_search
from rightfit_search.searching.search_scheduler import (
    SearchScheduler,
    open_study,
    read_limits,
    read_trials,
)
from rightfit_search.searching.search_tables import (
    ACCOUNT_SCHEMA,
    account_search,
    tabulate_curves,
    tabulate_failure,
    tabulate_trials,
)
from rightfit_search.searching.setting_up import WantedServings, make_settings, make_targets
from rightfit_search.searching.space import ModelBlock
from rightfit_search.searching.stopping_rules import StoppingRule
from rightfit_search.searching.studies.budget import (
    GUARD,
    CallLimit,
    measure_pace,
    spent_cpu_s,
    spent_work_s,
)
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.studies.trial_attributes import (
    CURVE,
    configuration_index,
    finished_trials,
    is_underway,
)
from rightfit_search.searching.task_worker import TaskWorker
from rightfit_search.searching.tasks import Task, TaskResult, bound_task
from rightfit_search.searching.training_params import TrainingParams

logger = logging.getLogger(__name__)

TOO_SHORT = "the budget holds no training to its first checkpoint"


@dataclass(frozen=True)
class PlannedSearch:
    """A search that is due.

    Args:
        cell: What to search.
        settings: Budget and rules; what other families reach is not known yet.
        studies: Where all searches are kept.
        siblings: The dataset's other models, by name.
        n_at_once: Processes that may train at the same time, on all searches.
        exports: Whether its candidates are exported to ONNX.
        rule: Stops trials in place of the one that the settings name.
        only_default: Whether it ends once the family's default is trained.
        limit: What the call may still take, final trainings included; ``None``: the budget is for
            trainings alone.
        first_look: What the default takes to its first checkpoint; ``None``: not known.
    """

    cell: Cell
    settings: SearchSettings
    studies: StudyStore
    siblings: Mapping[str, ModelBlock]
    n_at_once: int
    exports: bool = True
    rule: StoppingRule | None = None
    only_default: bool = False
    limit: CallLimit | None = None
    first_look: Mapping[str, float] | None = None

    @property
    def store(self) -> StudyStore:
        """Where this search is kept."""
        return self.studies.cell(self.cell.name)

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.cell.dataset

    @property
    def has_default_first(self) -> bool:
        """Whether the family's default comes before all else, so that others may know of it."""
        is_steered = self.settings.targets is not None and self.settings.sampler != "grid"
        return is_steered and self.cell.default() is not None

    @property
    def is_cut_off(self) -> bool:
        """Whether a run ended in the middle of a step, killed by a model or by somebody."""
        trials = read_trials(self.cell, self.settings, self.store)
        return any(t.state == TrialState.RUNNING and is_underway(t) for t in trials)

    def with_rows_of(self, other: PlannedSearch) -> PlannedSearch:
        """Return this search with the rows of another one of its dataset, kept once in memory."""
        cell = replace(self.cell, train=other.cell.train, validation=other.cell.validation)
        return replace(self, cell=cell)

    def with_sibling_quality(self) -> PlannedSearch:
        """Return the search as it is once it knows what the other families' defaults reach.

        That is their best validation quality; defaults that were not trained to their end yet do
        not count.
        """
        settings, targets = self.settings, self.settings.targets
        if targets is None:
            return self
        reached = []
        for model, block in self.siblings.items():
            name = f"{self.dataset}.{model}"
            other = replace(self.cell, name=name, family=block.family, params=block.params)
            if self.studies.cell(name).is_empty or other.default() is None:
                continue
            for trial in read_trials(other, settings, self.studies.cell(name)):
                curve = trial.user_attrs.get(CURVE, [])
                is_whole = len(curve) == settings.n_checkpoints and trial.state != TrialState.FAIL
                if is_whole and configuration_index(trial) == 0:
                    reached.append(self.cell.quality.scale(curve[-1]["quality_raw"]))
        updates = {"targets": replace(targets, known_quality=max(reached, default=None))}
        return replace(self, settings=settings.model_copy(update=updates))

    def open_scheduler(self) -> SearchScheduler:
        """Return its scheduler; whoever asks holds the search's lock."""
        return SearchScheduler(
            self.cell,
            self.settings,
            self.store,
            rule=self.rule,
            only_default=self.only_default,
            finishes=not self.only_default,
            exports=self.exports,
            limit=self.limit,
            first_look=self.first_look,
        )

    def rest_s(self) -> float:
        """Return the CPU seconds that the limits leave, going by the trials so far.

        Infinite where no trial or no limit tells.
        """
        limits = self.settings
        trials = read_trials(self.cell, self.settings, self.store)
        spent_s, rests_s = spent_cpu_s(trials), [math.inf]
        if spent_s and limits.budget_cpu_s is not None:
            rests_s.append(limits.budget_cpu_s - spent_s)
        if spent_s and limits.n_trials is not None:
            rests_s.append(spent_s / len(trials) * (limits.n_trials - len(trials)))
        return min(rests_s)


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
        targets = make_targets(training, applications, evaluation, cell.family)
        settings = settings.model_copy(update={"targets": targets})
    n_at_once, _ = training.share_cores(n_searches)
    return PlannedSearch(
        replace(cell, learns_validation=training.final.covers(cell.dataset)),
        settings,
        studies,
        siblings,
        n_at_once=n_at_once,
    )


def share_budget(searches: Sequence[PlannedSearch]) -> list[PlannedSearch]:
    """Share evenly what a call has left for searching, once the families' defaults are trained.

    A family's budget counts usual CPU seconds: as many as its trainings so far were usual for each
    that they took. A family whose default could not be begun gets nothing.

    Args:
        searches: All searches of a dataset, under one limit.
    """
    limit = searches[0].limit
    if limit is None or searches[0].settings.budget_cpu_s is None:
        return list(searches)
    trials = [read_trials(search.cell, search.settings, search.store) for search in searches]
    begun = [
        bool(spent_work_s(of_search)) or not search.has_default_first
        for search, of_search in zip(searches, trials, strict=True)
    ]
    n_at_once = 1 if limit.wall_s is None else searches[0].n_at_once
    share_s = n_at_once * max(limit.left_for_searching_s(), 0.0) / max(sum(begun), 1)
    shared = []
    for search, of_search, is_begun in zip(searches, trials, begun, strict=True):
        usual_s = measure_pace(of_search) * share_s if is_begun else 0.0
        budget_s = spent_work_s(of_search) + usual_s
        settings = search.settings.model_copy(update={"budget_cpu_s": budget_s})
        shared.append(replace(search, settings=settings))
    return shared


class SearchOutcome(NamedTuple):
    """What a search has found.

    Args:
        trials: One row per finished trial; where none was begun, one failed trial with the reason.
        learning_curves: One row per finished trial and checkpoint.
        account: What it spent, and what each application got; no rows where quality alone steered,
            or the search has failed.
        candidates: Bundles by candidate name, the best by quality first; none if it has failed.
        validation_predictions: What they predicted for the validation rows before they learnt from
            them, see ``predict_validation``; empty unless asked for.
    """

    trials: pl.DataFrame
    learning_curves: pl.DataFrame
    account: pl.DataFrame
    candidates: dict[str, Bundle]
    validation_predictions: pl.DataFrame


def complete_search(
    planned: PlannedSearch, *, predicts: bool = False, error: str = ""
) -> SearchOutcome:
    """Search a cell until its budget is spent, unless that is done already; keep its candidates.

    A search without a complete trial is told of in the log and in its trials.

    Args:
        planned: The search.
        predicts: Whether the candidates' predictions for the validation rows are returned.
        error: What has broken a worker of a search under a limit; empty if nothing has.
    """
    search = planned.with_sibling_quality()
    cell, settings, store = search.cell, search.settings, search.store
    no_account = pl.DataFrame(schema=ACCOUNT_SCHEMA)
    try:
        if search.limit is None:
            study = run_search(cell, settings, store, rule=search.rule)
        else:  # its trainings are over
            study = require_complete(open_study(cell, settings, store, search.rule), cell)
    except (SearchFailedError, ImportError) as err:
        if search.limit is None:
            logger.error("%s has failed, the other cells go on: %s", cell.name, err)
        elif error:
            logger.warning("%s: a worker broke, the others go on: %s", cell.name, error)
        else:
            logger.warning(
                "%s has no model within the budget that may be the best, the others go on",
                cell.name,
            )
        study = open_study(cell, settings, store)
        trials = tabulate_trials(study, cell, n_checkpoints=settings.n_checkpoints)
        if trials.is_empty():
            trials = tabulate_failure(str(err) if search.limit is None else error or TOO_SHORT)
        curves = tabulate_curves(study, cell.quality)
        return SearchOutcome(trials, curves, no_account, {}, pl.DataFrame())
    if read_limits(settings).is_guarded(finished_trials(study)):
        logger.warning(
            "%s took %g times its budget of %g CPU seconds and was ended: on a faster or an idle "
            "machine it would find more. Raise training.budget_cpu_s, or train on fewer rows.",
            cell.name,
            GUARD,
            settings.budget_cpu_s,
        )
    account = no_account
    if settings.targets is not None:
        account = account_search(study.get_trials(deepcopy=False), cell, settings, settings.targets)
    candidates = bundle_candidates(
        study, cell, settings, store, exports=search.exports, trains=search.limit is None
    )
    trials = tabulate_trials(study, cell, n_checkpoints=settings.n_checkpoints)
    states = ", ".join(f"{n} {state}" for state, n in sorted(trials["state"].value_counts().rows()))
    summary = f"{states}, {count(len(candidates), 'candidate')}"
    missed = account.filter(pl.col("nearest_miss").is_not_null())["application"]
    if len(missed):
        summary += f"; no trial satisfies {', '.join(missed)}, other cells' may"
    logger.info("%s: %s", cell.name, summary)
    predictions = pl.DataFrame()
    if predicts:
        predictions = predict_validation(study, cell, settings, store, candidates)
    curves = tabulate_curves(study, cell.quality)
    return SearchOutcome(trials, curves, account, candidates, predictions)


def train_on_more(
    planned: PlannedSearch,
    candidate: str,
    rows: LabelledRows,
    *,
    exports: bool,
    carry_out: Callable[[PlannedSearch, Task], TaskResult | None] | None = None,
) -> Bundle | None:
    """Train a candidate of a completed search on more rows than it has learnt from.

    Args:
        planned: The search.
        candidate: Its name.
        rows: Rows to learn from, beside the cell's own.
        exports: Whether it is exported to ONNX.
        carry_out: Trains it in another process; ``None``: in this one.

    Returns:
        The bundle; ``None`` where the training would take longer than ``training.final.max_s`` or
        than the call has left, or fails, which is logged.
    """
    cell = planned.cell
    more = [cell.validation, rows] if cell.learns_validation else [rows]
    whole = replace(
        cell,
        learns_validation=True,
        validation=LabelledRows(
            np.concatenate([part.rows for part in more]),
            np.concatenate([part.labels for part in more]),
            rows.schema,
        ),
    )
    number = int(candidate.rpartition("-")[2])
    trial = read_trials(cell, planned.settings, planned.store)[number]
    limit = planned.limit
    left_s = None if limit is None else limit.left_for_last_s()
    task = plan_finish(trial, whole, planned.settings, exports=exports, left_s=left_s)
    name = study_name(cell, planned.settings)
    if not task.learns_validation:
        return None
    worker = TaskWorker(whole, planned.settings, planned.store, name)
    with planned.store.locked(f"{name}.export"):
        if carry_out is None:
            bundle = worker.finish(task)
        else:
            bound = task if limit is None else bound_task(task, limit, limit.left_for_last_s())
            carry_out(replace(planned, cell=whole), bound)
            bundle = worker.read_candidate(task)
    return bundle if bundle.n_training_rows == len(whole.final_rows().labels) else None
