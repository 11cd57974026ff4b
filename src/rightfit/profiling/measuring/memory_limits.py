"""Running a model under the memory of hardware tiers, not only computing that it fits.

Cores are limited by affinity and thread pools, in every measurement. Memory is limited by
``RLIMIT_DATA``: the kernel refuses to map more private writable memory. It does not count pages of
libraries and other files, so their resident size is taken off the tier's memory first. Two other
limits of the same family do not serve: ``RLIMIT_RSS`` has no effect on Linux, and ``RLIMIT_AS``
counts address space, of which a runtime reserves far more than it uses. Control groups would count
exactly, but not every machine offers them to a user.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rightfit.profiling.hardware.tiers import Tier, misfits
from rightfit.profiling.measuring.lock import machine_lock
from rightfit.profiling.measuring.measurement import Bench, Subject
from rightfit.profiling.measuring.state import MeasurementState
from rightfit.profiling.worker.protocol import Failure, RanOnce, RunOnceRequest
from rightfit.profiling.worker.results import LimitTrial

LIMIT = "RLIMIT_DATA"


def try_limits(
    subject: Subject,
    bench: Bench,
    state: MeasurementState,
    *,
    tiers: Sequence[Tier],
    peak_memory_mib: float,
    batch_size: int,
    device: str,
) -> MeasurementState:
    """Run a model under the memory of ever larger tiers, until it runs.

    Args:
        subject: What to run.
        bench: Where.
        state: Its measurement; trials that it holds are not repeated.
        tiers: The ladder.
        peak_memory_mib: Measured peak: smaller tiers are not tried.
        batch_size: Rows of the largest call.
        device: Device it was measured on.

    Returns:
        The state with the trials under ``limits``.
    """
    trials = {trial.memory_mib: trial for trial in state.limits}
    for tier in tiers:
        if misfits(
            tier,
            n_threads=subject.kind.n_threads,
            peak_memory_mib=peak_memory_mib,
            device=device,
        ):
            continue
        if tier.memory_mib not in trials:
            limit_s = bench.settings.limit_s(state.longest_s)
            error = _try(subject, bench, tier.memory_mib, batch_size, limit_s)
            trials[tier.memory_mib] = LimitTrial(tier.memory_mib, error is None, error, LIMIT)
        if trials[tier.memory_mib].ok:
            break
    return replace(state, limits=tuple(trials.values()))


def _try(
    subject: Subject, bench: Bench, memory_mib: float, batch_size: int, limit_s: float
) -> str | None:
    """Run a model under a limit; return why it does not run there, ``None`` if it does."""
    with machine_lock():
        worker = bench.pool.get(subject.kind)
        failure = worker.await_hello(limit_s)
        if failure is not None:
            return failure.error
        of_files_mib = worker.hello.base_resident_mib - worker.hello.base_anonymous_mib
        request = RunOnceRequest(
            factory=subject.factory,
            arguments=subject.arguments,
            rows=bench.locate_rows(subject),
            memory_limit_mib=memory_mib - of_files_mib,
            batch_size=batch_size,
            limit_s=limit_s,
        )
        answer = worker.ask(request, RanOnce)
    return answer.error if isinstance(answer, Failure) else None
