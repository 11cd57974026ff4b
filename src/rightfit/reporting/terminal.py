"""The terminal table: the winner per application and dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from rightfit._core.formatting import (
    NOT_MEASURED,
    clean_text,
    format_ends,
    format_number,
    format_quality,
    format_share,
)
from rightfit.measuring.naming import TIMES, listing
from rightfit.ranking.explanation.decisions import (
    CLEAR,
    LIKELY,
    TERMS,
    Decision,
    FactKind,
    Recommendations,
    find_facts,
    list_decisions,
)
from rightfit.ranking.explanation.findings import group_findings, join_subjects
from rightfit.ranking.records.load_records import LoadCurves

HEADS_BY_METRIC = {
    "latency_p50_ms": "p50 ms",
    "throughput_rows_per_s": "rows/s",
    "peak_memory_mib": "MiB",
}


LEGEND = (
    "clear, likely, open: the chance that no other candidate is better by more than practical "
    f"equality is at least {format_share(CLEAR)}, at least {format_share(LIKELY)}, or less. "
    f"≈2: two others are practically equal. {TIMES}1: threads. Tier: the smallest machine on which "
    "it meets the limits."
)


def tabulate_winners(recommendations: Recommendations, loads: LoadCurves | None = None) -> Table:
    """Build the table that ends a run: one line per application and dataset.

    Args:
        recommendations: The decisions.
        loads: What their winners did under load over HTTP; ``None``: they were not loaded.

    Returns:
        A rich table that fits 80 columns. Where no candidate is within the limits, the line says
        so and the caption names the nearest miss. It says what deadlines mean.
    """
    decisions = list_decisions(recommendations)
    caption = [
        f"Quality: {_name_metrics(decisions)}, on all test rows, with its 95 % interval.",
        LEGEND,
        *(
            f"{group[0].code} {join_subjects(group)}: {group[0].sentence}"
            for group in group_findings(
                finding
                for application, dataset, decision in decisions
                for finding in (
                    *decision.findings,
                    loads and loads.check_decision(application, dataset, decision),
                )
                if finding and finding.is_urgent
            )
        ),
    ]
    for application, recommendation in recommendations.items():
        kinds: tuple[FactKind, ...] = ("deadline", "segments", "fleet")
        for kind in kinds:
            lines = [
                f"  {dataset}: {fact.text}"
                for dataset, decision in recommendation.datasets.items()
                for fact in find_facts(decision, kind)
            ]
            caption += [f"{TERMS[kind]} of {application}:", *lines] if lines else []
    table = Table(
        title="Which model fits",
        caption="\n".join(map(_show, caption)),
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("Application", no_wrap=True)
    table.add_column("Winner", overflow="fold")
    for head in ("Quality", *HEADS_BY_METRIC.values(), "Tier"):
        table.add_column(head, justify="right", no_wrap=True)
    for application, recommendation in recommendations.items():
        table.add_section()
        table.add_row(f"[bold]{_show(application)}[/bold]")
        for dataset, decision in recommendation.datasets.items():
            winner = decision.winner
            if winner is None:
                table.add_row(f"  {_show(dataset)}", f"[red]{decision.without_winner}[/red]")
                continue
            color = "green" if decision.mark == "clear" else "yellow"
            status = f"{decision.mark}{', kept' * bool(decision.finding('RF007'))}"
            if decision.equal_to:
                status += f" ≈{len(decision.equal_to)}"
            serving = winner.serving
            device = "" if serving.device == "cpu" else f" {_show(serving.device)}"
            quality = NOT_MEASURED
            if winner.quality:
                ends = format_ends(winner.quality.low, winner.quality.high)
                quality = f"{format_quality(winner.quality.value)}\n{ends}".rstrip()
            table.add_row(
                f"  {_show(dataset)}",
                f"{_show(winner.candidate)} {serving.runtime} {TIMES}{serving.n_threads}"
                f"{device} [{color}]{status}[/{color}]",
                quality,
                *(format_number(winner.metrics[name].value) for name in HEADS_BY_METRIC),
                _show(winner.hardware_tier or NOT_MEASURED),
            )
    return table


def _name_metrics(decisions: Sequence[tuple[str, str, Decision]]) -> str:
    """Name each dataset's metric, and those of applications that judge by one of their own."""
    metrics = [
        (application, dataset, decision.winner.quality.name)
        for application, dataset, decision in decisions
        if decision.winner and decision.winner.quality
    ]
    of_dataset = {
        dataset: Counter(metric for _, other, metric in metrics if other == dataset)
        for _, dataset, _ in metrics
    }
    usual = {dataset: counts.most_common(1)[0][0] for dataset, counts in of_dataset.items()}
    names = [
        name
        if len(set(usual.values())) == 1
        else f"{name} of {listing([dataset for dataset in usual if usual[dataset] == name])}"
        for name in dict.fromkeys(usual.values())
    ]
    names += dict.fromkeys(
        f"{metric} for {application}"
        for application, dataset, metric in metrics
        if metric != usual[dataset]
    )
    return "; ".join(names) or "not known"


def _show(text: str) -> str:
    """Escape what rich takes for markup, and what a terminal takes for commands."""
    return escape(clean_text(text))
