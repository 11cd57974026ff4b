"""Samplers whose n-th configuration does not depend on which worker asks for it."""

from __future__ import annotations

import itertools
import warnings
from typing import Literal

import numpy as np
import optuna

from rightfit.families.family import Configuration
from rightfit.tuning.search.space import Space

SamplerName = Literal["tpe", "random", "grid"]


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


def make_sampler(
    name: SamplerName, *, seed: int, index: int, n_startup_trials: int
) -> optuna.samplers.BaseSampler:
    """Make Optuna's sampler for one configuration.

    A sampler that lives for a whole search depends on what it was asked before, so a resumed search
    or a second worker would sample the same again. This one starts afresh each time: a random
    search draws the same configurations in whatever order and by whatever worker; TPE, which also
    looks at the results so far, does with one worker, interrupted or not.

    Args:
        name: ``tpe`` or ``random``; ``grid`` draws from :func:`grid_points` and needs none.
        seed: Seed of the search.
        index: The configuration's place in the search, from 0.
        n_startup_trials: Draws of TPE at random before it looks at results.
    """
    own_seed = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
    if name == "tpe":
        # a running trial counts as a bad one, so workers keep apart
        return optuna.samplers.TPESampler(
            seed=own_seed, n_startup_trials=n_startup_trials, constant_liar=True
        )
    return optuna.samplers.RandomSampler(seed=own_seed)


def grid_points(space: Space, *, n_points: int, seed: int) -> list[Configuration]:
    """Return the points of a grid in a random order.

    Args:
        space: What is searched.
        n_points: Points per range.
        seed: Seed of the order.
    """
    names = list(space.root)
    values = [space.root[name].grid(n_points) for name in names]
    points = [dict(zip(names, point, strict=True)) for point in itertools.product(*values)]
    order = np.random.default_rng(seed).permutation(len(points))
    return [points[position] for position in order]
