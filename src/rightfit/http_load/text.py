"""A load curve as a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rightfit.formatting import NOT_MEASURED
from rightfit.http_load.load_records import LoadCurve, LoadStep
from rightfit.profiling.estimate import Interval

HEADS = ("load", "answers/s", "p50 ms", "p95 ms", "p99 ms", "failed", "CPU", "MiB", "")


def describe_curve(curve: LoadCurve) -> Iterator[str]:
    """Yield the lines of a load curve: two tables, and what follows from them."""
    yield from _tabulate("clients, each asks again once answered", curve.closed)
    yield ""
    yield from _tabulate("requests a second, at random times", curve.opened)
    yield ""
    yield f"Capacity: {curve.capacity_per_s:,.0f} requests/s with any number of clients"
    limit = f"a p{curve.limit_share * 100:g} of {curve.limit_ms:g} ms"
    if curve.highest_rate_per_s is None:
        yield f"No rate tried keeps {limit}"
    else:
        yield (f"Highest rate tried that keeps {limit}: {curve.highest_rate_per_s:,.0f} requests/s")
    if curve.knee_per_s is not None:
        yield (
            f"Knee (p{curve.limit_share * 100:g} at most twice the first rate's): "
            f"{curve.knee_per_s:,.0f} requests/s"
        )
    late_ms = max(step.late_p99_ms for step in curve.opened)
    yield f"The load generator itself was late by {late_ms:.2f} ms at most (p99 of a step)"
    if any(step.disturbed for step in curve.opened):
        yield (
            "Disturbed: it was late by more than a fifth of the p50, or other processes used the "
            "cores. Leave it a core of its own on a quiet machine."
        )


def _tabulate(title: str, steps: Sequence[LoadStep]) -> Iterator[str]:
    rows = [HEADS, *(_row(step) for step in steps)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
    yield title
    for row in rows:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(step: LoadStep) -> tuple[str, ...]:
    failed = ", ".join(f"{n} {kind}" for kind, n in step.errors.items())
    return (
        f"{step.level:,.0f}" if step.level >= 10 else f"{step.level:.3g}",
        f"{step.throughput_per_s:,.0f}",
        *(_write(step.latency_ms[share]) for share in (0.5, 0.95, 0.99)),
        failed or "0",
        f"{step.server_cores:.2f}",
        f"{step.peak_memory_mib:.0f}",
        ", ".join(_remark(step)),
    )


def _remark(step: LoadStep) -> Iterator[str]:
    if not step.keeps_up:
        yield "falls behind"
    if step.disturbed:
        yield "disturbed"


def _write(interval: Interval | None) -> str:
    if interval is None:
        return NOT_MEASURED
    if interval.low is None or interval.high is None:
        return f"{interval.value:.3g}"
    return f"{interval.value:.3g} ({interval.low:.3g} to {interval.high:.3g})"
