"""What applications ask of a test's search."""

from __future__ import annotations

from typing import Any

from factories.recordings import ONE, application, pausing_params
from rightfit.ranking.applications.applications import Applications
from rightfit_search.searching.pausing.costs import CostLine
from rightfit_search.searching.pausing.pausing_rule import ApplicationTargets
from rightfit_search.searching.pausing.priors import Prior

ACCURACY = {"accuracy": application()}


# A mebibyte for each parameter.
SIZES = Prior(lines={(ONE, "model_size_mib"): CostLine(0.0, {"n_parameters": 1.0}, 0.0)})


def make_targets(**changes: Any) -> ApplicationTargets:
    values: dict[str, Any] = {
        "applications": Applications(ACCURACY),
        "pausing": pausing_params(min_gain=0.001),
        "servings": (ONE,),
        "known_quality": None,
    }
    return ApplicationTargets(**(values | changes))


def make_point(number: int, quality: float, *, size_mib: float = 15.0) -> dict[str, Any]:
    """A look; ``size_mib`` by ``SIZES``."""
    return {
        "checkpoint": number,
        "n_steps": number,
        "quality_raw": quality,
        "quality_raw_error": 0.01,
        "structure": {"n_parameters": size_mib, "n_operations": 12.0},
        "fit_time_s": 1.0,
        "step_time_ms": 1.0,
        "fit_peak_memory_mib": 1.0,
        "fit_cpu_cores": 1.0,
        "fit_cpu_s": float(number),
        "validate_cpu_s": 0.0,
        "work_s": float(number),
    }
