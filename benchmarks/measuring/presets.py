"""The presets that are shipped, for benchmarks that measure or simulate with them."""

from __future__ import annotations

from rightfit.parameters.defaults import read_default
from rightfit.profiling.measuring.presets import MeasuringSettings


def read_preset(name: str) -> MeasuringSettings:
    """Return a preset of ``parameters_evaluation.yml``."""
    return MeasuringSettings(**read_default("evaluation")["presets"][name])
