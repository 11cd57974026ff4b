"""Which complete trials are worth measuring thoroughly.

First those that the applications want, where the search has looked at them; then the ends and the
middle of quality against size.
"""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import optuna
import polars as pl
from optuna.trial import FrozenTrial, TrialState

from rightfit.measuring.naming import name_candidate
from rightfit.models.bundle import Bundle
from rightfit.models.calibration import scale_probabilities
from rightfit_search.families.registry import get_family
from rightfit_search.searching.cell import Cell, SearchSettings
from rightfit_search.searching.learning_curve import predict_work_s
from rightfit_search.searching.observing import read_finished
from rightfit_search.searching.pausing.pausing_rule import ApplicationTargets, PausingRule
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.studies.trial_attributes import CONFIGURATION, CURVE
from rightfit_search.searching.task_worker import TaskWorker
from rightfit_search.searching.tasks import Task

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CompleteTrial:
    """What choosing needs to know.

    Args:
        number: The trial's number.
        quality_raw: Validation quality, higher is better.
        n_parameters: Numbers to be stored: unlike a file, the same size each time.
        n_operations: Multiplications or comparisons a row.
        quality_error: Standard error of the quality.
        is_default: Whether its configuration is the family's default.
    """

    number: int
    quality_raw: float
    n_parameters: float
    n_operations: float
    quality_error: float = 0.0
    is_default: bool = False


def choose_candidates(
    trials: list[CompleteTrial],
    *,
    n_candidates: int,
    incumbents: Sequence[int] = (),
    by_quality: bool = False,
) -> list[int]:
    """Choose the trials to evaluate.

    First the incumbents; then the best by quality, and the default unless it is further below than
    the best of so many trials is by chance: the largest of n standard normal errors is about
    sqrt(2 ln n). For two trials that is about the rule of one standard error (Breiman et al.,
    Classification and Regression Trees, 1984). Then the smallest and the fastest on the Pareto
    front of quality against size, then those of the front whose sizes fill the largest gaps (on a
    log scale). Where nobody asks what serving costs, instead the next best that are no further
    below.

    Args:
        trials: Complete trials.
        n_candidates: At most so many are chosen; at least 1.
        incumbents: Numbers of the trials that applications want, the most wanted first.
        by_quality: Whether no application asks for a cost of serving.

    Returns:
        Trial numbers, the best by quality first.

    >>> best = CompleteTrial(0, 0.9, 10.0, 5.0)
    >>> small = CompleteTrial(1, 0.8, 1.0, 1.0)
    >>> beaten = CompleteTrial(2, 0.7, 2.0, 2.0)
    >>> choose_candidates([best, small, beaten], n_candidates=3)
    [0, 1]
    """
    front = pareto_front(trials)
    by_number = {trial.number: trial for trial in trials}
    best = max(front, key=lambda trial: trial.quality_raw)
    lowest = best.quality_raw - math.sqrt(2 * math.log(len(trials))) * best.quality_error
    chosen = [
        *(by_number[number] for number in incumbents),
        best,
        *(trial for trial in trials if trial.is_default and trial.quality_raw >= lowest),
    ]
    if by_quality:
        near = (trial for trial in trials if trial.quality_raw >= lowest)
        chosen += sorted(near, key=lambda trial: -trial.quality_raw)
    else:
        chosen.append(min(front, key=lambda trial: trial.n_parameters))
        chosen.append(min(front, key=lambda trial: trial.n_operations))
    chosen = list(dict.fromkeys(chosen))[:n_candidates]
    rest = [] if by_quality else [trial for trial in front if trial not in chosen]

    def gap(trial: CompleteTrial) -> float:
        return min(abs(math.log(trial.n_parameters / other.n_parameters)) for other in chosen)

    while rest and len(chosen) < n_candidates:
        chosen.append(max(rest, key=gap))
        rest.remove(chosen[-1])
    return [trial.number for trial in chosen]


def pareto_front(trials: list[CompleteTrial]) -> list[CompleteTrial]:
    """Return the trials no other one beats in quality and size, smallest first.

    Of equal trials the first is kept.
    """
    front: list[CompleteTrial] = []
    for trial in sorted(trials, key=lambda t: (t.n_parameters, -t.quality_raw, t.number)):
        if not front or trial.quality_raw > front[-1].quality_raw:
            front.append(trial)
    return front


