"""A running search as the pausing rule sees it: the study's records turned into observed trials."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from rightfit.measuring.metrics import FIT_COLUMNS
from rightfit_search.families.registry import get_family
from rightfit_search.searching.cell import Cell
from rightfit_search.searching.pausing.observed import ObservedTrial, Pool, Seen, Structure
from rightfit_search.searching.studies.trial_attributes import CONFIGURATION, CURVE, is_finished


def read_pool(
    trials: Sequence[FrozenTrial],
    cell: Cell,
    *,
    n_checkpoints: int,
    paused: Collection[int] = (),
    observed: dict[tuple[int, int], ObservedTrial] | None = None,
) -> Pool:
    """Read all trials of a search that were looked at, running ones too; failed ones are left out.

    Args:
        trials: All trials of the study.
        cell: What is searched.
        n_checkpoints: Looks of a whole training.
        paused: Numbers of the trials that may go on now.
        observed: What earlier calls with the other arguments the same have read, by number and
            looks; this call adds to it.
    """
    observed, family = {} if observed is None else observed, get_family(cell.family)
    growth = family.growth
    pool_trials = []
    for trial in trials:
        record = trial.user_attrs
        if not record.get(CURVE) or trial.state == TrialState.FAIL:
            continue
        key = trial.number, len(record[CURVE])
        if key not in observed:
            start = Seen(checkpoint=0, quality=None, structure=None)
            settings = record[CONFIGURATION]
            ratios = [
                family.steps_ratio(settings, point["checkpoint"], n_checkpoints)
                for point in record[CURVE]
            ]
            looks = [
                _look(point, cell, growth=growth, ratio=ratio)
                for point, ratio in zip(record[CURVE], ratios, strict=True)
            ]
            observed[key] = ObservedTrial(trial.number, (start, *looks))
        observed_trial = observed[key]
        if trial.state == TrialState.COMPLETE:
            observed_trial = as_it_is(observed_trial, record[CURVE][-1]["structure"], n_checkpoints)
        pool_trials.append(replace(observed_trial, is_free=trial.number in paused))
    return Pool(tuple(pool_trials), n_checkpoints)


def read_finished(trials: Sequence[FrozenTrial], cell: Cell, *, n_checkpoints: int) -> Pool:
    """Read the trials that have ended by themselves."""
    ended = [trial for trial in trials if is_finished(trial)]
    return read_pool(ended, cell, n_checkpoints=n_checkpoints)


def as_it_is(
    trial: ObservedTrial, structure: Structure | None, n_checkpoints: int
) -> ObservedTrial:
    """Return a trial as if its training ended where it is: further looks would show the same.

    Args:
        trial: With at least one look.
        structure: Counts of its model as it is.
        n_checkpoints: Looks of a whole training.
    """
    n_missing = n_checkpoints - len(trial.qualities)
    if not n_missing:
        return trial
    last = replace(trial.last, structure=structure)
    return replace(trial, looks=(*trial.looks[:-1], *[last] * (n_missing + 1)))


def _look(point: Mapping[str, Any], cell: Cell, *, growth: str, ratio: float) -> Seen:
    return Seen(
        checkpoint=point["checkpoint"],
        quality=cell.quality.scale(point["quality_raw"]),
        structure=project_structure(point["structure"], growth=growth, ratio=ratio),
        fit=project_fit(point, ratio=ratio),
        quality_error=cell.quality.scale_error(point["quality_raw_error"]),
        spent_s=point["work_s"],
    )


def project_fit(point: Mapping[str, Any], *, ratio: float) -> dict[str, float | None]:
    """Project fit metrics to the end of a training: its time grows with its steps.

    Args:
        point: Fit metrics so far by column.
        ratio: Steps of the whole training for each step taken.
    """
    fit = {column: point.get(column) for column in FIT_COLUMNS}
    if fit["fit_time_s"] is not None:
        fit["fit_time_s"] *= ratio
    return fit


def project_structure(
    structure: Mapping[str, float] | None, *, growth: str, ratio: float
) -> Mapping[str, float] | None:
    """Project counts to the end of a training.

    Args:
        structure: Counts so far.
        growth: ``constant``, or ``affine`` in the steps taken.
        ratio: Steps of the whole training for each step taken.
    """
    if structure is None or growth == "constant":
        return structure
    return {name: count * ratio for name, count in structure.items()}
