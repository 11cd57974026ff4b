"""The report: one self-contained HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from rightfit._core.formatting import (
    clean_text,
    count,
    format_duration,
    format_number,
    format_quality,
    format_share,
    format_version,
)
from rightfit._core.plugins import load_plugins
from rightfit.measuring.hardware.tiers import Tier
from rightfit.measuring.naming import describe_limit, listing, objective_name
from rightfit.ranking.applications.applications import Application
from rightfit.ranking.explanation.decisions import CLEAR, LIKELY, list_decisions, write_value
from rightfit.reporting.decision_views import DecisionView, view_decisions
from rightfit.reporting.page_data import collect_page_data
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.hardware import build_fleet, build_hardware
from rightfit.reporting.sections.how_measured import build_measuring, build_profiles
from rightfit.reporting.sections.in_use import build_replacements
from rightfit.reporting.sections.requests import build_loads, build_requests
from rightfit.reporting.sections.run_findings import build_findings, list_findings
from rightfit.reporting.sections.sensitivity import build_across, build_sensitivity
from rightfit.reporting.sections.stops import build_stops

SECTIONS = "rightfit.sections"  # entry points: functions that make a section of ``Results``
MAX_COLUMNS = 4  # of the matrix that are still readable side by side


@dataclass(frozen=True)
class Head:
    """The head of a row or column of the matrix."""

    title: str
    description: str = ""
    anchor: str = ""


@dataclass(frozen=True)
class ApplicationView:
    """An application with its decisions."""

    name: str
    description: str
    request: str
    decisions: list[DecisionView]


def render_report(results: Results, tiers: Sequence[Tier]) -> str:
    """Render the report.

    Args:
        results: What it reports.
        tiers: The hardware ladder.

    Returns:
        HTML with all scripts, styles and data inside; it loads nothing from any host.
    """
    environment = Environment(
        loader=PackageLoader("rightfit.reporting"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        finalize=lambda value: clean_text(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"setting": write_value, "clean": clean_text}
    findings = list_findings(results, tiers)
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    applications = [
        ApplicationView(
            name=name,
            description=application.description,
            request=describe_application(application),
            decisions=view_decisions(results, name, findings),
        )
        for name, application in results.applications.items()
    ]
    version = results.environment.libraries.get("rightfit")
    when = (
        f"Measured {format_version(results.measured_in)}"
        if results.measured_in
        else f"Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    )
    data_versions = ", ".join(
        f"{name} {card.data_version}" for name, card in results.data_cards.items()
    )
    data = f"; data {data_versions}" if data_versions else ""
    within = format_number(results.rules.equal_within)
    subjects = [one.decision.subject for shown in applications for one in shown.decisions]
    is_searched = any(one and one.settings and one.settings.searched for one in subjects)
    in_bold = " Settings in bold were searched." if is_searched else ""
    return environment.get_template("report.html.j2").render(
        headline=write_headline(results),
        origin=[
            when,
            results.environment.machine,
            *([f"Rightfit {version}"] if version else []),
            *([f"run {results.run}"] if results.run else []),
        ],
        applications=applications,
        is_of_project=bool(results.run),  # else there is nothing that kedro could run
        **_arrange(applications, results.datasets),
        kinds=list(
            dict.fromkeys(
                kind.member.kind
                for application in applications
                for decision in application.decisions
                for kind in decision.kinds
                if kind.member.is_measured
            )
        ),
        marks=results.marks,
        legend="Quality: on all test rows, with its 95 % interval. Clear, likely, open: the chance "
        f"that no other candidate is better by {within} of utility or more is at least "
        f"{format_share(CLEAR)}, at least {format_share(LIKELY)}, or less. Practically equal: "
        f"how many others are within {within} of the winner's utility. The machine is the smallest "
        f"tier (evaluation.tiers) that suffices.{in_bold}",
        sections=[
            *build_fleet(results),
            build_findings(findings),
            *build_replacements(results),
            build_sensitivity(results),
            build_across(results),
            build_hardware(results, tiers),
            *([build_loads(results)] if results.load_curves.loads else []),
            build_requests(results),
            *([build_stops(results)] if results.trials.height else []),
            build_measuring(results),
            build_profiles(results),
            *(build(results) for build in load_plugins(SECTIONS, purpose="The report").values()),
        ],
        footer=(
            f"Made from {count(results.profiles.height, 'resource profile')} and "
            f"{count(results.rankings.height, 'ranked row')}; environment "
            f"{results.environment.environment_id}{data}."
        ),
        page_data=collect_page_data(results),
    )


def write_headline(results: Results) -> str:
    """Say how many models win, and what taking the best by quality everywhere would cost."""
    decisions = list_decisions(results.recommendations)
    winners = {(dataset, d.winner.candidate) for _, dataset, d in decisions if d.winner}
    n_none = sum(d.winner is None for _, _, d in decisions)
    best = dict(
        results.profiles.sort("quality_raw", descending=True, nulls_last=True, maintain_order=True)
        .unique("dataset", keep="first", maintain_order=True)
        .select("dataset", "candidate")
        .iter_rows()
    )
    lost, n_broken = [], 0
    for application, dataset, decision in decisions:
        row = results.rankings.filter(
            application=application, dataset=dataset, candidate=best[dataset]
        )
        if decision.winner is None or decision.winner.utility is None or row.is_empty():
            continue
        if not row["feasible"][0]:
            n_broken += 1
        elif row["utility"][0] is not None:
            lost.append(decision.winner.utility - row["utility"][0])
    cases = (
        f"{count(len(results.recommendations), 'application')} on "
        f"{count(len(results.datasets), 'dataset')}"
    )
    is_same = len(winners) == 1 < len(decisions)
    head = f"{cases}: {'the same winner' if is_same else count(len(winners), 'different winner')}"
    head += f", and none in {n_none} of {len(decisions)} cases" if n_none else ""
    if len(decisions) == 1:
        [(application, _, decision)] = decisions
        winner = decision.winner
        head = f"{application}: " + (
            winner.candidate if winner else "no candidate meets the limits"
        )
    costs = []
    if n_broken:
        costs.append(f"break limits in {count(n_broken, 'case')}")
    loss = format_quality(max(0.0, sum(lost) / len(lost))) if lost else ""
    if lost:
        costs.append(f"lose {loss} of utility on average" if float(loss) else "lose no utility")
    if n_broken and lost:
        costs[-1] += f" in the other {len(lost)}"
    if not costs:
        return f"{head}."
    where = "" if len(decisions) == 1 else " everywhere"
    titles = {results.quality_title(dataset) for _, dataset, _ in decisions}
    quality = titles.pop() if len(titles) == 1 else "quality"
    return f"{head}. Taking the model of the best {quality}{where} would {listing(costs)}."


def describe_application(application: Application) -> str:
    """Write an application's weights and limits as a sentence.

    >>> from rightfit.ranking.applications.applications import Objective
    >>> quality = Objective(weight=2, worst=0, best=1)
    >>> describe_application(Application(
    ...     description="-", scenario="offline", objectives={"quality": quality},
    ...     constraints={"peak_memory_mib": {"max": 64}},
    ... ))
    'Weights: quality 100 %. Limits: peak memory at most 64 MiB.'
    """
    weights = zip(application.weighted(), application.shares(), strict=True)
    weighed = [f"{objective_name(metric)} {format_share(share)}" for metric, share in weights]
    sentence = f"Weights: {listing(weighed)}."
    limits = [describe_limit(*limit) for limit in application.list_limits()]
    demand = f"{sentence} Limits: {listing(limits)}." if limits else f"{sentence} No limits."
    workload = application.workload
    if workload is None:
        return demand
    hours = format_duration(workload.hours)
    n_rows = format_number(workload.n_rows).replace("G", "billion").replace("M", "million")
    return f"{demand} Deadline: {n_rows} rows in {hours}."


def _arrange(applications: list[ApplicationView], datasets: list[str]) -> dict[str, Any]:
    """Arrange the matrix: applications by datasets, or the other way where it would be too wide."""
    application_heads = [
        Head(view.name, view.description, f"panel-{view.name}") for view in applications
    ]
    dataset_heads = [Head(name) for name in datasets]
    decisions = [
        {decision.dataset: decision for decision in view.decisions} for view in applications
    ]
    cells = [[by_dataset.get(name) for name in datasets] for by_dataset in decisions]
    if len(datasets) <= max(MAX_COLUMNS, len(applications)):
        return {"heads": dataset_heads, "rows": list(zip(application_heads, cells, strict=True))}
    turned = [list(column) for column in zip(*cells, strict=True)]
    return {"heads": application_heads, "rows": list(zip(dataset_heads, turned, strict=True))}
