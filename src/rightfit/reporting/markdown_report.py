"""The report as Markdown, for pull requests and for programs that read text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rightfit._core.formatting import escape_markdown
from rightfit.measuring.hardware.tiers import Tier
from rightfit.ranking.explanation.decisions import list_decisions
from rightfit.reporting.decision_views import DecisionView, view_decisions
from rightfit.reporting.html_report import describe_application, write_headline
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.hardware import build_fleet
from rightfit.reporting.sections.run_findings import list_findings, tabulate_findings
from rightfit.reporting.sections.section import Section, Table


def render_markdown(results: Results, tiers: Sequence[Tier]) -> str:
    """Render the winners, their limits, the findings and what would change each decision.

    Args:
        results: What it reports.
        tiers: The hardware ladder.

    Returns:
        GitHub's Markdown; names and sentences of the data are escaped.
    """
    findings = list_findings(results, tiers)
    views = [
        view for name in results.applications for view in view_decisions(results, name, findings)
    ]
    table = tabulate_findings([one for one in findings if one.severity != "not applicable"])
    parts = [
        "# Which model fits",
        escape_markdown(write_headline(results)),
        escape_markdown(f"Measured on {results.environment.machine}."),
        _write_table(
            ("Application", "Dataset", "Winner", "Served", "Status", "Figures", "Machine"),
            map(_describe_winner, views),
        ),
        *(part for section in build_fleet(results) for part in _write_fleet(section)),
        "## Findings",
        _write_section_table(table) if table.rows else "None.",
        "## Applications",
        "\n".join(
            f"- **{escape_markdown(name)}**: {escape_markdown(describe_application(application))}"
            for name, application in results.applications.items()
        ),
        "## What would change a winner",
        "\n".join(
            f"- **{escape_markdown(f'{application}, {dataset}')}**: "
            f"{escape_markdown(decision.reversal)}"
            for application, dataset, decision in list_decisions(results.recommendations)
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _describe_winner(view: DecisionView) -> tuple[str, ...]:
    candidate = view.decision.subject
    figures = [
        " ".join(
            [f"{figure.value} {figure.name}", figure.interval]
            + [f"({'meets' if is_met else 'breaks'} {limit})" for is_met, limit in figure.limits]
        ).replace("  ", " ")
        for figure in view.figures
    ]
    nearest = "" if view.decision.winner else "nearest: "
    return (
        view.application,
        view.dataset,
        f"{nearest}{candidate.candidate}" if candidate else "none",
        candidate.serving.label if candidate else "",
        view.decision.status,
        "; ".join(figures),
        (candidate and candidate.hardware_tier) or "",
    )


def _write_fleet(section: Section) -> list[str]:
    points = [f"- {escape_markdown(point)}" for point in section.points]
    return [f"## {section.title}", "\n".join(points), *map(_write_section_table, section.tables)]


def _write_section_table(table: Table) -> str:
    return _write_table([column.title for column in table.columns], table.rows)


def _write_table(heads: Sequence[str], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [
        heads,
        ["---"] * len(heads),
        *([escape_markdown(cell) for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
