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

from rightfit.profiling.hardware.tiers import LimitTrial, Tier, limit_key, misfits
from rightfit.profiling.measuring.bench import Bench, Subject
from rightfit.profiling.measuring.lock import machine_lock
from rightfit.profiling.measuring.state import MeasurementState
from rightfit.profiling.worker.messages import Failure, RanOnce, RunOnceRequest

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
    trials = dict(state.limits)
    for tier in tiers:
        key = limit_key(tier)
        if misfits(
            tier,
            n_threads=subject.kind.n_threads,
            peak_memory_mib=peak_memory_mib,
            device=device,
        ):
            continue
        if key not in trials:
            limit_s = bench.settings.limit_s(state.longest_s)
            trials[key] = _try(subject, bench, tier.memory_mib, batch_size, limit_s)
        if trials[key].ok:
            break
    return replace(state, limits=trials)


def _try(
    subject: Subject, bench: Bench, memory_mib: float, batch_size: int, limit_s: float
) -> LimitTrial:
    with machine_lock():
        worker = bench.pool.get(subject.kind)
        failure = worker.await_hello(limit_s)
        if failure is not None:
            return LimitTrial(ok=False, error=failure.error, limit=LIMIT)
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
    if isinstance(answer, Failure):
        return LimitTrial(ok=False, error=answer.error, limit=LIMIT)
    return LimitTrial(ok=True, error=None, limit=LIMIT)
