from __future__ import annotations

from factories import cells
from factories.application_targets import make_point
from optuna.trial import TrialState, create_trial

from rightfit_search.families.family import TrainingData
from rightfit_search.searching.observing import read_pool
from rightfit_search.searching.studies.trial_attributes import CONFIGURATION, CURVE

SETTINGS = {**cells.LINEAR_PARAMS.fixed, "alpha": 1e-2, "eta0": 1e-4}


def test_a_record_is_seen_from_before_training_to_its_last_checkpoint(blobs: TrainingData) -> None:
    record = {CONFIGURATION: SETTINGS, CURVE: [make_point(1, 0.5)]}
    trial = create_trial(state=TrialState.RUNNING, user_attrs=record)
    trial.number = 7
    (seen,) = read_pool([trial], cells.make_cell(blobs), n_checkpoints=2).trials

    assert seen.number == 7
    assert [look.checkpoint for look in seen.looks] == [0, 1]
    assert seen.last.quality == 0.5
    assert seen.last.quality_error == 0.01  # as recorded, on a scale from 0 to 1
    assert seen.last.fit["fit_time_s"] == 2.0  # two of the four epochs are done
    assert seen.last.spent_s == 1.0


def test_a_training_that_was_cut_short_counts_as_it_is(blobs: TrainingData) -> None:
    record = {CONFIGURATION: SETTINGS, CURVE: [make_point(1, 0.5), make_point(2, 0.6)]}
    trial = create_trial(state=TrialState.COMPLETE, value=0.6, user_attrs=record)
    trial.number = 0

    pool = read_pool([trial], cells.make_cell(blobs), n_checkpoints=4)

    assert pool.is_trained(pool.trials[0])
    assert pool.trials[0].qualities == [0.5, 0.6, 0.6, 0.6]
