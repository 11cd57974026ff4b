"""The account says what a search spent, what nobody could be given, and what would help."""

from __future__ import annotations

import pytest
from factories import cells
from factories.application_targets import ACCURACY, SIZES, make_point, make_targets
from factories.recordings import application
from optuna.trial import FrozenTrial, TrialState, create_trial

from rightfit.ranking.applications.applications import Applications
from rightfit_search.families.family import TrainingData
from rightfit_search.searching.search_tables import account_search
from rightfit_search.searching.studies.trial_attributes import CONFIGURATION, CURVE, SPENT


def ended(number: int, n_looks: int, *, size_mib: float = 1.0) -> FrozenTrial:
    is_complete = n_looks == 2
    trial = create_trial(
        state=TrialState.COMPLETE if is_complete else TrialState.PRUNED,
        value=0.9 if is_complete else None,
        user_attrs={
            CONFIGURATION: {**cells.LINEAR_PARAMS.fixed, "alpha": 1e-4, "eta0": 0.1},
            CURVE: [
                make_point(look, 0.7 + look / 10, size_mib=size_mib)
                for look in range(1, n_looks + 1)
            ],
            SPENT: {"compute_s": float(n_looks)},
        },
    )
    trial.number = number
    return trial


def test_the_account_names_the_winner_or_the_nearest_miss(blobs: TrainingData) -> None:
    wants = Applications(ACCURACY | {"tiny": application(max_size_mib=0.5)})
    trials = [ended(0, 2), ended(1, 1)]

    account = account_search(
        trials,
        cells.make_cell(blobs),
        cells.make_settings(),
        make_targets(applications=wants, prior=SIZES),
    )

    assert account["winner"].to_list() == [0, None]
    assert account["nearest_miss"][1].startswith("trial 0 comes nearest, with a model size of 1")
    whole = account.row(0, named=True)
    assert (whole["n_trials"], whole["n_complete"], whole["n_stopped"]) == (2, 1, 1)
    assert (whole["spent_s"], whole["training_s"]) == (3.0, 3.0)
    assert whole["saved_s"] > 0


@pytest.mark.parametrize(("n_trials", "is_early"), [(2, False), (48, True)])
def test_a_search_that_ended_early_says_so(
    blobs: TrainingData, n_trials: int, is_early: bool
) -> None:
    settings = cells.make_settings(n_trials=n_trials)

    account = account_search(
        [ended(0, 2), ended(1, 1)], cells.make_cell(blobs), settings, make_targets()
    )

    assert [text is not None for text in account["ended_early"]] == [is_early]
