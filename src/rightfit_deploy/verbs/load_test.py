"""Serve an exported model and raise the load until it no longer keeps up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from rightfit._core.processes.codec import to_plain
from rightfit.api.progress_line import showing_progress
from rightfit.cli.options import (
    AS_JSON,
    GIVEN_FOLDER,
    FiniteRange,
    WholeRange,
    echo_json,
    echo_lines,
    echo_table,
    faults_as_message,
    make_table,
)
from rightfit.measuring.worker.latency import min_calls_to_report
from rightfit.ranking.records.load_records import LoadCurve, LoadStep, format_latency, format_rate
from rightfit_deploy.http_load.curve import MARGIN, THOROUGH
from rightfit_deploy.http_load.loading import load_export, read_rate

SECTION = "Use"
HEADS = ("load", "answers/s", "p50 ms", "p95 ms", "p99 ms", "failed", "CPU", "MiB", "")


@click.command("load-test")
@click.option(
    "--rows",
    type=click.Path(path_type=Path),
    required=True,
    help="Raw rows to ask about: a JSON list of objects, or a .parquet or .csv table.",
)
@click.option("--batch", type=WholeRange(1), default=1, show_default=True, help="Rows a request.")
@click.option(
    "--limit-ms",
    type=FiniteRange(0, min_open=True),
    default=50.0,
    show_default=True,
    help="Limit of the p99.",
)
@click.option(
    "--rate",
    "rate_per_s",
    type=FiniteRange(0, 1e6, min_open=True),
    help="Requests a second to try among the others; as the application says, if not given.",
)
@click.option(
    "--seconds",
    type=FiniteRange(0.5, 600),
    default=3.0,
    show_default=True,
    help="Seconds of each load.",
)
@click.option("--cores", type=WholeRange(1), help="Cores of the server; all but one if not given.")
@click.option("--memory-mib", type=FiniteRange(1), help="Private memory of the server.")
@AS_JSON
@click.argument("folder", type=GIVEN_FOLDER)
def load_test(folder: Path, *, rate_per_s: float | None, as_json: bool, **options: Any) -> None:
    """Serve an exported model and raise the load until it no longer keeps up."""
    with faults_as_message(RuntimeError), showing_progress():
        rate_per_s = rate_per_s or read_rate(folder)
        curve = load_export(folder, rate_per_s=rate_per_s, **options)
    if as_json:
        echo_json(to_plain(curve))
        return
    echo_table(tabulate_steps("clients, each asks again once answered", curve.closed))
    click.echo()
    echo_table(tabulate_steps("requests a second, at random times", curve.opened))
    echo_lines(["", *summarise_curve(curve, rate_per_s)])


def tabulate_steps(title: str, steps: Sequence[LoadStep]) -> Table:
    """Make a table of the loads of a curve, one row each."""
    rows = []
    for step in steps:
        failed = ", ".join(f"{n} {kind}" for kind, n in step.errors.items())
        remarks = {"falls behind": not step.keeps_up, "disturbed": step.disturbed}
        row = (
            f"{step.level:,.0f}" if step.level >= 10 else f"{step.level:.3g}",
            f"{step.throughput_per_s:,.0f}",
            *(format_latency(step.latency_ms[share]) for share in (0.5, 0.95, 0.99)),
            failed or "0",
            f"{step.server_cores:.2f}",
            f"{step.peak_memory_mib:.0f}",
            ", ".join(text for text, holds in remarks.items() if holds),
        )
        rows.append(row)
    return make_table(HEADS, rows, title=title, numbers=True)


def summarise_curve(curve: LoadCurve, rate_per_s: float | None = None) -> Iterator[str]:
    """Yield the lines that follow from a load curve, and from the rate that was asked for."""
    yield f"Capacity: {curve.capacity_per_s:,.0f} requests/s with any number of clients"
    if rate_per_s is not None:
        yield f"At {format_rate(rate_per_s)}: {_describe_rate(curve, rate_per_s)}"
    limit = f"a p{curve.limit_share * 100:g} of {curve.limit_ms:g} ms"
    if curve.highest_rate_per_s is None:
        yield curve.shortfall
    else:
        yield f"Highest rate tried that meets {limit}: {curve.highest_rate_per_s:,.0f} requests/s"
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


def _describe_rate(curve: LoadCurve, rate_per_s: float) -> str:
    """Say how the server does at a rate that was asked for."""
    step = next((step for step in curve.opened if step.level == rate_per_s), None)
    if step is None:
        return "not tried, since it falls behind at fewer"
    if not step.keeps_up:
        return "it falls behind"
    share = f"p{curve.limit_share * 100:g}"
    latency = step.latency_ms[curve.limit_share]
    if latency is None:
        needed_s = MARGIN * min_calls_to_report(curve.limit_share) / rate_per_s
        seconds = math.ceil(needed_s / THOROUGH.max_stretch)
        return f"it keeps up; too few requests for a {share}, which takes --seconds {seconds}"
    return f"{share} {format_latency(latency)} ms"
