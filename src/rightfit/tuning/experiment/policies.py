"""Stopping policies for replays: ours, Optuna's pruners, and none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import optuna
from optuna.trial import TrialState

from rightfit.ranking.applications.applications import Application
from rightfit.tuning.experiment.recorded import RecordedCell
from rightfit.tuning.judge.appraisal import appraise
from rightfit.tuning.judge.judge import Judge
from rightfit.tuning.judge.observed import ObservedTrial, Pool, Serving
from rightfit.tuning.judge.stopping_rules import RuleParams


class NoStopping:
    """Trains every trial to the end and measures all of it."""

    def start(self, cell: RecordedCell) -> None:
        """See :class:`rightfit.tuning.experiment.replay.Policy`."""
        self._servings = cell.servings

    def learn(self, pool: Pool) -> None:
        """See :class:`rightfit.tuning.experiment.replay.Policy`."""

    def wants(self, trial: ObservedTrial) -> tuple[bool, Mapping[str, str]]:  # noqa: ARG002
        """See :class:`rightfit.tuning.experiment.replay.Policy`."""
        return True, {}

    def next_serving(self, trial: ObservedTrial) -> Serving | None:
        """See :class:`rightfit.tuning.experiment.replay.Policy`."""
        return next((s for s in self._servings if s not in trial.served), None)


class PrunerPolicy(NoStopping):
    """One of Optuna's pruners on validation quality, as ``should_prune`` would use it.

    Args:
        make_pruner: Makes the pruner, given the number of checkpoints.
    """

    def __init__(self, make_pruner: Callable[[int], optuna.pruners.BasePruner]) -> None:
        self._make_pruner = make_pruner

    def start(self, cell: RecordedCell) -> None:
        """See :class:`rightfit.tuning.experiment.replay.Policy`."""
        super().start(cell)
        self._n_checkpoints = cell.n_checkpoints
        self._study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.RandomSampler(),  # nothing is sampled: trials are recorded
            pruner=self._make_pruner(cell.n_checkpoints),
        )
        self._running: dict[int, optuna.Trial] = {}

    def learn(self, pool: Pool) -> None:
        """See :class:`rightfit.tuning.experiment.replay.Policy`."""
        for number, running in list(self._running.items()):
            trial = pool.trials[number]
            if len(trial.qualities) == self._n_checkpoints:
                self._study.tell(running, self._value(trial))
            else:
                self._study.tell(running, state=TrialState.PRUNED)
            del self._running[number]

    def wants(self, trial: ObservedTrial) -> tuple[bool, Mapping[str, str]]:
        """See :class:`rightfit.tuning.experiment.replay.Policy`."""
        if trial.number not in self._running:
            self._running[trial.number] = self._study.ask()
        running = self._running[trial.number]
        n_seen = len(trial.qualities)
        if n_seen:
            running.report(self._value(trial), n_seen)
        if not n_seen or n_seen == self._n_checkpoints or not running.should_prune():
            return True, {}
        return False, {"": type(self._study.pruner).__name__}

    def _value(self, trial: ObservedTrial) -> float:
        return trial.qualities[-1]


class UtilityPrunerPolicy(PrunerPolicy):
    """One of Optuna's pruners on the projected utility of one application.

    A trial that is certain to break a limit has a value below any that is not.

    Args:
        make_pruner: Makes the pruner, given the number of checkpoints.
        applications: The one that will choose.
        params: For the projection.
    """

    def __init__(
        self,
        make_pruner: Callable[[int], optuna.pruners.BasePruner],
        applications: Mapping[str, Application],
        params: RuleParams,
    ) -> None:
        super().__init__(make_pruner)
        self._applications = applications
        self._params = params

    def start(self, cell: RecordedCell) -> None:
        """See :class:`rightfit.tuning.experiment.replay.Policy`."""
        super().start(cell)
        self._judge = _make_judge(cell, self._applications, self._params)

    def learn(self, pool: Pool) -> None:
        """See :class:`rightfit.tuning.experiment.replay.Policy`."""
        self._judge.learn(pool)
        super().learn(pool)

    def _value(self, trial: ObservedTrial) -> float:
        (application,) = self._applications
        return appraise(self._judge, trial, application)


class JudgePolicy:
    """The judge: all applications vote, and measuring goes on while any wants more.

    Args:
        applications: Who will choose.
        params: The rules, and how sure they have to be.
    """

    def __init__(self, applications: Mapping[str, Application], params: RuleParams) -> None:
        self._applications = applications
        self._params = params

    def start(self, cell: RecordedCell) -> None:
        """See :class:`rightfit.tuning.experiment.replay.Policy`."""
        self._judge = _make_judge(cell, self._applications, self._params)
        self._pool = Pool((), cell.n_checkpoints)

    def learn(self, pool: Pool) -> None:
        """See :class:`rightfit.tuning.experiment.replay.Policy`."""
        self._pool = pool
        self._judge.learn(pool)

    def wants(self, trial: ObservedTrial) -> tuple[bool, Mapping[str, str]]:
        """See :class:`rightfit.tuning.experiment.replay.Policy`."""
        decision = self._judge.decide(trial)
        return not decision.is_stop, {name: vote.rule for name, vote in decision.votes.items()}

    def next_serving(self, trial: ObservedTrial) -> Serving | None:
        """See :class:`rightfit.tuning.experiment.replay.Policy`."""
        if trial.served:
            # What was just measured may have made an incumbent, and tells about the rest.
            self._judge.learn(Pool((*self._pool.trials, trial), self._pool.n_checkpoints))
        decision = self._judge.decide(trial)
        wanted = self._judge.wanted_servings(trial, decision)
        return wanted[0] if wanted else None


def _make_judge(
    cell: RecordedCell, applications: Mapping[str, Application], params: RuleParams
) -> Judge:
    return Judge(applications, params, cell.servings, known_quality=cell.quality_elsewhere)
