from __future__ import annotations

import numpy as np
import pytest
from factories import cells
from factories.application_targets import ACCURACY, SIZES, make_point, make_targets
from factories.recordings import application
from optuna.trial import FrozenTrial, TrialState, create_trial

from rightfit.ranking.applications.applications import Applications
from rightfit_search.families.family import TrainingData
from rightfit_search.searching.candidates import find_incumbents, select_covering_trials
from rightfit_search.searching.studies.trial_attributes import CONFIGURATION, CURVE


@pytest.mark.parametrize(
    ("values", "qualities", "chosen"),
    [
        ([[0.9], [0.8]], [0.9, 0.8], [0]),
        ([[0.2, 0.9], [0.9, 0.1], [0.5, 0.5]], [0.6, 0.7, 0.9], [2, 0, 1]),
        ([[0.9, -1.5], [0.4, -1.1], [0.3, 0.2]], [0.9, 0.5, 0.4], [0, 2]),  # feasible comes first
        ([[0.9, -1.5], [0.4, -1.1]], [0.9, 0.5], [0, 1]),  # nothing is: the nearest miss
    ],
)
def test_every_application_finds_its_best_among_the_chosen(
    values: list[list[float]], qualities: list[float], chosen: list[int]
) -> None:
    assert select_covering_trials(np.array(values), np.array(qualities)) == chosen


def ended(number: int, quality: float, size_mib: float) -> FrozenTrial:
    trial = create_trial(
        state=TrialState.COMPLETE,
        value=quality,
        user_attrs={
            CONFIGURATION: {**cells.LINEAR_PARAMS.fixed, "alpha": 1e-4, "eta0": 0.1},
            CURVE: [make_point(look, quality, size_mib=size_mib) for look in (1, 2)],
        },
    )
    trial.number = number
    return trial


def test_incumbents_of_a_search_are_those_of_its_applications(blobs: TrainingData) -> None:
    wants = Applications(ACCURACY | {"small": application(max_size_mib=0.5)})
    trials = [ended(0, 0.8, 0.1), ended(1, 0.9, 4.0)]
    targets = make_targets(applications=wants, prior=SIZES)

    found = find_incumbents(trials, cells.make_cell(blobs), targets, n_checkpoints=2)

    assert found == [1, 0]
