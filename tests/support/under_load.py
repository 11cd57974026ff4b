"""What processes that served random arrivals would have found."""

from __future__ import annotations

from rightfit.profiling.worker.results import FixedRate, RateFound, ServerResult


def served(
    p99_ms: float | None,
    rate_per_s: float | None,
    *,
    n_requests: int = 700,
    is_capped: bool = False,
    reason: str | None = None,
) -> ServerResult:
    """Return a process' answer; the reason is that of what is missing."""
    fixed = FixedRate(
        p99_ms=p99_ms,
        utilisation=0.5,
        n_requests=n_requests,
        reason=reason if p99_ms is None else None,
    )
    highest = RateFound(
        rate_per_s=rate_per_s,
        is_capped=is_capped,
        n_trials=3,
        reason=reason if rate_per_s is None else None,
    )
    return ServerResult(fixed, highest)
