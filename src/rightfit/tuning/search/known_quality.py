"""What other families have reached on a dataset: relative limits count from the best of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import optuna
from optuna.trial import TrialState

from rightfit.tuning.search.cell import Cell, SearchSettings, study_name
from rightfit.tuning.search.space import ModelBlock
from rightfit.tuning.studies.study_store import StudyStore


def find_known_quality(
    cell: Cell, siblings: Mapping[str, ModelBlock], settings: SearchSettings, studies: StudyStore
) -> float | None:
    """Return the best validation quality that searches of a dataset's other families have reached.

    Args:
        cell: Whose dataset.
        siblings: The other models' settings and families by name.
        settings: Settings of the searches.
        studies: Where all searches are kept.

    Returns:
        Scaled quality; ``None`` if no other family has a complete trial yet.
    """
    dataset = cell.name.rsplit(".", 1)[0]
    best = []
    for model, block in siblings.items():
        name = f"{dataset}.{model}"
        other = replace(cell, name=name, family=block.family, params=block.params)
        store = studies.cell(other.name)
        if store.is_empty:
            continue
        try:
            study = optuna.load_study(study_name=study_name(other, settings), storage=store.open())
        except KeyError:  # this family was not searched with these settings
            continue
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        best += [cell.quality.scale(trial.values[0]) for trial in trials]
    return max(best, default=None)
