"""The report: one self-contained HTML file that opens offline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rightfit.formatting import count, format_share
from rightfit.naming import listing, metric_name, words
from rightfit.profiling.hardware.tiers import Tier
from rightfit.ranking.applications.tie_rules import RankingRules
from rightfit.reporting.charts.palette import THEMES, TONED, plotly_template
from rightfit.reporting.overview import describe_applications, write_headline
from rightfit.reporting.results import Results
from rightfit.reporting.sections.across import build_across
from rightfit.reporting.sections.changed import build_changed
from rightfit.reporting.sections.decision_pages import DecisionPage, build_pages, page_id
from rightfit.reporting.sections.fronts import build_fronts
from rightfit.reporting.sections.hardware import build_hardware
from rightfit.reporting.sections.loads import build_loads
from rightfit.reporting.sections.measuring import build_measuring
from rightfit.reporting.sections.replacements import build_replacements
from rightfit.reporting.sections.requests import build_requests
from rightfit.reporting.sections.section import Chart, Section
from rightfit.reporting.sections.sensitivity import build_sensitivity
from rightfit.reporting.sections.stops import build_stops
from rightfit.reporting.sections.utilities import build_utilities
from rightfit.reporting.sections.why_not import build_why_not
from rightfit.reporting.what_if import collect_what_if

WHAT_IF = "what-if"


def build_sections(results: Results, tiers: Sequence[Tier]) -> list[Section]:
    """Build all sections in the order of the report."""
    return [
        *build_changed(results),
        *build_replacements(results),
        build_fronts(results),
        build_utilities(results),
        build_sensitivity(results),
        describe_controls(results),
        build_across(results),
        build_why_not(results),
        *([build_stops(results)] if results.trials else []),  # none: all models are imported
        build_hardware(results, tiers),
        build_requests(results),
        *([build_loads(results)] if results.load_curves.loads else []),
        build_measuring(results),
    ]


def describe_controls(results: Results) -> Section:
    """Describe the what-if page; its controls are a template of their own."""
    n_limits = sum(
        len(constraint.limits())
        for _, application in results.applications.items()
        for constraint in application.constraints.values()
    )
    n_weights = sum(len(application.objectives) for _, application in results.applications.items())
    return Section(
        id=WHAT_IF,
        title="What if",
        sentences=(
            f"Change {count(n_weights, 'weight')} and {count(n_limits, 'limit')} of "
            f"{count(len(results.recommendations), 'application')}: this page ranks the stored "
            "profiles again, by utility alone (without the tie rule).",
        ),
    )


def render_report(results: Results, sections: Sequence[Section]) -> str:
    """Render the report.

    Returns:
        HTML with all scripts, styles and data inside; it loads nothing from any host.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("rightfit.reporting"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    applications = describe_applications(results)
    return environment.get_template("report.html.j2").render(
        headline=write_headline(results),
        names=listing([application.title for application in applications]),
        applications=applications,
        marks=results.marks,
        sections=[_view(section) for section in sections],
        pages=[_view_page(page) for page in build_pages(results)],
        page_id=page_id,
        legend=_write_legend(results),
        footer=_write_footer(results),
        themes_json=_embed({name: plotly_template(theme) for name, theme in THEMES.items()}),
        what_if_json=_embed(collect_what_if(results).model_dump(mode="json")),
        plotly_js=_read_plotly_script(),
    )


def _write_legend(results: Results) -> str:
    """Explain the words on the cards, with the figures of this run."""
    level = format_share(results.rules.confidence_level)
    return (
        "A card names the model to serve, how, and what it costs. Tier: the smallest machine on "
        "which the limits hold. Utility: its value for the application, from the application's own "
        f"worst (0) to its best (1), with the {level} interval. Unused rows: test rows that had no "
        "part in the choice, so that their figure is not flattered. Tied: the measurements cannot "
        f"distinguish these models, so {_write_tie_rule(results.rules)}."
    )


def _write_tie_rule(rules: RankingRules) -> str:
    keys = listing([f"{key.prefer} {metric_name(key.by)}" for key in rules.ties.rule])
    kept = "the winner of the ranking before is kept (Kept), or else " if rules.keep_winner else ""
    return f"{kept}a rule decides by, in this order, {keys}"


def _write_footer(results: Results) -> str:
    versions = ", ".join(
        f"{words(name)} {card.data_version}" for name, card in results.data_cards.items()
    )
    data = f"; data {versions}" if versions else ""
    return (
        f"Made from {count(results.profiles.height, 'resource profile')} and "
        f"{count(results.rankings.height, 'ranked row')}; environment "
        f"{results.environment.environment_id}{data}."
    )


def _view(section: Section) -> dict[str, object]:
    charts = [_view_chart(chart) for chart in section.charts]
    return {**vars(section), "charts": charts}


def _view_page(page: DecisionPage) -> dict[str, object]:
    decisions = [
        {**vars(one), "load": None if one.load is None else _view_chart(one.load)}
        for one in page.decisions
    ]
    return {**vars(page), "decisions": decisions}


def _view_chart(chart: Chart) -> dict[str, object]:
    figure = json.loads(chart.figure.to_json(), parse_float=_shorten)
    del figure["layout"]["template"]  # the page has one for each theme
    for trace in figure["data"]:
        if trace.get("meta") == TONED:
            del trace["marker"]["color"]
    return {
        "title": chart.title,
        "caption": chart.caption,
        "alt": chart.alt,
        "height_px": figure["layout"]["height"],
        "json": _embed(figure),
    }


def _shorten(number: str) -> float:
    """Read a number to more digits than a chart can show; all of them would double its size."""
    return float(f"{float(number):.4g}")


def _embed(value: Any) -> Any:
    """Write JSON for a script element; nothing in it can close the element."""
    from markupsafe import Markup

    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def _read_plotly_script() -> Any:
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    return Markup(get_plotlyjs())  # noqa: S704 - plotly's own script
