"""Running under a tier's real limits, not only below them on paper.

Cores are limited by affinity and thread pools, in every measurement. Memory is limited by
``RLIMIT_DATA``: the kernel refuses to map more private writable memory. It does not count pages of
libraries and other files, so their resident size is taken off the tier's memory first. Two other
limits of the same family do not serve: ``RLIMIT_RSS`` has no effect on Linux, and ``RLIMIT_AS``
counts address space, of which a runtime reserves far more than it uses. Control groups would count
exactly, but not every machine lets a user have one.
"""

from __future__ import annotations

from collections.abc import Sequence

from rightfit.profiling.hardware.tiers import Tier, limit_key, misfits
from rightfit.profiling.measuring.bench import Bench, Subject, request_for
from rightfit.profiling.measuring.lock import lock_path, machine_lock
from rightfit.profiling.worker.process import Json

LIMIT = "RLIMIT_DATA"


def try_limits(
    subject: Subject,
    bench: Bench,
    state: Json,
    *,
    tiers: Sequence[Tier],
    peak_memory_mib: float,
    batch_size: int,
    device: str,
) -> Json:
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
    trials = dict(state["limits"])
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
            trials[key] = _try(subject, bench, tier.memory_mib, batch_size)
        if trials[key]["ok"]:
            break
    return state | {"limits": trials}


def _try(subject: Subject, bench: Bench, memory_mib: float, batch_size: int) -> Json:
    with machine_lock(lock_path()):
        worker = bench.pool.get(subject.kind)
        of_files_mib = worker.hello["base_resident_mib"] - worker.hello["base_anonymous_mib"]
        answer = worker.ask(
            request_for(subject, bench)
            | {
                "task": "run_once",
                "batch_size": batch_size,
                "memory_limit_mib": memory_mib - of_files_mib,
            }
        )
    return {"ok": answer["ok"], "error": answer.get("error"), "limit": LIMIT}
