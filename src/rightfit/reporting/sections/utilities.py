"""Section: how each application ranks the candidates, and through which objectives."""

from __future__ import annotations

from rightfit.naming import sentence_case, words
from rightfit.reporting.charts.utility_chart import draw_utilities
from rightfit.reporting.results import Results
from rightfit.reporting.sections.section import Chart, Section


def build_utilities(results: Results) -> Section:
    """Draw one block of bars per application and repeat the decisions in words."""
    return Section(
        id="utilities",
        title="Where the utility comes from",
        sentences=(
            "Each bar is a candidate in its best serving configuration for the application; its "
            "parts are the contributions of the objectives. The mark at its end has the colour of "
            "the family and the 95 % interval of the utility. Pale bars break a limit.",
        ),
        charts=tuple(draw_utilities_of(results, name) for name, _ in results.applications.items()),
    )


def draw_utilities_of(results: Results, application: str) -> Chart:
    """Draw an application's utilities; the caption is its decisions in words."""
    decisions = results.recommendations[application].datasets
    sentences = " ".join(decision.sentence for decision in decisions.values())
    return Chart(
        figure=draw_utilities(
            results.rankings,
            results.tables.utility_breakdown,
            application=application,
            marks=results.marks,
        ),
        title=f"{sentence_case(words(application))}.",
        caption=sentences,
        alt=f"Stacked bars of utility by objective for {words(application)}. {sentences}",
    )
