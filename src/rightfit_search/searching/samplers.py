"""Samplers whose n-th configuration does not depend on which worker asks for it."""

from __future__ import annotations

import inspect
import itertools
import warnings

import numpy as np
import optuna

from rightfit._core.errors import RightfitError
from rightfit._core.import_path import import_by_path
from rightfit.models.served_family import Configuration
from rightfit_search.searching.space import Space
from rightfit_search.searching.training_params import TrainingParams


def give_parameters(params: Configuration) -> optuna.samplers.BaseSampler:
    """Make a sampler that answers with given parameters.

    ``Study.enqueue_trial`` would take two steps, and a worker that dies between them would leave a
    configuration to be tried twice.

    Args:
        params: Parameters by name.
    """
    with warnings.catch_warnings():  # it has been called experimental since Optuna 2.4
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.PartialFixedSampler(dict(params), optuna.samplers.RandomSampler())


def make_sampler(training: TrainingParams, index: int) -> optuna.samplers.BaseSampler:
    """Make Optuna's sampler for one configuration.

    A sampler that lives for a whole search depends on what it was asked before, so a resumed search
    or a second worker would sample the same again. This one starts afresh each time: a random
    search draws the same configurations in whatever order and by whatever worker; TPE, which also
    looks at the results so far, does with one worker, interrupted or not. A class by its import
    path repeats itself likewise where it takes a ``seed``, and may try the same in two workers.

    Args:
        training: Its ``sampler`` is ``tpe``, ``random`` or an import path; ``grid`` draws from
            :func:`grid_points` and needs none.
        index: The configuration's place in the search, from 0.

    Raises:
        RightfitError: If the path leads to no sampler that can be made from a seed alone.
    """
    own_seed = int(np.random.SeedSequence([training.seed, index]).generate_state(1)[0])
    if training.sampler == "tpe":
        # a running trial counts as a bad one, so workers keep apart
        return optuna.samplers.TPESampler(
            seed=own_seed, n_startup_trials=training.n_startup_trials, constant_liar=True
        )
    if training.sampler == "random":
        return optuna.samplers.RandomSampler(seed=own_seed)
    return import_sampler(training.sampler, seed=own_seed)


def import_sampler(path: str, *, seed: int) -> optuna.samplers.BaseSampler:
    """Make the sampler at an import path, with the seed if it takes one.

    Raises:
        RightfitError: If there is none, or it needs other arguments.
    """
    kind = import_by_path(path, kind="sampler", key="training.sampler")
    try:
        has_seed = "seed" in inspect.signature(kind).parameters
        with warnings.catch_warnings():  # some are called experimental
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = kind(seed=seed) if has_seed else kind()
    except (ImportError, TypeError, ValueError) as err:
        raise RightfitError(f"The sampler {path} can't be made from a seed alone: {err}.") from err
    if not isinstance(sampler, optuna.samplers.BaseSampler):
        raise RightfitError(f"{path} is no sampler of Optuna. Correct training.sampler.")
    return sampler


def grid_points(space: Space, training: TrainingParams) -> list[Configuration]:
    """Return the points of a grid over a space in a random order, which the seed decides."""
    names = list(space)
    values = [space[name].grid(training.n_grid_points) for name in names]
    points = [dict(zip(names, point, strict=True)) for point in itertools.product(*values)]
    order = np.random.default_rng(training.seed).permutation(len(points))
    return [points[position] for position in order]
