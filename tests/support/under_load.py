"""What processes that served random arrivals would have found."""

from __future__ import annotations

import dataclasses
from typing import Any

from rightfit.profiling.worker.rate_search import RateFound
from rightfit.profiling.worker.under_load import FixedRate, UnderLoad


def served(
    p99_ms: float | None,
    rate_per_s: float | None,
    *,
    n_requests: int = 700,
    is_capped: bool = False,
    reason: str | None = None,
) -> dict[str, Any]:
    """Return a process' answer; the reason is that of what is missing."""
    fixed = FixedRate(p99_ms, p99_ms, 0.5, n_requests, reason=reason if p99_ms is None else None)
    highest = RateFound(
        rate_per_s,
        utilisation=0.8,
        error=0.01,
        is_capped=is_capped,
        n_services=700,
        n_trials=3,
        reason=reason if rate_per_s is None else None,
    )
    return dataclasses.asdict(UnderLoad(fixed, highest))
