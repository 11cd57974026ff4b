"""The resource profile of one subject by itself: no rivals, no labels, no training."""

from __future__ import annotations

from collections.abc import Sequence

from rightfit.profiling.hardware.tiers import Tier
from rightfit.profiling.measuring.bench import Bench, Subject
from rightfit.profiling.measuring.measurement import Measurement, measure_under_load
from rightfit.profiling.measuring.state import MeasurementState
from rightfit.profiling.metrics import columns_from
from rightfit.profiling.profile import MeasuredHow
from rightfit.profiling.profiles.costs import set_serving_costs, try_tiers
from rightfit.profiling.profiles.profile import ProfileBuilder
from rightfit.profiling.serving import Serving
from rightfit.profiling.shared_error import SharedError


def profile_subject(
    subject: Subject,
    serving: Serving,
    bench: Bench,
    *,
    size_bytes: int,
    tiers: Sequence[Tier],
    devices: Sequence[str],
    environment_id: str,
) -> ProfileBuilder:
    """Measure a subject to the end of its preset.

    Args:
        subject: What is measured.
        serving: How it is served.
        bench: Where and how to measure.
        size_bytes: Size of its files.
        tiers: Hardware ladder, smallest first.
        devices: Devices this machine has.
        environment_id: Fingerprint of machine and libraries.

    Raises:
        RuntimeError: If it cannot be opened or fails.
    """
    state = _measure(subject, bench)
    if state.error is not None:
        raise RuntimeError(f"{subject.label} does not run: {state.error}")

    shared = SharedError.assume(bench.settings.shared_error_pct).alone

    def assemble() -> ProfileBuilder:
        profile = ProfileBuilder(
            model=subject.label,
            candidate=subject.label,
            serving=serving,
            environment_id=environment_id,
            how=MeasuredHow(preset=bench.preset, devices=tuple(devices)),
        )
        profile.miss(columns_from("answers"), "no labels were given")
        profile.miss(columns_from("training"), "it was not trained here")
        profile.hardware_tier = set_serving_costs(
            profile,
            serving,
            state,
            bench,
            shared=shared,
            size_bytes=size_bytes,
            tiers=tiers,
            devices=devices,
        )
        return profile

    if bench.settings.tries_tiers:
        state = try_tiers(subject, serving, state, assemble(), bench, tiers=tiers)
    return assemble()


def _measure(subject: Subject, bench: Bench) -> MeasurementState:
    measurement = Measurement(subject, bench)
    try:
        while not measurement.is_over:
            measurement.visit()
    finally:
        measurement.leave()
    state = measurement.state
    while state.error is None and len(state.server) < bench.settings.server.n_processes:
        state = measure_under_load(subject, bench, state)
    return state
