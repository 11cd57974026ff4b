"""Requests: what they pass, what feeding takes, and the load that one server sustains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from operator import attrgetter
from typing import Any

import polars as pl

from rightfit._core.formatting import NOT_MEASURED, count, format_share
from rightfit.data.request_path import MODEL, REQUEST
from rightfit.measuring.naming import format_metric, listing
from rightfit.measuring.profile import PART_COLUMNS
from rightfit.ranking.explanation.decisions import list_decisions
from rightfit.ranking.records.load_records import LoadStep, WinnerLoad, format_latency, format_rate
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.section import Section, figure, keys, number, tabulate, text

P50 = "latency_p50_ms"
PART_TITLES = ("Reading", "Feeding", "Graph", "Answer")
PATH_WORDS = {
    REQUEST: "whole requests (raw columns in, encoder included)",
    MODEL: "the model alone (encoded rows in)",
}


def build_requests(results: Results) -> Section:
    """Say what each application's requests pass and what feeding costs."""
    share = pl.when(pl.col(P50) > 0).then(pl.col("feeding_ms") / pl.col(P50))
    winners = results.list_winners().with_columns(share=share.clip(upper_bound=1))
    shares = winners["share"].drop_nulls()
    feeding = "What the parts of a request take was not measured."
    if shares.len():
        least, most = (format_share(shares.quantile(end) or 0.0) for end in (0, 1))
        shown = least if least == most else f"{least} to {most}"
        feeding = (
            f"Feeding (checking values and laying them out; without a graph, encoding them too) "
            f"takes {shown} of a winner's median latency, the graph or the model the rest. Reading "
            "a row of JSON and writing its answer come on top in a server."
        )
    compared = results.profiles.drop_nulls("feeding_ms").group_by(
        "dataset", "runtime", maintain_order=True
    )
    by_runtime = tabulate(
        "What feeding takes by runtime: the median of all profiles that could be chosen",
        compared.agg(pl.len().alias("n"), pl.col("feeding_ms").median()).to_dicts(),
        *keys("dataset"),
        text("Runtime", lambda row: row["runtime"]),
        number("Profiles", lambda row: str(row["n"])),
        number("Feeding", lambda row: format_metric(P50, row["feeding_ms"])),
    )
    return Section(
        id="requests",
        title="From the request to the answer",
        sentences=(describe_paths(results.rankings), feeding),
        tables=(
            tabulate(
                "Parts of the winners' requests of one row",
                winners.to_dicts(),
                *keys("application", "dataset", "candidate", "serving"),
                number("Median latency", lambda row: format_metric(P50, row[P50])),
                *(
                    number(title, partial(_write_part, column))
                    for column, title in zip(PART_COLUMNS, PART_TITLES, strict=True)
                ),
                number(
                    "Feeding of median",
                    lambda row: (
                        NOT_MEASURED if row["share"] is None else format_share(row["share"])
                    ),
                ),
            ),
            *([by_runtime] if by_runtime.rows else []),
        ),
    )


def _write_part(column: str, row: Mapping[str, Any]) -> str:
    return format_metric(P50, row[column])


def describe_paths(rankings: pl.DataFrame) -> str:
    """Say which applications are ranked by whole requests, which by the model alone."""
    by_path = {
        path: rankings.filter(request_path=path)["application"].unique(maintain_order=True)
        for path in PATH_WORDS
    }
    parts = [
        f"{listing(list(names))}: {PATH_WORDS[path]}"
        for path, names in by_path.items()
        if names.len()
    ]
    return f"What was measured: {'; '.join(parts)}."


def build_loads(results: Results) -> Section:
    """Say what load one server of each winner sustains; decision records hold the curves."""
    candidates = [
        results.load_curves.find(application, dataset, decision.winner)
        for application, dataset, decision in list_decisions(results.recommendations)
    ]
    loads = [load for load in candidates if load is not None]
    measured = [load for load in loads if load.curve is not None]
    reasons = Counter(load.reason for load in loads if load.curve is None)
    return Section(
        id="http",
        title="Behind a server",
        sentences=(
            f"{count(len(measured), 'decision')} of {len(loads)} had the winner served over HTTP "
            "and loaded, on all cores but one: requests of one row at random times, at rising "
            "rates.",
            *(f"Not loaded in {count(n, 'decision')}: {reason}." for reason, n in reasons.items()),
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
            *(
                tabulate(
                    f"{load.candidate} for {load.application} on {load.dataset}, by rising rate",
                    sorted(load.curve.opened, key=attrgetter("level")),
                    figure("Requests/s", "level"),
                    number("p50 (ms)", lambda step: format_latency(step.latency_ms[0.5])),
                    number("p95 (ms)", lambda step: format_latency(step.latency_ms[0.95])),
                    number("p99 (ms)", lambda step: format_latency(step.latency_ms[0.99])),
                    number("Cores", lambda step: f"{step.server_cores:.2f}"),
                    number(
                        "Failed",
                        lambda step: f"{sum(step.errors.values()):,} of {step.n_requests:,}",
                    ),
                    text("Keeps up", lambda step: "yes" if step.keeps_up else "no"),
                )
                for load in loads
                if load.curve is not None
            ),
        )
        if measured
        else (),
    )


def _list_steps(load: WinnerLoad) -> list[LoadStep]:
    return [*load.curve.closed, *load.curve.opened] if load.curve else []
