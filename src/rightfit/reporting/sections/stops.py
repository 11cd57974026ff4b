"""Section: what became of the trials, why they stopped, what that saved, and the risk in it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import polars as pl

from rightfit.naming import count, format_number, metric_name, words
from rightfit.profiling.profiles.quality_interval import share_interval
from rightfit.reporting.charts.stops import draw_stops, sum_compute
from rightfit.reporting.results import Results
from rightfit.reporting.sections.section import Chart, Column, Fold, Section, Table


def build_stops(results: Results) -> Section:
    """Draw the compute per cell and list every stop with its reason."""
    compute = sum_compute(results.trials)
    sentence = describe_stops(compute)
    audited = describe_audits(results.audits)
    return Section(
        id="stops",
        title="What the search cost and early stopping saved",
        sentences=(sentence, *audited),
        charts=(
            Chart(
                figure=draw_stops(compute),
                title="Compute per cell.",
                caption="CPU seconds of the trials by what became of them, seconds of measuring "
                "included; hatched: what the stopped trials would have taken further, at their "
                "pace so far and measured as the complete ones were.",
                alt=f"Stacked bars of CPU seconds per dataset and family. {sentence}",
            ),
        ),
        folds=(
            *_fold_audits(results),
            Fold("Every stopped or failed trial", (_tabulate_stops(results),)),
        ),
    )


def describe_stops(compute: pl.DataFrame) -> str:
    """Say how many trials stopped by which rule, and the share of compute that saved."""
    n_trials = int(compute["n_trials"].sum())
    spent_s, saved_s = float(compute["compute_s"].sum()), float(compute["saved_s"].sum())
    causes = compute.group_by("cause", maintain_order=True).agg(pl.col("n_trials").sum())
    stops = [
        f"{n} by {cause}" for cause, n in causes.iter_rows() if cause not in ("complete", "failed")
    ]
    head = f"{count(n_trials, 'trial')} took {format_number(spent_s)} CPU seconds"
    if not stops:
        return f"{head}; none was stopped early."
    share = saved_s / (spent_s + saved_s)
    return (
        f"{head}. Stopped early: {', '.join(stops)}; that saved an estimated "
        f"{format_number(saved_s)} CPU seconds, {share:.0%} of what all would have taken."
    ).replace("%", " %")


def describe_audits(audits: pl.DataFrame) -> tuple[str, ...]:
    """Say what is known of the risk that stopping lost a winner.

    Args:
        audits: One row per dataset, family and application; none where quality alone stopped.
    """
    if not audits.height:
        return ()
    winners = audits.filter(pl.col("winner").is_not_null())
    n_survived, n_orders = int(winners["n_survived"].sum()), int(winners["n_orders"].sum())
    survival = (
        f"In {100 * n_survived / max(n_orders, 1):.0f} % of random orders of the trials the best "
        "trial of a cell for an application would have been kept as well."
    )
    searches = audits.unique(["dataset", "model"], maintain_order=True)
    n_audited, n_wrong = int(searches["n_audited"].sum()), int(searches["n_wrong"].sum())
    if not n_audited:
        return (survival, "No stop was audited.")
    low, high = share_interval(n_wrong, n_audited)
    risk = (
        f"{count(n_audited, 'stop')} picked at random {'was' if n_audited == 1 else 'were'} not "
        f"carried out: {n_wrong} of them became the best for an application (a share of "
        f"{100 * low:.0f} % to {100 * high:.0f} % at 95 %)."
    )
    return (survival, risk)


def _fold_audits(results: Results) -> tuple[Fold, ...]:
    if not results.audits.height:
        return ()
    tables = (_tabulate_searches(results.audits), _tabulate_survivals(results.audits))
    return (
        Fold("The audit of each search", tables),
        Fold("Who let go of the stopped trials, by which rule", (_tabulate_votes(results),)),
    )


def _tabulate_searches(audits: pl.DataFrame) -> Table:
    searches = audits.unique(["dataset", "model"], maintain_order=True)
    heads = ("Trials", "Complete", "Stopped", "Spent (s)", "Saved (s)", "Measuring (s)")
    columns = ("n_trials", "n_complete", "n_stopped", "spent_s", "saved_s", "measuring_s")
    return Table(
        caption="Searches; seconds of CPU, and of measuring",
        columns=(
            Column("Cell"),
            *(Column(head, numeric=True) for head in (*heads, "Judging (s)", "Audited", "Wrong")),
        ),
        rows=tuple(
            (
                _cell_name(row),
                *(format_number(row[name]) for name in (*columns, "judging_s")),
                *(format_number(row[name]) for name in ("n_audited", "n_wrong")),
            )
            for row in searches.to_dicts()
        ),
    )


def _tabulate_survivals(audits: pl.DataFrame) -> Table:
    return Table(
        caption="Best trial of each search for each application, and in how many random orders of "
        "the trials it would not have been stopped",
        columns=(
            Column("Cell"),
            Column("Application"),
            Column("Trial", numeric=True),
            Column("Expected utility", numeric=True),
            Column("Survived", numeric=True),
        ),
        rows=tuple(
            (
                _cell_name(row),
                words(row["application"]),
                "none feasible" if row["winner"] is None else str(row["winner"]),
                format_number(row["utility"]),
                "" if row["winner"] is None else f"{row['n_survived']} of {row['n_orders']}",
            )
            for row in audits.to_dicts()
        ),
    )


def _tabulate_votes(results: Results) -> Table:
    counts: Counter[tuple[str, str, str]] = Counter()
    for trials in results.trials.values():
        for votes in trials["votes"].drop_nulls():
            counts.update(
                (name, vote["rule"], vote["metric"]) for name, vote in json.loads(votes).items()
            )
    return Table(
        caption="Stopped trials by application, rule and metric",
        columns=(
            Column("Application"),
            Column("Rule"),
            Column("Metric"),
            Column("Trials", numeric=True),
        ),
        rows=tuple(
            (words(name), words(rule), metric_name(metric), str(n))
            for (name, rule, metric), n in sorted(counts.items())
        ),
    )


def _cell_name(row: dict[str, Any]) -> str:
    return f"{words(row['dataset'])}, {words(row['model'])}"


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
