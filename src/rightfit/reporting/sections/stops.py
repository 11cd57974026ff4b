"""Section: what became of the trials, why they stopped, and what that saved."""

from __future__ import annotations

import polars as pl

from rightfit.reporting.charts.stops import draw_stops, sum_compute
from rightfit.reporting.naming import count, format_number, words
from rightfit.reporting.results import Results
from rightfit.reporting.sections.section import Chart, Column, Fold, Section, Table


def build_stops(results: Results) -> Section:
    """Draw the compute per cell and list every stop with its reason."""
    compute = sum_compute(results.trials, results.n_checkpoints)
    sentence = describe_stops(compute)
    return Section(
        id="stops",
        title="What the search cost and early stopping saved",
        sentences=(sentence,),
        charts=(
            Chart(
                figure=draw_stops(compute),
                title="Compute per cell.",
                caption="CPU seconds of the trials by what became of them; hatched: what the "
                "stopped trials would have taken further at their pace so far.",
                alt=f"Stacked bars of CPU seconds per dataset and family. {sentence}",
            ),
        ),
        folds=(Fold("Every stopped or failed trial", (_tabulate_stops(results),)),),
    )


def describe_stops(compute: pl.DataFrame) -> str:
    """Say how many trials stopped by which rule, and the share of compute that saved."""
    n_trials = int(compute["n_trials"].sum())
    spent_s, saved_s = float(compute["compute_s"].sum()), float(compute["saved_s"].sum())
    causes = compute.group_by("cause", maintain_order=True).agg(pl.col("n_trials").sum())
    stops = [
        f"{n} by the rule {cause}"
        for cause, n in causes.iter_rows()
        if cause not in ("complete", "failed")
    ]
    head = f"{count(n_trials, 'trial')} took {format_number(spent_s)} CPU seconds"
    if not stops:
        return f"{head}; none was stopped early."
    share = saved_s / (spent_s + saved_s)
    return (
        f"{head}. Stopped early: {', '.join(stops)}; that saved an estimated "
        f"{format_number(saved_s)} CPU seconds, {share:.0%} of what all would have taken."
    ).replace("%", " %")


def _tabulate_stops(results: Results) -> Table:
    rows = [
        (words(cell.replace(".", ", ")), row)
        for cell, trials in results.trials.items()
        for row in trials.filter(pl.col("state") != "complete").to_dicts()
    ]
    return Table(
        caption="Stopped and failed trials",
        columns=(
            Column("Cell"),
            Column("Trial", numeric=True),
            Column("State"),
            Column("Checkpoint", numeric=True),
            Column("CPU s", numeric=True),
            Column("Reason", wide=True),
        ),
        rows=tuple(
            (
                cell,
                str(row["number"]),
                row["state"],
                format_number(row["stop_checkpoint"]),
                format_number(row["compute_s"]),
                row["stop_reason"] or "",
            )
            for cell, row in rows
        ),
    )