def bundle_candidates(
    study: optuna.Study,
    cell: Cell,
    settings: SearchSettings,
    store: StudyStore,
    *,
    exports: bool = True,
    trains: bool = True,
) -> dict[str, Bundle]:
    """Make candidates of the chosen trials; one whose export to ONNX is refused stays native.

    Args:
        study: A search with at least one complete trial.
        cell: What was searched; both exports must agree on its held-out rows.
        settings: What it was searched by.
        store: Where its bundles are.
        exports: Whether to export them; if not, those without an export stay as they are.
        trains: Whether final trainings that are missing are made up for; if not, such a candidate
            is its trial's own model.

    Returns:
        Bundles by candidate name ``{model}-{trial number}``, the best by quality first.
    """
    worker = TaskWorker(cell, settings, store, study.study_name)
    bundles = {}
    for number in choose_complete(study, cell, settings):
        task = plan_finish(
            study.get_trials(deepcopy=False)[number], cell, settings, exports=exports
        )
        with store.locked(f"{study.study_name}.export"):  # another run may share the search
            store.sweep_partial_bundles(study.study_name)
            store.sweep_partial_files(study.study_name)
            finish = worker.finish if trains else worker.read_candidate
            bundles[name_candidate(cell.model, number)] = finish(task)
    return bundles


def plan_finish(
    trial: FrozenTrial,
    cell: Cell,
    settings: SearchSettings,
    *,
    exports: bool,
    left_s: float | None = None,
) -> Task:
    """Plan the task that makes a candidate of a complete trial.

    It learns from the validation rows too, unless that usually takes more CPU seconds than
    ``training.final.max_s``, so that another run decides alike; or, in a call that has a limit,
    more than the ``left_s`` seconds that this leaves for it, going by the trial's own training up
    to the model that it keeps.
    """
    curve, growth = trial.user_attrs[CURVE], grow_final(cell)
    if left_s is None:
        expected_s, max_s = curve[-1]["work_s"] * growth, settings.final.max_s
        reason = f"training.final.max_s is {max_s:g}"
    else:
        max_s = left_s
        kept = curve[curve[-1]["kept_checkpoint"] - 1]  # where the final training ends, too
        expected_s = kept["fit_cpu_s"] * grow_work(trial, cell, growth)
        reason = f"the budget has {max(max_s, 0.0):.1f} s left for it"
    learns_validation = cell.learns_validation and expected_s <= max_s
    if cell.learns_validation and not learns_validation:
        logger.log(
            logging.WARNING if left_s is None else logging.INFO,
            "%s: candidate %d stays as its trial trained it; on more rows that would take some "
            "%.1f s, %s",
            cell.name,
            trial.number,
            expected_s,
            reason,
        )
    return Task(
        "finish",
        trial.number,
        trial.user_attrs[CONFIGURATION],
        curve[-1]["kept_checkpoint"],
        learns_validation=learns_validation,
        exports=exports,
    )


def grow_final(cell: Cell) -> float:
    """Return the rows of a candidate's final training for each row of its trial's."""
    n_train = len(cell.train.labels)
    n_more = len(cell.validation.labels) if cell.learns_validation else 0
    return (n_train + n_more) / n_train


def grow_work(trial: FrozenTrial, cell: Cell, growth: float) -> float:
    """Return how many times as long a trial's training takes on so many times its train rows.

    As its family's line of usual CPU seconds says, from 1 to ``growth``: a net passes the same
    number of rows, in fewer epochs. Without a line it is ``growth``.
    """
    n_train, curve = len(cell.train.labels), trial.user_attrs[CURVE]
    usual_s, grown_s = (
        predict_work_s(
            cell, trial.user_attrs[CONFIGURATION], curve[-1]["structure"], n_rows, n_judged=1
        )
        for n_rows in (n_train, round(n_train * growth))
    )
    if not usual_s or not grown_s:
        return growth
    return min(max(grown_s / usual_s, 1.0), growth)


