"""Syne Tune's MOASHA and median stopping rule on the recordings, for comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer.scheduler import SchedulerDecision
from syne_tune.optimizer.schedulers.median_stopping_rule import MedianStoppingRule
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

from rightfit.tuning.experiment.policies import NoStopping
from rightfit.tuning.experiment.recorded import RecordedCell
from rightfit.tuning.judge.observed import ObservedTrial

TIME = "share"
ERROR = "error"
# What serving costs, in the configuration most applications choose.
COSTS = ("latency_p50_ms", "peak_memory_mib", "model_size_mib", "seconds_per_row")
SERVING = ("onnx", 1, "cpu")


class SyneTunePolicy(NoStopping):
    """A scheduler of Syne Tune that sees each checkpoint's error and, for MOASHA, final costs.

    It is told the true final costs at every checkpoint, for nothing: more than it could know.

    Args:
        kind: ``moasha`` or ``median``.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def start(self, cell: RecordedCell) -> None:
        """See :class:`rightfit.tuning.experiment.replay.Policy`."""
        super().start(cell)
        self._n_checkpoints = cell.n_checkpoints
        self._costs = {recorded.trial.place: _costs(recorded.trial) for recorded in cell.trials}
        metrics = [ERROR, *COSTS] if self._kind == "moasha" else [ERROR]
        self._scheduler = MOASHA(
            {"x": 0},
            metrics,
            time_attr=TIME,
            max_t=2 ** (cell.n_checkpoints - 1),
            grace_period=1,
            reduction_factor=2,
        )
        if self._kind == "median":
            scheduler = _Lenient({"x": 0}, metrics, time_attr=TIME)
            self._scheduler = MedianStoppingRule(scheduler, TIME, metric=ERROR)
        self._trials: dict[int, Trial] = {}

    def wants(self, trial: ObservedTrial) -> tuple[bool, Mapping[str, str]]:
        """See :class:`rightfit.tuning.experiment.replay.Policy`."""
        if not trial.qualities:
            return True, {}
        checkpoint = len(trial.qualities)
        added = self._trials.get(trial.number)
        if added is None:
            added = Trial(trial.number, {}, datetime.now())
            self._trials[trial.number] = added
            if self._kind == "moasha":
                self._scheduler.on_trial_add(added)
        result = {TIME: 2 ** (checkpoint - 1), ERROR: 1 - trial.qualities[-1]}
        result |= self._costs[trial.place]
        decision = self._scheduler.on_trial_result(added, result)
        if checkpoint == self._n_checkpoints or decision != SchedulerDecision.STOP:
            return True, {}
        return False, {"": self._kind}


class _Lenient(MOASHA):
    """Never stops; the median rule wraps a scheduler and asks it too."""

    def on_trial_result(self, trial: Trial, result: dict[str, object]) -> str:  # noqa: ARG002
        return str(SchedulerDecision.CONTINUE)


def _costs(trial: ObservedTrial) -> dict[str, float]:
    served = trial.served[SERVING]
    costs: Sequence[float] = [served[name] for name in COSTS[:3]]
    return dict(zip(COSTS, [*costs, 1 / served["throughput_rows_per_s"]], strict=True))
