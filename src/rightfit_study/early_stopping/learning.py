"""Learning priors from recordings: how quality rises, and what structures cost to serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import TypeAdapter

from rightfit.tuning.pausing.observed import Pool
from rightfit.tuning.pausing.priors import Prior
from rightfit.tuning.pausing.quality_projection import Floats, QualityPrior, StepPrior
from rightfit.tuning.pausing.serving_costs import learn_lines


def learn_prior(searches: Sequence[Pool]) -> Prior:
    """Learn from searches of the same family in which every trial was trained to the end."""
    if not searches:
        return Prior()
    curves = [np.array([trial.qualities for trial in search.trials]) for search in searches]
    measured = [trial for search in searches for trial in search.measured()]
    return Prior(learn_quality_prior(curves), learn_lines(measured))


def learn_quality_prior(curves: Sequence[Floats]) -> QualityPrior:
    """Learn from searches whose trials were all trained to the end.

    Args:
        curves: Qualities of each search, shape (n_trials, n_looks), all with the same looks. The
            better half at each look teaches slope and spread, the best third the rise.
    """
    steps = []
    for step in range(curves[0].shape[1] - 1):
        ranked = [q[np.argsort(-q[:, step], kind="stable")] for q in curves]
        rises = [np.median((q[:, step + 1] - q[:, step])[: max(len(q) // 3, 1)]) for q in ranked]
        halves = [q[: max(len(q) // 2, 1), step : step + 2] for q in ranked]
        centred = np.concatenate([half - half.mean(axis=0) for half in halves])
        slope = float((centred[:, 0] @ centred[:, 1]) / max(centred[:, 0] @ centred[:, 0], 1e-9))
        spread = float(np.std(centred[:, 1] - slope * centred[:, 0]))
        steps.append(StepPrior(float(np.median(rises)), slope, spread))
    return tuple(steps)


def dump_priors(priors: Mapping[str, Prior]) -> str:
    """Turn priors by family into JSON, as :func:`read_shipped_prior` reads it."""
    rows = {
        family: {
            "quality": prior.quality,
            "lines": [[serving, metric, line] for (serving, metric), line in prior.lines.items()],
        }
        for family, prior in priors.items()
    }
    return TypeAdapter(object).dump_json(rows).decode()
