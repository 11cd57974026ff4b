"""Section: the winner on each kind of machine, one model for all of them, and prices."""

from __future__ import annotations

from rightfit._core.formatting import format_number, format_quality
from rightfit.measuring.naming import listing
from rightfit.ranking.explanation.decisions import list_decisions
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.section import Section, keys, number, sentence, tabulate, text


def build_fleet(results: Results) -> list[Section]:
    """Compare the kinds of machine; no section where all decisions are of a single one."""
    fleets = [
        (application, dataset, decision.fleet)
        for application, dataset, decision in list_decisions(results.recommendations)
        if decision.fleet
    ]
    if not fleets:
        return []
    rows = [
        {"application": application, "dataset": dataset, "member": member}
        for application, dataset, fleet in fleets
        for member in fleet.kinds
    ]
    names = dict.fromkeys(member.kind for _, _, fleet in fleets for member in fleet.kinds)
    return [
        Section(
            id="fleet",
            title="The fleet",
            sentences=(f"Each kind of machine by its own figures: {listing([*names])}.",),
            points=tuple(
                f"{application}, {dataset}: {fleet.sentence}."
                for application, dataset, fleet in fleets
            ),
            tables=(
                tabulate(
                    "The winner on each kind of machine, and its price",
                    rows,
                    *keys("application", "dataset"),
                    text("Machine", lambda row: row["member"].kind),
                    sentence("Winner", lambda row: row["member"].label),
                    number("Utility", lambda row: format_quality(row["member"].utility)),
                    number("A month", lambda row: format_number(row["member"].price_per_month)),
                    number(
                        "A million predictions",
                        lambda row: format_number(row["member"].price_per_1m),
                    ),
                ),
            ),
        )
    ]
