"""What serving costs: files, what measuring found, and the hardware that will do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rightfit.profiling.hardware.tiers import Judged, Tier, judge_tiers
from rightfit.profiling.intervals import ProcessSpread
from rightfit.profiling.measuring.bench import Bench, Subject
from rightfit.profiling.measuring.memory_limits import try_limits
from rightfit.profiling.measuring.state import MeasurementState
from rightfit.profiling.profiles.profile import ProfileBuilder
from rightfit.profiling.profiles.serving_metrics import set_serving_metrics, set_tiers
from rightfit.profiling.serving import Serving
from rightfit.profiling.shared_error import SharedError
from rightfit.profiling.worker.units import BYTES_PER_MIB


def set_serving_costs(
    profile: ProfileBuilder,
    serving: Serving,
    state: MeasurementState,
    bench: Bench,
    *,
    shared: SharedError,
    size_bytes: int,
    tiers: Sequence[Tier],
    devices: Iterable[str],
    spreads: Mapping[str, ProcessSpread] | None = None,
) -> str | None:
    """Set what serving costs: size, what measuring found, and hardware tiers.

    Args:
        profile: To fill.
        serving: Serving configuration it was measured in.
        state: Its measurement.
        bench: How it was measured.
        shared: What its processes may share.
        size_bytes: Size of the files that serving needs.
        tiers: Hardware ladder, smallest first.
        devices: Devices this machine has.
        spreads: By how much processes of the measurements beside it differ, by column.

    Returns:
        Name of the smallest tier it runs on; ``None`` if that is not known, or there is none.
    """
    profile.set("model_size_mib", size_bytes / BYTES_PER_MIB)
    set_serving_metrics(
        profile,
        state,
        bench.settings,
        shared=shared,
        n_threads=serving.n_threads,
        is_final=state.is_over,
        spreads=spreads,
    )
    present = tuple(devices)

    def judge(end: str) -> list[Judged]:
        peak_mib = profile.values.get(f"peak_memory_mib{end}")
        if peak_mib is None:
            return []
        return judge_tiers(
            tiers,
            n_threads=serving.n_threads,
            device=serving.device,
            peak_memory_mib=peak_mib,
            trials=state.limits,
            devices=present,
        )

    return set_tiers(profile, judge(""), low=judge("_low"), high=judge("_high"))


def try_tiers(
    subject: Subject,
    serving: Serving,
    state: MeasurementState,
    profile: ProfileBuilder,
    bench: Bench,
    *,
    tiers: Sequence[Tier],
) -> MeasurementState:
    """Run a measured model under the memory of the smallest tiers that may do.

    Returns:
        The state with the trials; as it was where nothing is worth trying.
    """
    peak_mib, batch_size = profile.values["peak_memory_mib"], profile.best_batch_size
    if state.wants_no_more or peak_mib is None or batch_size is None:
        return state
    return try_limits(
        subject,
        bench,
        state,
        tiers=tiers,
        peak_memory_mib=peak_mib,
        batch_size=batch_size,
        device=serving.device,
    )
