"""Section: what became of the trials, why they stopped, what that saved, and the risk in it."""

from __future__ import annotations

from collections import Counter

import polars as pl

from rightfit.naming import count, format_number, words
from rightfit.reporting.charts.stops import draw_stops, sum_compute
from rightfit.reporting.results import Results
from rightfit.reporting.sections.section import Chart, Column, Fold, Section, Table


def build_stops(results: Results) -> Section:
    """Draw the compute per cell and list every stop with its reason."""
    compute = sum_compute(results.trials)
    sentence = describe_stops(compute)
    accounts = describe_searches(results.audits)
    return Section(
        id="stops",
        title="What the search cost and early stopping saved",
        sentences=(sentence, *accounts),
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
            *_fold_searches(results),
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


def describe_searches(accounts: pl.DataFrame) -> tuple[str, ...]:
    """Say which applications nothing satisfies, and which searches ended early.

    Args:
        accounts: One row per dataset, family and application; none where quality alone stopped.
    """
    if not accounts.height:
        return ()
    misses = [
        f"No trial of {_cell_name(row['dataset'], row['model'])} satisfies "
        f"{words(row['application'])}: {row['nearest_miss']}."
        for row in accounts.filter(pl.col("nearest_miss").is_not_null()).to_dicts()
    ]
    searches = accounts.unique(["dataset", "model"], maintain_order=True)
    advice = [
        f"The search of {_cell_name(row['dataset'], row['model'])} {row['advice']}."
        for row in searches.filter(pl.col("advice").is_not_null()).to_dicts()
    ]
    spent_s = float(searches["spent_s"].sum())
    share = float(searches["measuring_s"].sum()) / max(spent_s, 1e-9)
    return (f"Measuring took {100 * share:.0f} % of it.", *advice, *misses)


def _fold_searches(results: Results) -> tuple[Fold, ...]:
    if not results.audits.height:
        return ()
    return (
        Fold(
            "The account of each search",
            (_tabulate_searches(results.audits), _tabulate_winners(results.audits)),
        ),
        Fold("Who let go of the stopped trials last", (_tabulate_stoppers(results),)),
    )


def _tabulate_searches(accounts: pl.DataFrame) -> Table:
    searches = accounts.unique(["dataset", "model"], maintain_order=True)
    heads = ("Trials", "Complete", "Stopped", "Spent (s)", "Saved (s)", "Measuring (s)")
    columns = ("n_trials", "n_complete", "n_stopped", "spent_s", "saved_s", "measuring_s")
    return Table(
        caption="Searches; seconds of CPU, and of measuring",
        columns=(
            Column("Cell"),
            *(Column(head, numeric=True) for head in (*heads, "Deciding (s)")),
        ),
        rows=tuple(
            (
                _cell_name(row["dataset"], row["model"]),
                *(format_number(row[name]) for name in (*columns, "deciding_s")),
            )
            for row in searches.to_dicts()
        ),
    )


def _tabulate_winners(accounts: pl.DataFrame) -> Table:
    return Table(
        caption="Best trial of each search for the application as it was then, or the nearest miss",
        columns=(
            Column("Cell"),
            Column("Application"),
            Column("Trial", numeric=True),
            Column("Expected utility", numeric=True),
            Column("Nearest miss", wide=True),
        ),
        rows=tuple(
            (
                _cell_name(row["dataset"], row["model"]),
                words(row["application"]),
                "none feasible" if row["winner"] is None else str(row["winner"]),
                format_number(row["utility"]),
                row["nearest_miss"] or "",
            )
            for row in accounts.to_dicts()
        ),
    )


def _tabulate_stoppers(results: Results) -> Table:
    counts: Counter[tuple[str, int]] = Counter()
    for trials in results.trials.values():
        stopped = trials.filter(pl.col("stopped_by").is_not_null())
        counts.update(stopped.select("stopped_by", "stop_checkpoint").iter_rows())
    return Table(
        caption="Stopped trials by the application that let go last, and by their last look",
        columns=(
            Column("Application"),
            Column("Look", numeric=True),
            Column("Trials", numeric=True),
        ),
        rows=tuple(
            (words(name) or "none", str(look), str(n)) for (name, look), n in sorted(counts.items())
        ),
    )


def _cell_name(dataset: str, model: str) -> str:
    return f"{words(dataset)}, {words(model)}"


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
