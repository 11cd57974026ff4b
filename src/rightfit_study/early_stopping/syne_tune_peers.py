"""Schedulers of Syne Tune as peers in replays: MOASHA, and its median stopping rule.

They need the extra ``bench``. MOASHA is told the true final serving costs at every look, for
nothing: more than it could know.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer.scheduler import SchedulerDecision
from syne_tune.optimizer.schedulers.median_stopping_rule import MedianStoppingRule
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

from rightfit.measuring.serving import Serving
from rightfit.searching.stopping import resource_at
from rightfit_study.early_stopping.replay import RecordedSearch

RESOURCE, ERROR = "resource", "error"
# What serving costs, in the configuration most applications choose.
COSTS = ("latency_p50_ms", "peak_memory_mib", "model_size_mib", "throughput_rows_per_s")
SERVING = Serving("onnx", 1, "cpu")


class _NeverStops(MOASHA):  # type: ignore[misc,unused-ignore] # of no type where not installed
    """The median rule wraps a scheduler and asks it too."""

    def on_trial_result(self, trial: Trial, result: dict[str, Any]) -> str:  # noqa: ARG002
        return str(SchedulerDecision.CONTINUE)


def make_moasha(last: int, factor: int) -> Any:
    """Make MOASHA on the error and four costs."""
    metrics = [ERROR, *COSTS]
    own = {"time_attr": RESOURCE, "max_t": last, "grace_period": 1, "reduction_factor": factor}
    return MOASHA({"x": 0}, metrics, **own)


def make_median_rule(last: int) -> Any:
    """Make the median stopping rule on the error, with its defaults."""
    lenient = _NeverStops({"x": 0}, [ERROR], time_attr=RESOURCE, max_t=last)
    return MedianStoppingRule(lenient, RESOURCE, metric=ERROR)


def train_scheduled(search: RecordedSearch, scheduler: Any) -> None:
    """Train the trials of a search one after the other, as a scheduler of Syne Tune lets them.

    Args:
        search: What is replayed.
        scheduler: From :func:`make_moasha` or :func:`make_median_rule`.
    """
    for number, index in enumerate(search.order):
        served = search.cell.trials[index].trial.served.get(SERVING, {})
        costs = {name: float(served.get(name, 0.0)) for name in COSTS}
        costs["throughput_rows_per_s"] *= -1  # all are minimised
        trial = Trial(number, {}, datetime.now())
        if isinstance(scheduler, MOASHA):
            scheduler.on_trial_add(trial)
        for look in range(1, search.cell.n_checkpoints + 1):
            error = 1 - search.train(number).qualities[-1]
            result = {RESOURCE: resource_at(look), ERROR: error, **costs}
            if scheduler.on_trial_result(trial, result) == SchedulerDecision.STOP:
                break
