"""What applications ask of a test's search, and a bench that measures nothing."""

from __future__ import annotations

from typing import Any

import measured
from recordings import ONE, application, pausing_params

from rightfit.profiling.hardware.tiers import Tier
from rightfit.profiling.serving import Serving
from rightfit.ranking.applications.applications import Applications
from rightfit.tuning.steering.demand import Demand

ACCURACY = {"accuracy": application()}
SIZE_TOO = Applications({"small": application(max_size_mib=9)})  # something to measure
TINY = Tier(name="tiny", n_cores=1, memory_mib=1024, device="cpu", price_per_hour=0.01)


def make_demand(**changes: Any) -> Demand:
    values: dict[str, Any] = {
        "applications": Applications(ACCURACY),
        "pausing": pausing_params(min_gain=0.001),
        "servings": (ONE,),
        "measuring": measured.make_settings(),
        "measuring_share": 1.0,
        "breadth_share": 1.0,
        "paused_memory_mib": 1e6,
        "is_timed": False,
        "tiers": (TINY,),
        "known_quality": None,
    }
    return Demand(**(values | changes))


class FakeBench:
    """Measures a small model, in no time."""

    def __init__(self) -> None:
        self.measured: list[Serving] = []

    def measure(self, bundle: Any, serving: Serving) -> tuple[dict[str, float], float]:
        self.measured.append(serving)
        return {"model_size_mib": 1.0, "latency_p50_ms": 1.0}, 0.5


def make_point(number: int, quality: float) -> dict[str, Any]:
    return {
        "checkpoint": number,
        "n_steps": number,
        "quality_raw": quality,
        "quality_raw_error": 0.01,
        "structure": {"n_parameters": 15.0, "n_operations": 12.0},
        "fit_time_s": 1.0,
        "step_time_ms": 1.0,
        "fit_peak_memory_mib": 1.0,
        "fit_cpu_cores": 1.0,
        "fit_cpu_s": float(number),
        "validate_cpu_s": 0.0,
    }
