"""What applications ask of a test's search, and searches played without any training."""

from __future__ import annotations

from typing import Any

import cells
import measured
import optuna
from optuna.trial import TrialState
from recordings import ONE, application, rule_params

from rightfit.families.family import TrainingData
from rightfit.profiling.hardware.tiers import Tier
from rightfit.ranking.applications.applications import Applications
from rightfit.tuning.judge.demand import Demand
from rightfit.tuning.judge.observed import Serving
from rightfit.tuning.search.claims import CLAIM
from rightfit.tuning.search.learning_curve import Json
from rightfit.tuning.steering.application_steering import ApplicationSteering
from rightfit.tuning.steering.steering import Stop
from rightfit.tuning.studies.live_pool import SearchRecord, read_search
from rightfit.tuning.studies.study_store import STOP_REASON
from rightfit.tuning.studies.trial_attributes import (
    CONFIGURATION,
    CURVE,
    STOP_CHECKPOINT,
    VOTES,
    dump_votes,
)

ACCURACY = {"accuracy": application()}
TINY = Tier(name="tiny", n_cores=1, memory_mib=1024, device="cpu", price_per_hour=0.01)


def make_demand(**changes: Any) -> Demand:
    values: dict[str, Any] = {
        "applications": Applications(ACCURACY),
        "rules": rule_params(min_gain=0.001),
        "servings": (ONE,),
        "measuring": measured.make_settings(),
        "tiers": (TINY,),
        "known_quality": None,
        "audit_share": 0.0,
    }
    return Demand(**(values | changes))


class FakeBench:
    """Measures the size of the model that a test says."""

    def __init__(self) -> None:
        self.size_mib = 1.0
        self.measured: list[Serving] = []

    def measure(self, bundle: Any, serving: Serving) -> tuple[dict[str, float], float]:
        self.measured.append(serving)
        return {"model_size_mib": self.size_mib, "latency_p50_ms": 1.0}, 0.5


class Play:
    """A search whose trainings are made up; two checkpoints each, as in ``cells``."""

    def __init__(self, data: TrainingData, **changes: Any) -> None:
        self.bench = FakeBench()
        self.cell = cells.make_cell(data)
        self.demand = make_demand(**changes)
        self.settings = cells.make_settings(sampler="tpe", demand=self.demand)
        self.study = optuna.create_study(direction="maximize")
        self.steering = ApplicationSteering(
            self.cell,
            self.settings,
            self.demand,
            self.study,
            self.bench,  # type: ignore[arg-type]
        )

    def record(self) -> SearchRecord:
        """Read what the search has come to."""
        return read_search(self.study.trials, self.cell, n_checkpoints=2)

    def run(self, *qualities: float, alpha: float = 1e-4, size_mib: float = 1.0) -> Stop | None:
        """Play a trial through its checkpoints; return the stop, if there was one."""
        draw = len(self.study.trials)
        trial = self.study.ask(
            {"alpha": optuna.distributions.FloatDistribution(1e-6, 1e-2, log=True)}
        )
        configuration = {**cells.LINEAR_PARAMS.fixed, "alpha": alpha, "eta0": 0.1}
        trial.set_user_attr(CONFIGURATION, configuration)
        trial.set_user_attr(CLAIM, {"draw": draw})
        referee = self.steering.follow(trial)
        curve: list[Json] = []
        stop = referee.look(curve)
        for number, quality in enumerate(qualities, start=1):
            if stop is not None:
                break
            curve.append(make_point(number, quality))
            trial.set_user_attr(CURVE, curve)
            stop = referee.look(curve)
        if stop is None:
            self.bench.size_mib = size_mib
            referee.finish(None)  # type: ignore[arg-type]
        else:
            trial.set_user_attr(STOP_REASON, stop.reason)
            trial.set_user_attr(STOP_CHECKPOINT, stop.checkpoint)
            trial.set_user_attr(VOTES, dump_votes(stop.votes))
        for name, note in referee.notes.items():
            trial.set_user_attr(name, note)
        trial.set_user_attr("compute_s", len(curve) + referee.measuring_s)
        if stop is None:
            self.study.tell(trial, qualities[-1])
        else:
            self.study.tell(trial, state=TrialState.PRUNED)
        return stop


def make_point(number: int, quality: float) -> Json:
    return {
        "checkpoint": number,
        "n_steps": number,
        "quality_raw": quality,
        "structure": {"n_parameters": 15.0, "n_operations": 12.0},
        "fit_time_s": 1.0,
        "step_time_ms": 1.0,
        "fit_peak_memory_mib": 1.0,
        "fit_cpu_cores": 1.0,
        "fit_cpu_s": float(number),
        "validate_cpu_s": 0.0,
    }
