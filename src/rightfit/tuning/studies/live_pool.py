"""A running search as the pausing rule sees it: the study's records turned into observed trials."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from rightfit.families.family import Configuration, split_training
from rightfit.families.registry import get_family
from rightfit.profiling.serving import Serving
from rightfit.tuning.pausing.observed import ObservedTrial, Pool, Seen
from rightfit.tuning.search.budget import is_finished
from rightfit.tuning.search.cell import Cell
from rightfit.tuning.search.claims import is_paused
from rightfit.tuning.studies.growth import project_fit, project_structure
from rightfit.tuning.studies.trial_attributes import (
    CONFIGURATION,
    CURVE,
    EXPORT_S,
    SERVED,
    UNTRAINED,
)


def read_pool(
    trials: Sequence[FrozenTrial],
    cell: Cell,
    *,
    n_checkpoints: int,
    in_memory: Collection[tuple[int, int]] | None = (),
    is_timed: bool = True,
    observed: dict[tuple[int, int, int], ObservedTrial] | None = None,
) -> Pool:
    """Read all trials of a search that were looked at, running and failed ones included.

    Args:
        trials: All trials of the study.
        cell: What is searched.
        n_checkpoints: Looks of a whole training.
        in_memory: Those whose training this process can go on with, by number and looks; ``None``
            for all.
        is_timed: Whether looks cost what they took, or what their length says.
        observed: What earlier calls with the other arguments the same have read, by number, looks
            and measurements; this call adds to it.
    """
    observed = {} if observed is None else observed
    found = []
    for trial in trials:
        record = trial.user_attrs
        if not record.get(CURVE) or trial.state == TrialState.FAIL:
            continue
        key = trial.number, len(record[CURVE]), len(record.get(SERVED, []))
        if key not in observed:
            observed[key] = observe_trial(
                trial.number, record, cell, n_checkpoints=n_checkpoints, is_timed=is_timed
            )
        seen = observed[key]
        is_free = trial.state == TrialState.RUNNING and is_paused(trial)
        n_looks = len(seen.qualities)
        is_here = (
            n_looks == n_checkpoints or in_memory is None or (trial.number, n_looks) in in_memory
        )
        found.append(replace(seen, is_free=is_free, is_in_memory=is_here))
    return Pool(tuple(found), n_checkpoints)


def read_finished(trials: Sequence[FrozenTrial], cell: Cell, *, n_checkpoints: int) -> Pool:
    """Read the trials that have ended by themselves."""
    ended = [trial for trial in trials if is_finished(trial)]
    return read_pool(ended, cell, n_checkpoints=n_checkpoints)


def observe_trial(
    number: int,
    record: Mapping[str, Any],
    cell: Cell,
    *,
    n_checkpoints: int,
    is_timed: bool = True,
) -> ObservedTrial:
    """Return what is known of a trial.

    Args:
        number: Its number.
        record: Its user attributes.
        cell: What is searched.
        n_checkpoints: Looks of a whole training.
        is_timed: See :func:`read_pool`.
    """
    configuration = record[CONFIGURATION]
    start = Seen(checkpoint=0, quality=None, structure=record.get(UNTRAINED))
    looks = [_look(point, configuration, cell, n_checkpoints) for point in record.get(CURVE, [])]
    measured_s = {
        Serving(*entry["serving"]): float(entry["measured_s"]) for entry in record.get(SERVED, [])
    }
    export_s = record.get(EXPORT_S)
    if not is_timed:
        looks = [replace(look, spent_s=2.0 ** (look.checkpoint - n_checkpoints)) for look in looks]
        measured_s = dict.fromkeys(measured_s, 0.1)
        export_s = None if export_s is None else 0.0
    return ObservedTrial(
        number,
        (start, *looks),
        load_served(record.get(SERVED, [])),
        export_s=export_s,
        measured_s=measured_s,
    )


def steps_ratio(
    configuration: Configuration, family: str, checkpoint: int, n_checkpoints: int
) -> float:
    """Return the steps of a whole training for each step taken up to a checkpoint."""
    length = configuration.get(get_family(family).length_setting or "")
    if length is None:  # by shares of rows: each look at twice those of the one before
        return float(2 ** (n_checkpoints - checkpoint))
    n_units = int(length)
    return n_units / split_training(n_units, n_checkpoints)[checkpoint - 1]


def dump_served(
    served: Mapping[Serving, Mapping[str, float]], measured_s: Mapping[Serving, float]
) -> list[dict[str, Any]]:
    """Turn measured metrics by serving configuration into JSON."""
    return [
        {
            "serving": [serving.runtime, serving.n_threads, serving.device],
            "metrics": dict(metrics),
            "measured_s": measured_s[serving],
        }
        for serving, metrics in served.items()
    ]


def load_served(document: Sequence[Mapping[str, Any]]) -> dict[Serving, Mapping[str, float]]:
    """Read back what :func:`dump_served` wrote."""
    return {Serving(*entry["serving"]): entry["metrics"] for entry in document}


def _look(
    point: Mapping[str, Any], configuration: Configuration, cell: Cell, n_checkpoints: int
) -> Seen:
    ratio = steps_ratio(configuration, cell.family, point["checkpoint"], n_checkpoints)
    return Seen(
        checkpoint=point["checkpoint"],
        quality=cell.quality.scale(point["quality_raw"]),
        structure=project_structure(
            point["structure"], growth=get_family(cell.family).growth, ratio=ratio
        ),
        fit=project_fit(point, ratio=ratio),
        quality_error=cell.quality.scale_error(point["quality_raw_error"]),
        spent_s=point["fit_cpu_s"] + point["validate_cpu_s"],
    )
