"""Section: what the winners bear behind a server."""

from __future__ import annotations

from collections.abc import Iterator

from rightfit.formatting import NOT_MEASURED, count, format_number
from rightfit.http_load.load_records import LoadCurve, LoadStep, WinnerLoad
from rightfit.naming import words
from rightfit.reporting.results import Results
from rightfit.reporting.sections.section import Section, number, tabulate, text

STALE = "not loaded since it won. Run: kedro run --pipelines http_load,reporting"


def build_loads(results: Results) -> Section:
    """Say what one server of each winner bears; the curves stand in the decision records."""
    loads = list(_list_current(results))
    measured = [load for load in loads if load.curve is not None]
    return Section(
        id="http",
        title="Behind a server",
        sentences=(
            f"{count(len(measured), 'decision')} of {len(loads)} had the winner served over HTTP "
            "and loaded, on all cores but one: requests of one row at random times, at rising "
            "rates. The curves stand in the decision records.",
            *_count_reasons(loads),
        ),
        tables=(
            tabulate(
                "What one server bears",
                measured,
                text("Application", lambda row: words(row.application)),
                text("Dataset", lambda row: words(row.dataset)),
                text("Candidate", lambda row: row.candidate),
                number("Limit", lambda row: _write_limit(row.curve)),
                number("Rate within it", lambda row: _write_rate(row.curve.highest_rate_per_s)),
                number("Knee", lambda row: _write_rate(row.curve.knee_per_s)),
                number("Capacity", lambda row: _write_rate(row.curve.capacity_per_s)),
                number("Cores in use", lambda row: f"{max_cores(row.curve):.2f}"),
                number("Peak memory", lambda row: f"{max_memory_mib(row.curve):.0f} MiB"),
                text("Disturbed", lambda row: "yes" if is_disturbed(row.curve) else "no"),
            ),
        )
        if measured
        else (),
    )


def describe_load(load: WinnerLoad | None) -> str:
    """Say in sentences what a winner's server bears, or why that is not known."""
    if load is None:
        return f"Not measured: {STALE}."
    if load.curve is None:
        return f"Not measured: {load.reason}."
    curve = load.curve
    limit = _write_limit(curve)
    within = (
        f"No rate tried keeps {limit}"
        if curve.highest_rate_per_s is None
        else f"One server bears {_write_rate(curve.highest_rate_per_s)} within {limit}"
    )
    knee = "" if curve.knee_per_s is None else f"; the knee is at {_write_rate(curve.knee_per_s)}"
    disturbed = " The load generator was late: disturbed." if is_disturbed(curve) else ""
    return f"{within}{knee}; its capacity is {_write_rate(curve.capacity_per_s)}.{disturbed}"


def max_cores(curve: LoadCurve) -> float:
    """Return the most cores that a server had in use."""
    return max(step.server_cores for step in _steps(curve))


def max_memory_mib(curve: LoadCurve) -> float:
    """Return the highest resident memory of a server."""
    return max(step.peak_memory_mib for step in _steps(curve))


def is_disturbed(curve: LoadCurve) -> bool:
    """Tell whether the load generator was late where the server kept up."""
    return any(step.disturbed for step in curve.opened if step.keeps_up)


def _steps(curve: LoadCurve) -> tuple[LoadStep, ...]:
    return (*curve.closed, *curve.opened)


def _list_current(results: Results) -> Iterator[WinnerLoad]:
    for application, recommendation in results.recommendations.items():
        for dataset, decision in recommendation.datasets.items():
            load = results.load_curves.find(application, dataset, decision.winner)
            if load is not None:
                yield load


def _count_reasons(loads: list[WinnerLoad]) -> Iterator[str]:
    reasons = [load.reason for load in loads if load.curve is None]
    for reason in dict.fromkeys(reasons):
        yield f"Not loaded in {count(reasons.count(reason), 'decision')}: {reason}."


def _write_limit(curve: LoadCurve) -> str:
    return f"a p{curve.limit_share * 100:g} of {format_number(curve.limit_ms)} ms"


def _write_rate(rate_per_s: float | None) -> str:
    return NOT_MEASURED if rate_per_s is None else f"{format_number(rate_per_s)} requests/s"
