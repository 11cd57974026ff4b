"""Section: the load that the winners sustain behind a server."""

from __future__ import annotations

from collections.abc import Iterator

from rightfit.formatting import count
from rightfit.http_load.load_records import LoadStep, WinnerLoad, format_latency, format_rate
from rightfit.naming import words
from rightfit.ranking.explanation.decisions import list_decisions
from rightfit.reporting.results import Results
from rightfit.reporting.sections.section import (
    Column,
    Section,
    Table,
    figure,
    keys,
    number,
    tabulate,
    text,
)


def build_loads(results: Results) -> Section:
    """Say what load one server of each winner sustains; decision records hold the curves."""
    loads = list(_list_current(results))
    measured = [load for load in loads if load.curve is not None]
    return Section(
        id="http",
        title="Behind a server",
        sentences=(
            f"{count(len(measured), 'decision')} of {len(loads)} had the winner served over HTTP "
            "and loaded, on all cores but one: requests of one row at random times, at rising "
            "rates.",
            *_count_reasons(loads),
        ),
        tables=(
            tabulate(
                "Load that one server sustains",
                measured,
                *keys("application", "dataset", "candidate"),
                number("Limit", lambda row: str(row.curve.limit)),
                number("Rate within it", lambda row: format_rate(row.curve.highest_rate_per_s)),
                number("Knee", lambda row: format_rate(row.curve.knee_per_s)),
                number("Capacity", lambda row: format_rate(row.curve.capacity_per_s)),
                number(
                    "Cores in use",
                    lambda row: f"{max(s.server_cores for s in _list_steps(row)):.2f}",
                ),
                number(
                    "Peak memory",
                    lambda row: f"{max(s.peak_memory_mib for s in _list_steps(row)):.0f} MiB",
                ),
                text("Disturbed", lambda row: "yes" if row.curve.disturbed else "no"),
            ),
            *map(_tabulate_steps, measured),
        )
        if measured
        else (),
    )


def _tabulate_steps(load: WinnerLoad) -> Table:
    opened = list(load.curve.opened) if load.curve else []
    opened.sort(key=lambda step: step.level)
    return tabulate(
        f"{load.candidate} for {words(load.application)} on {words(load.dataset)}, by rising rate",
        opened,
        figure("Requests/s", "level"),
        *map(_list_percentile, (0.5, 0.95, 0.99)),
        number("Cores", lambda step: f"{step.server_cores:.2f}"),
        number("Failed", lambda step: f"{sum(step.errors.values()):,} of {step.n_requests:,}"),
        text("Keeps up", lambda step: "yes" if step.keeps_up else "no"),
    )


def _list_percentile(share: float) -> Column:
    return number(f"p{share * 100:g} (ms)", lambda step: format_latency(step.latency_ms[share]))


def _list_steps(load: WinnerLoad) -> list[LoadStep]:
    return [*load.curve.closed, *load.curve.opened] if load.curve else []


def _list_current(results: Results) -> Iterator[WinnerLoad]:
    for application, dataset, decision in list_decisions(results.recommendations):
        load = results.load_curves.find(application, dataset, decision.winner)
        if load is not None:
            yield load


def _count_reasons(loads: list[WinnerLoad]) -> Iterator[str]:
    reasons = [load.reason for load in loads if load.curve is None]
    for reason in dict.fromkeys(reasons):
        yield f"Not loaded in {count(reasons.count(reason), 'decision')}: {reason}."
