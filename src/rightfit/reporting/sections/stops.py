"""Section: what became of the trials, why they stopped, what that saved, and the risk in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import polars as pl

from rightfit.formatting import count, format_number
from rightfit.naming import words
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.section import (
    Section,
    Table,
    figure,
    keys,
    number,
    sentence,
    tabulate,
    text,
)

SCHEMA: Mapping[str, type[pl.DataType]] = {
    "cell": pl.String,
    "cause": pl.String,
    "n_trials": pl.Int64,
    "compute_s": pl.Float64,
    "saved_s": pl.Float64,
}


def build_stops(results: Results) -> Section:
    """Account for the compute per cell and list every stop with its reason."""
    compute = sum_compute(results.trials)
    saved = describe_stops(compute)
    accounts = describe_searches(results.audits)
    return Section(
        id="stops",
        title="What the search cost and early stopping saved",
        sentences=(saved, *accounts),
        tables=(*_tabulate_audits(results), _tabulate_stops(results)),
    )


def sum_compute(trials: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Sum trials and compute per cell and cause.

    Returns:
        One row per cell and cause: ``cell``, ``cause`` (``complete``, ``failed``, or the rule that
        stopped), ``n_trials``, ``compute_s``, ``saved_s`` (an estimate; 0 where there is none).
    """
    empty: pl.DataFrame = pl.DataFrame(schema=SCHEMA)
    return pl.concat([empty, *(_sum_cell(cell, table) for cell, table in trials.items())])


def _sum_cell(cell: str, trials: pl.DataFrame) -> pl.DataFrame:
    rule = pl.col("stop_reason").str.split(":").list.first().str.replace_all("_", " ")
    stopped = pl.col("state") == "stopped"
    return (
        trials.with_columns(
            cell=pl.lit(cell),
            cause=pl.when(stopped).then(rule).otherwise(pl.col("state")),
        )
        .group_by("cell", "cause", maintain_order=True)
        .agg(
            n_trials=pl.len().cast(pl.Int64),
            compute_s=pl.col("compute_s").sum(),
            saved_s=pl.col("saved_s").sum(),
        )
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
    """Say which applications nothing satisfies, and which searches ended early."""
    if not accounts.height:
        return ()
    misses = [
        f"No trial of {_name_cell(row)} satisfies "
        f"{words(row['application'])}: {row['nearest_miss']}."
        for row in accounts.filter(pl.col("nearest_miss").is_not_null()).to_dicts()
    ]
    searches = accounts.unique(["dataset", "model"], maintain_order=True)
    advice = [
        f"The search of {_name_cell(row)} {row['advice']}."
        for row in searches.filter(pl.col("advice").is_not_null()).to_dicts()
    ]
    spent_s = float(searches["spent_s"].sum())
    share = float(searches["training_s"].sum()) / max(spent_s, 1e-9)
    return (f"Training took {100 * share:.0f} % of it.", *advice, *misses)


def _tabulate_audits(results: Results) -> tuple[Table, ...]:
    if not results.audits.height:
        return ()
    return (
        _tabulate_searches(results.audits),
        _tabulate_winners(results.audits),
        _tabulate_stoppers(results),
    )


def _tabulate_searches(accounts: pl.DataFrame) -> Table:
    heads = {
        "Trials": "n_trials",
        "Complete": "n_complete",
        "Stopped": "n_stopped",
        "Spent (s)": "spent_s",
        "Saved (s)": "saved_s",
        "Training (s)": "training_s",
        "Deciding (s)": "deciding_s",
    }
    return tabulate(
        "Searches; seconds of CPU",
        accounts.unique(["dataset", "model"], maintain_order=True).to_dicts(),
        text("Cell", _name_cell),
        *(figure(head, column) for head, column in heads.items()),
    )


def _tabulate_winners(accounts: pl.DataFrame) -> Table:
    return tabulate(
        "Best trial of each search for each application, or the nearest miss",
        accounts.to_dicts(),
        text("Cell", _name_cell),
        *keys("application"),
        number(
            "Trial", lambda row: "none feasible" if row["winner"] is None else str(row["winner"])
        ),
        figure("Expected utility", "utility"),
        sentence("Nearest miss", lambda row: row["nearest_miss"] or ""),
    )


def _tabulate_stoppers(results: Results) -> Table:
    counts: Counter[tuple[str, int]] = Counter()
    for trials in results.trials.values():
        stopped = trials.filter(pl.col("stopped_by").is_not_null())
        counts.update(stopped.select("stopped_by", "stop_checkpoint").iter_rows())
    return tabulate(
        "Stopped trials by the last application that could use them, and by checkpoint",
        sorted(counts.items()),
        text("Application", lambda item: words(item[0][0]) or "none"),
        number("Checkpoint", lambda item: str(item[0][1])),
        number("Trials", lambda item: str(item[1])),
    )


def _tabulate_stops(results: Results) -> Table:
    rows = [
        {**row, "dataset": dataset, "model": model}
        for cell, trials in results.trials.items()
        for dataset, model in [cell.split(".")]
        for row in trials.filter(pl.col("state") != "complete").to_dicts()
    ]
    return tabulate(
        "Stopped and failed trials",
        rows,
        text("Cell", _name_cell),
        number("Trial", lambda row: str(row["number"])),
        text("State", lambda row: row["state"]),
        figure("Checkpoint", "stop_checkpoint"),
        figure("CPU s", "compute_s"),
        sentence("Reason", lambda row: row["stop_reason"] or ""),
    )


def _name_cell(row: Mapping[str, str]) -> str:
    return f"{words(row['dataset'])}, {words(row['model'])}"
