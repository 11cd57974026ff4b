"""What an evaluation would measure, how long at most, and what this machine cannot measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rightfit._core.formatting import count
from rightfit.measuring.hardware.tiers import Tier
from rightfit.measuring.metrics import LATENCY_COLUMNS, NO_LOAD_TEST, columns_from
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.rounds.settling import WALL_TIMES
from rightfit.measuring.serving import Serving
from rightfit.measuring.worker.latency import MEDIAN, min_calls_to_report
from rightfit.measuring.worker.meters.devices import DeviceMeter
from rightfit.measuring.worker.units import MS_PER_S

S_PER_MIN = 60


def describe_plan(
    settings: MeasuringSettings,
    servings: Sequence[Serving],
    candidates: Mapping[str, int | None],
    *,
    tiers: Sequence[Tier],
    devices: Sequence[str],
) -> list[str]:
    """Describe an evaluation before it is made.

    Args:
        settings: The preset.
        servings: Serving configurations.
        candidates: Number of candidates of each cell; ``None`` where none are there yet.
        tiers: The hardware ladder.
        devices: Devices this machine has.

    Returns:
        Lines to show.
    """
    counts = {cell: n for cell, n in candidates.items() if n is not None}
    unknown = [cell for cell, n in candidates.items() if n is None]
    n_profiles = sum(counts.values()) * len(servings)
    lines = [f"Serving configurations: {'; '.join(str(serving) for serving in servings)}"]
    lines += [
        f"{cell}: {count(n, 'candidate')}, {count(n * len(servings), 'profile')}"
        for cell, n in counts.items()
    ]
    if unknown:
        lines.append(f"No candidates yet, train first: {', '.join(unknown)}")
    if n_profiles:
        most_min = n_profiles * longest_profile_s(settings) / S_PER_MIN
        usual_min = n_profiles * settings.max_s / S_PER_MIN
        lines.append(
            f"{count(n_profiles, 'profile')}: usually less than {usual_min:.1f} minutes, at most "
            f"{most_min:.1f}. What was measured before "
            "is not repeated, and what no application could choose stops after "
            f"{settings.screening_processes} of {settings.min_processes} to "
            f"{settings.max_processes} processes."
        )
    # A percentile needs so many calls in the time of all processes: slower models get none.
    n_processes = min(
        settings.max_processes, max(1, int(settings.max_s * MS_PER_S / settings.latency_max_ms))
    )
    timing_ms = n_processes * settings.latency_max_ms
    lines += [
        f"{column}: not for models that take more than "
        f"{timing_ms / min_calls_to_report(share):.2g} ms a call in this preset"
        for share, column in LATENCY_COLUMNS.items()
        if share > MEDIAN
    ]
    meter = DeviceMeter("cuda" if "cuda" in devices else "cpu")
    for figure, reason in meter.reasons.items():
        computed = (name for name in columns_from("device") if name.startswith(figure))
        lines.append(f"{next(computed, figure)}: not measured here, {reason}")
    if settings.server.n_processes == 0:
        lines.append(f"{', '.join(columns_from('load_test'))}: {NO_LOAD_TEST}")
    lines += [
        f"tier {tier.name}: not judged here, this machine has no {tier.device}"
        for tier in tiers
        if tier.device not in devices
    ]
    return lines


def longest_profile_s(settings: MeasuringSettings) -> float:
    """Return the longest a profile can take, models' own loading time aside."""
    process_ms = (
        settings.warm_up_max_ms
        + settings.latency_max_ms
        + (1 + len(settings.batch_sizes)) * (settings.batch_min_ms + 2 * settings.batch_max_call_ms)
    )
    rounds_s = WALL_TIMES * settings.max_s + process_ms / MS_PER_S
    return rounds_s + settings.server.n_processes * settings.server.max_s
