"""Steering a search by what the applications want: all of them at once, over one pool of trials.

Each configuration is asked for by one application in turn, from a study of its own in which every
trial so far is scored as that application sees it. The judge stops a trial once no application
wants it, and chooses what of a finished model is worth measuring. The scores are made anew from the
stored trials each time, so an application that is added later starts from them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from rightfit.families.bundle import Bundle
from rightfit.families.registry import get_family
from rightfit.tuning.judge.appraisal import appraise
from rightfit.tuning.judge.demand import Demand
from rightfit.tuning.judge.observed import ObservedTrial, Pool, Serving
from rightfit.tuning.judge.stopping_rules import Vote
from rightfit.tuning.search.budget import is_finished
from rightfit.tuning.search.claims import CLAIM
from rightfit.tuning.search.learning_curve import Json
from rightfit.tuning.search.samplers import make_sampler
from rightfit.tuning.steering.short_measuring import ShortBench, open_short_bench
from rightfit.tuning.steering.steering import Proposal, Referee, Stop
from rightfit.tuning.studies.live_pool import dump_served, observe_trial, read_search
from rightfit.tuning.studies.trial_attributes import (
    AUDITED,
    CONFIGURATION,
    CURVE,
    GAINED,
    JUDGED,
    SERVED,
    UNTRAINED,
    dump_votes,
)

if TYPE_CHECKING:
    from rightfit.tuning.search.search import Cell, SearchSettings


class ApplicationSteering:
    """Steers by a judge that all applications vote with.

    Args:
        cell: What is searched.
        settings: Sampler, seeds and checkpoints.
        demand: What the applications ask for.
        study: The shared pool of trials.
        bench: Measures finished models.
    """

    def __init__(
        self,
        cell: Cell,
        settings: SearchSettings,
        demand: Demand,
        study: optuna.Study,
        bench: ShortBench,
    ) -> None:
        self.cell = cell
        self.settings = settings
        self.demand = demand
        self.bench = bench
        self.record = read_search([], cell, n_checkpoints=settings.n_checkpoints)
        self.judge = demand.make_judge(self.record.pool)
        self._study = study

    def propose(self, draw: int) -> Proposal | None:
        """See :class:`rightfit.tuning.steering.steering.Steering`."""
        if self.settings.sampler != "tpe" or draw < self.settings.n_startup_trials:
            return None
        trials = self.learn()
        names = list(self.judge.applications)
        name = names[draw % len(names)]
        study = self._score(trials, name, draw)
        asked = study.ask()
        self.cell.params.suggest(asked)
        return Proposal(asked.params, asked_by=name)

    def follow(self, trial: optuna.Trial) -> Referee:
        """See :class:`rightfit.tuning.steering.steering.Steering`."""
        return ApplicationReferee(trial, self)

    def learn(self) -> list[FrozenTrial]:
        """Tell the judge of trials that have ended since; return all trials of the study."""
        trials = self._study.get_trials(deepcopy=False)
        n_finished = sum(is_finished(trial) for trial in trials)
        if n_finished != len(self.record.trials):  # a finished trial stays so
            n_checkpoints = self.settings.n_checkpoints
            self.record = read_search(trials, self.cell, n_checkpoints=n_checkpoints)
            self.judge.learn(self.record.pool)
        return trials

    def _score(self, trials: Sequence[FrozenTrial], name: str, draw: int) -> optuna.Study:
        """Make a study of all trials as one application sees them."""
        study = optuna.create_study(
            direction="maximize",
            sampler=make_sampler(
                "tpe",
                seed=self.settings.seed,
                draw=draw,
                n_startup_trials=self.settings.n_startup_trials,
            ),
        )
        seen = {trial.number: trial for trial in self.record.pool.trials}
        for trial in trials:
            if trial.number in seen:
                value = appraise(self.judge, seen[trial.number], name)
                study.add_trial(_rescore(trial, TrialState.COMPLETE, value))
            elif trial.state == TrialState.RUNNING and trial.params:
                study.add_trial(_rescore(trial, TrialState.RUNNING, None))
        return study


class ApplicationReferee:
    """Has every application vote on a trial at each checkpoint, and measures what they want.

    Args:
        trial: The running trial.
        steering: The search's.
    """

    def __init__(self, trial: optuna.Trial, steering: ApplicationSteering) -> None:
        self.notes: dict[str, Any] = {}
        self.measuring_s = 0.0
        self._steering = steering
        self._number = trial.number
        self._draw = int(trial.user_attrs[CLAIM]["draw"])
        self._record: dict[str, Any] = {CONFIGURATION: trial.user_attrs[CONFIGURATION]}
        self._judging_ns = 0

    def look(self, curve: Sequence[Json]) -> Stop | None:
        """See :class:`rightfit.tuning.steering.steering.Referee`."""
        with self._judging():
            if not curve:
                self._describe_untrained()
            self._record[CURVE] = list(curve)
            self._steering.learn()
            seen = self._observe()
            decision = self._steering.judge.decide(seen)
        checkpoint = curve[-1]["checkpoint"] if curve else 0
        if (
            not decision.is_stop
            or AUDITED in self.notes
            or self._steering.record.keeps_anyway(seen)
        ):
            return None
        if self._is_audited():
            self.notes[AUDITED] = {"checkpoint": checkpoint, "votes": dump_votes(decision.votes)}
            return None
        return Stop(checkpoint, describe_votes(decision.votes), decision.votes)

    def finish(self, bundle: Bundle) -> None:
        """See :class:`rightfit.tuning.steering.steering.Referee`."""
        judge = self._steering.judge
        self._steering.learn()
        pool = self._steering.record.pool
        before = dict(judge.incumbents)
        seen = self._observe()
        while True:
            with self._judging():
                wanted = self._wanted_servings(seen)
            if not wanted:
                break
            metrics, seconds = self._steering.bench.measure(bundle, wanted[0])
            self.measuring_s += seconds
            seen = replace(seen, served={**seen.served, wanted[0]: metrics})
            with self._judging():  # it may be an incumbent now, and tells about the rest
                judge.learn(Pool((*pool.trials, seen), pool.n_checkpoints))
        self.notes[SERVED] = dump_served(seen.served)
        gained = [name for name, best in judge.incumbents.items() if best > before[name]]
        if gained:
            self.notes[GAINED] = gained
        judge.learn(pool)  # what it knows of this trial counts once the study says so

    def _wanted_servings(self, seen: ObservedTrial) -> list[Serving]:
        demand, judge = self._steering.demand, self._steering.judge
        if not demand.rules.rules:  # where nothing is stopped, everything is measured
            return [serving for serving in demand.servings if serving not in seen.served]
        return judge.wanted_servings(seen, judge.decide(seen))

    def _observe(self) -> ObservedTrial:
        n_checkpoints = self._steering.settings.n_checkpoints
        return observe_trial(
            self._number, self._record, self._steering.cell, n_checkpoints=n_checkpoints
        )

    def _describe_untrained(self) -> None:
        """Note the structure of the finished model where it is known before any training."""
        cell = self._steering.cell
        family = get_family(cell.family)
        model = family.build_untrained(
            self._record[CONFIGURATION], cell.train.schema, seed=self._steering.settings.seed
        )
        if model is not None:
            self._record[UNTRAINED] = self.notes[UNTRAINED] = family.describe_structure(model)

    def _is_audited(self) -> bool:
        rng = np.random.default_rng([self._steering.settings.seed, self._draw])
        return bool(rng.random() < self._steering.demand.audit_share)

    @contextmanager
    def _judging(self) -> Iterator[None]:
        start_ns = time.process_time_ns()
        try:
            yield
        finally:
            self._judging_ns += time.process_time_ns() - start_ns
            self.notes[JUDGED] = {
                "judging_s": self._judging_ns / 1e9,
                "measuring_s": self.measuring_s,
            }


@contextmanager
def open_application_steering(
    cell: Cell, settings: SearchSettings, demand: Demand, study: optuna.Study
) -> Iterator[ApplicationSteering]:
    """Make the steering of a search, with a bench to measure on while the block runs."""
    with open_short_bench(cell, demand) as bench:
        yield ApplicationSteering(cell, settings, demand, study, bench)


def describe_votes(votes: Mapping[str, Vote]) -> str:
    """Say why every application let go: the rules, then each reason.

    >>> vote = Vote("certain_violation", "latency_p95_ms", 2.0, "12 misses the limit of 10")
    >>> describe_votes({"web_api": vote})
    'certain_violation: web_api: 12 misses the limit of 10'
    """
    rules = " + ".join(dict.fromkeys(vote.rule for vote in votes.values()))
    return f"{rules}: " + "; ".join(f"{name}: {vote.text}" for name, vote in votes.items())


def _rescore(trial: FrozenTrial, state: TrialState, value: float | None) -> FrozenTrial:
    return create_trial(
        state=state, value=value, params=trial.params, distributions=trial.distributions
    )
