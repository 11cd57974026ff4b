"""What other families reach on a dataset: relative limits count from the best of all.

Only the families' defaults count. They are trained before the rest of any search, so what a search
knows of others does not depend on which searches run side by side, nor on how far they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import optuna
from optuna.trial import FrozenTrial, TrialState

from rightfit.tuning.search.cell import Cell, SearchSettings, study_name
from rightfit.tuning.search.claims import draw_of
from rightfit.tuning.search.space import ModelBlock
from rightfit.tuning.studies.study_store import StudyStore
from rightfit.tuning.studies.trial_attributes import CURVE


def find_known_quality(
    cell: Cell, siblings: Mapping[str, ModelBlock], settings: SearchSettings, studies: StudyStore
) -> float | None:
    """Return the best validation quality that the defaults of a dataset's other families reach.

    Args:
        cell: Whose dataset.
        siblings: The other models' settings and families by name.
        settings: Settings of the searches.
        studies: Where all searches are kept.

    Returns:
        Scaled quality; ``None`` if no other family's default was trained to its end yet.
    """
    dataset = cell.name.rsplit(".", 1)[0]
    best = []
    for model, block in siblings.items():
        name = f"{dataset}.{model}"
        other = replace(cell, name=name, family=block.family, params=block.params)
        store = studies.cell(other.name)
        if store.is_empty or other.default() is None:
            continue
        try:
            study = optuna.load_study(study_name=study_name(other, settings), storage=store.open())
        except KeyError:  # this family was not searched with these settings
            continue
        best += [
            cell.quality.scale(trial.user_attrs[CURVE][-1]["quality_raw"])
            for trial in study.get_trials(deepcopy=False)
            if _is_trained_default(trial, settings)
        ]
    return max(best, default=None)


def _is_trained_default(trial: FrozenTrial, settings: SearchSettings) -> bool:
    n_looks = len(trial.user_attrs.get(CURVE, []))
    is_whole = n_looks == settings.n_checkpoints and trial.state != TrialState.FAIL
    return is_whole and draw_of(trial) == 0
