"""A search as one application sees it, for the sampler to ask from."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from rightfit.tuning.pausing.outlook import Outlook
from rightfit.tuning.search.cell import SearchSettings
from rightfit.tuning.search.samplers import make_sampler


def score_trials(
    trials: Sequence[FrozenTrial],
    outlook: Outlook,
    application: str,
    settings: SearchSettings,
    *,
    draw: int,
) -> optuna.Study:
    """Make a study in memory of all trials, scored as one application sees them.

    Args:
        trials: All trials of the search.
        outlook: How they stand.
        application: Who asks.
        settings: Seed and start-up trials.
        draw: Place in the search of the configuration that is asked for.
    """
    sampler = make_sampler(
        "tpe", seed=settings.seed, draw=draw, n_startup_trials=settings.n_startup_trials
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    seen = {trial.number for trial in outlook.pool.trials}
    for trial in trials:
        if trial.number in seen:
            value = outlook.appraise(trial.number, application)
            study.add_trial(_rescore(trial, TrialState.COMPLETE, value))
        elif trial.state == TrialState.RUNNING and trial.params:
            study.add_trial(_rescore(trial, TrialState.RUNNING, None))
    return study


def _rescore(trial: FrozenTrial, state: TrialState, value: float | None) -> FrozenTrial:
    return create_trial(
        state=state, value=value, params=trial.params, distributions=trial.distributions
    )
