"""Section: what became of the trials, why they stopped, what that saved, and the risk in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import polars as pl

from rightfit._core.formatting import count, format_number, format_share
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


def build_stops(results: Results) -> Section:
    """Say what the searches took and what stopping saved; list every stop with its reason."""
    audits, sentences = results.audits, [describe_stops(results.trials)]
    tables: list[Table] = []
    if audits.height:
        searches = audits.unique(["dataset", "model"], maintain_order=True)
        share = float(searches["training_s"].sum()) / max(float(searches["spent_s"].sum()), 1e-9)
        sentences.append(f"Training took {format_share(share)} of it.")
        stopped = results.trials.filter(pl.col("stopped_by").is_not_null())
        n_stopped = Counter(stopped.select("stopped_by", "stop_checkpoint").iter_rows())
        tables = [
            tabulate(
                "Searches; seconds of CPU",
                searches.to_dicts(),
                text("Cell", _name_cell),
                figure("Trials", "n_trials"),
                figure("Complete", "n_complete"),
                figure("Stopped", "n_stopped"),
                figure("Spent (s)", "spent_s"),
                figure("Saved (s)", "saved_s"),
                figure("Training (s)", "training_s"),
                figure("Deciding (s)", "deciding_s"),
            ),
            tabulate(
                "Best trial of each search for each application, or the nearest miss",
                audits.to_dicts(),
                text("Cell", _name_cell),
                *keys("application"),
                number(
                    "Trial",
                    lambda row: "none feasible" if row["winner"] is None else str(row["winner"]),
                ),
                figure("Expected utility", "utility"),
                sentence("Nearest miss", lambda row: row["nearest_miss"] or ""),
            ),
            tabulate(
                "Stopped trials by the last application that could use them, and by checkpoint",
                sorted(n_stopped.items()),
                text("Application", lambda item: item[0][0] or "none"),
                number("Checkpoint", lambda item: str(item[0][1])),
                number("Trials", lambda item: str(item[1])),
            ),
        ]
    stops = tabulate(
        "Stopped and failed trials",
        results.trials.filter(pl.col("state") != "complete").to_dicts(),
        text("Cell", _name_cell),
        number("Trial", lambda row: str(row["number"])),
        text("State", lambda row: row["state"]),
        figure("Checkpoint", "stop_checkpoint"),
        figure("CPU s", "compute_s"),
        sentence(
            "Reason", lambda row: ": ".join(filter(None, (row["stop_rule"], row["stop_reason"])))
        ),
    )
    return Section(
        id="stops",
        title="What the search cost and early stopping saved",
        sentences=tuple(sentences),
        tables=(*tables, stops),
    )


def describe_stops(trials: pl.DataFrame) -> str:
    """Say how many trials stopped by which rule, and the share of compute that saved."""
    spent_s = float(trials["compute_s"].sum())
    saved_s = float(trials["saved_s"].sum())  # an estimate; 0 where there is none
    rules = Counter(trials.filter(state="stopped")["stop_rule"])
    stops = [f"{n} by {rule}" for rule, n in rules.items()]
    head = f"{count(trials.height, 'trial')} took {format_number(spent_s)} CPU seconds"
    if not stops:
        return f"{head}; none was stopped early."
    return (
        f"{head}. Stopped early: {', '.join(stops)}; that saved an estimated "
        f"{format_number(saved_s)} CPU seconds, {format_share(saved_s / (spent_s + saved_s))} of "
        "what all would have taken."
    )


def _name_cell(row: Mapping[str, str]) -> str:
    return f"{row['dataset']}, {row['model']}"
