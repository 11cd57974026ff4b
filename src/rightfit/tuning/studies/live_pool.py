"""A running search as the judge sees it: the study's records turned into observed trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, TrialState

from rightfit.families.family import split_training
from rightfit.families.registry import get_family
from rightfit.tuning.judge.observed import ObservedTrial, Pool, Seen, Serving
from rightfit.tuning.judge.projection import project_fit, project_structure
from rightfit.tuning.search.budget import is_finished
from rightfit.tuning.studies.trial_attributes import CONFIGURATION, CURVE, SERVED, UNTRAINED

if TYPE_CHECKING:
    from rightfit.tuning.search.search import Cell


@dataclass(frozen=True)
class SearchRecord:
    """The finished trials of a search.

    Args:
        trials: As the study holds them.
        pool: As the judge sees them.
        complete: Those of the pool whose models were kept.
    """

    trials: Sequence[FrozenTrial]
    pool: Pool
    complete: Sequence[ObservedTrial]

    def keeps_anyway(self, trial: ObservedTrial) -> bool:
        """Tell whether a further trial goes on though nobody wants it.

        Something must be kept, if only as the nearest miss; and a model that is trained already is
        not thrown away if it is the best so far, by however little.
        """
        if not self.complete:
            return True
        is_trained = len(trial.qualities) == self.pool.n_checkpoints
        return is_trained and all(
            trial.qualities[-1] > other.qualities[-1] for other in self.pool.finished()
        )


def read_search(trials: Sequence[FrozenTrial], cell: Cell, *, n_checkpoints: int) -> SearchRecord:
    """Read a search's records; running trials are left out.

    Args:
        trials: All trials of the study.
        cell: What is searched.
        n_checkpoints: Looks of a whole training.
    """
    finished = [trial for trial in trials if is_finished(trial)]
    observed = {
        trial.number: observe_trial(
            trial.number, trial.user_attrs, cell, n_checkpoints=n_checkpoints
        )
        for trial in finished
    }
    kept = [t.number for t in finished if t.state == TrialState.COMPLETE]
    return SearchRecord(
        finished,
        Pool(tuple(observed.values()), n_checkpoints),
        [observed[number] for number in kept],
    )


def observe_trial(
    number: int, record: Mapping[str, Any], cell: Cell, *, n_checkpoints: int
) -> ObservedTrial:
    """Return what is known of a trial.

    Args:
        number: Its number.
        record: Its user attributes.
        cell: What is searched.
        n_checkpoints: Looks of a whole training.
    """
    configuration = record[CONFIGURATION]
    start = Seen(checkpoint=0, quality=None, structure=record.get(UNTRAINED))
    looks = [_look(point, configuration, cell, n_checkpoints) for point in record.get(CURVE, [])]
    return ObservedTrial(
        number,
        cell.params.space.place(configuration),
        (start, *looks),
        load_served(record.get(SERVED, [])),
    )


def steps_ratio(
    configuration: Mapping[str, Any], family: str, checkpoint: int, n_checkpoints: int
) -> float:
    """Return the steps of a whole training for each step taken up to a checkpoint."""
    n_units = int(configuration[get_family(family).length_setting])
    return n_units / split_training(n_units, n_checkpoints)[checkpoint - 1]


def dump_served(served: Mapping[Serving, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Turn measured metrics by serving configuration into JSON."""
    return [{"serving": list(serving), "metrics": dict(m)} for serving, m in served.items()]


def load_served(document: Sequence[Mapping[str, Any]]) -> dict[Serving, Mapping[str, float]]:
    """Read back what :func:`dump_served` wrote."""
    return {
        (str(runtime), int(n_threads), str(device)): entry["metrics"]
        for entry in document
        for runtime, n_threads, device in [entry["serving"]]
    }


def _look(
    point: Mapping[str, Any], configuration: Mapping[str, Any], cell: Cell, n_checkpoints: int
) -> Seen:
    ratio = steps_ratio(configuration, cell.family, point["checkpoint"], n_checkpoints)
    return Seen(
        checkpoint=point["checkpoint"],
        quality=cell.quality.scale(point["quality_raw"]),
        structure=project_structure(
            point["structure"], growth=get_family(cell.family).growth, ratio=ratio
        ),
        fit=project_fit(point, ratio=ratio),
        quality_error=cell.quality.scaled_error(point["quality_raw"], cell.validation.class_counts),
    )