def predict_validation(
    study: optuna.Study,
    cell: Cell,
    settings: SearchSettings,
    store: StudyStore,
    candidates: Mapping[str, Bundle],
) -> pl.DataFrame:
    """Return the predictions that candidates made for the validation rows before they learnt them.

    They are kept beside the trials' bundles, so that a later run opens no model.

    Returns:
        One row per validation row, one column of arrays per candidate: class probabilities, or
        one value.
    """
    worker = TaskWorker(cell, settings, store, study.study_name)
    predictions = []
    for name, candidate in candidates.items():
        number = int(name.rpartition("-")[2])
        trial = study.get_trials(deepcopy=False)[number]
        model = worker.read_model(plan_finish(trial, cell, settings, exports=False))
        key = f"{number:05d}-validation-{model.weights_sha256}"
        content = store.read_content(study.study_name, key)
        if content is None:
            family = get_family(cell.family)
            rows = family.predict(model.load_native(), cell.validation.rows.copy())
            file = io.BytesIO()
            np.save(file, rows, allow_pickle=False)
            store.write_content(study.study_name, key, file.getvalue())
        else:
            rows = np.load(io.BytesIO(content), allow_pickle=False)
        scaled = scale_probabilities(rows, candidate.temperature)
        predictions.append(pl.Series(name, scaled))
    return pl.DataFrame(predictions)


def choose_complete(study: optuna.Study, cell: Cell, settings: SearchSettings) -> list[int]:
    """Choose the complete trials of a search to evaluate.

    Args:
        study: The search.
        cell: What was searched.
        settings: What it was searched by.

    Returns:
        Their numbers, the best by quality first.
    """
    default, targets, incumbents = cell.default(), settings.targets, []
    if targets is not None:
        trials = study.get_trials(deepcopy=False)
        incumbents = find_incumbents(trials, cell, targets, n_checkpoints=settings.n_checkpoints)
    complete = [
        CompleteTrial(
            number=trial.number,
            quality_raw=float(trial.values[0]),
            n_parameters=trial.user_attrs[CURVE][-1]["structure"]["n_parameters"],
            n_operations=trial.user_attrs[CURVE][-1]["structure"]["n_operations"],
            quality_error=trial.user_attrs[CURVE][-1]["quality_raw_error"],
            is_default=default is not None and trial.params == dict(default),
        )
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    ]
    if not complete:
        return []
    return choose_candidates(
        complete,
        n_candidates=settings.n_candidates,
        incumbents=incumbents,
        by_quality=targets is not None and not targets.applications.asks_costs,
    )


def find_incumbents(
    trials: Sequence[FrozenTrial], cell: Cell, targets: ApplicationTargets, *, n_checkpoints: int
) -> list[int]:
    """Return the numbers of the complete trials that applications want, the most wanted first.

    They are scored anew, so an application that the search did not know finds its own too.

    Args:
        trials: All trials of the study, some of them complete.
        cell: What was searched.
        targets: What the applications ask for.
        n_checkpoints: Looks of a whole training.
    """
    forecast = PausingRule(targets).forecast(
        read_finished(trials, cell, n_checkpoints=n_checkpoints)
    )
    complete = [trial.number for trial in trials if trial.state == TrialState.COMPLETE]
    if forecast is None or not complete:
        return []
    names = list(targets.applications)
    values = [[forecast.appraise(number, name) for name in names] for number in complete]
    by_number = {trial.number: trial.qualities[-1] for trial in forecast.pool.trials}
    chosen = select_covering_trials(np.array(values), np.array([by_number[n] for n in complete]))
    return [complete[position] for position in chosen]


def select_covering_trials(values: Floats, qualities: Floats) -> list[int]:
    """Choose trials until every application has its best among them.

    The best by quality comes first: limits relative to the best quality count from it. Each further
    one is that which adds the most to what the applications have already.

    Args:
        values: Expected utilities, shape (n_trials, n_applications).
        qualities: Shape (n_trials,).

    Returns:
        Positions of the chosen.

    >>> values = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.4]])
    >>> select_covering_trials(values, np.array([0.9, 0.6, 0.7]))
    [0, 1]
    """
    chosen = [int(qualities.argmax())]
    while True:
        had = values[chosen].max(axis=0)
        gains = np.maximum(values - had, 0.0).sum(axis=1)
        best = int(gains.argmax())
        if not gains[best] > 0:
            return chosen
        chosen.append(best)
