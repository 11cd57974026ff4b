"""Models in use: what changing to the winner gains."""

from __future__ import annotations

from typing import Any

from rightfit._core.formatting import NOT_MEASURED, format_quality
from rightfit.measuring.naming import format_metric, metric_name, sentence_case
from rightfit.ranking.explanation.decisions import list_decisions
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.section import Section, keys, number, tabulate, text


def build_replacements(results: Results) -> list[Section]:
    """Compare each imported model with the winners; no section where no model is imported."""
    compared: list[dict[str, Any]] = [
        {
            "application": name,
            "dataset": dataset,
            "winner": decision.winner,
            "replacement": option,
            "gain": NOT_MEASURED
            if option.utility_gain is None
            else f"{option.utility_gain:+.3f}{' (practically equal)' if option.is_equal else ''}",
        }
        for name, dataset, decision in list_decisions(results.recommendations)
        for option in decision.replacements
    ]
    if not compared:
        return []
    return [
        Section(
            id="replacements",
            title="What would changing gain",
            sentences=("Imported models are files that took part without a search.",),
            tables=(
                tabulate(
                    "Imported models beside the winners",
                    compared,
                    *keys("application", "dataset"),
                    text("Imported", lambda row: row["replacement"].incumbent.label),
                    number(
                        "Utility", lambda row: format_quality(row["replacement"].incumbent.utility)
                    ),
                    text(
                        "Winner",
                        lambda row: row["winner"].label if row["winner"] else "none qualifies",
                    ),
                    number("Gain of utility", lambda row: row["gain"]),
                    text(
                        "Within its limits",
                        lambda row: "no" if row["replacement"].violations else "yes",
                    ),
                ),
                *(
                    tabulate(
                        row["replacement"].sentence,
                        row["replacement"].changes,
                        text("Metric", lambda change: sentence_case(metric_name(change.metric))),
                        number("Imported", lambda change: format_metric(change.metric, change.now)),
                        number("Winner", lambda change: format_metric(change.metric, change.then)),
                        number(
                            "Winner / imported",
                            lambda change: (
                                NOT_MEASURED
                                if change.now is None or change.then is None or not change.now > 0
                                else f"{change.then / change.now:.3g}"
                            ),
                        ),
                    )
                    for row in compared
                    if row["replacement"].changes
                ),
            ),
        )
    ]
