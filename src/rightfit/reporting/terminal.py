"""The terminal table: the winner per application and dataset."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from rightfit.formatting import NOT_MEASURED, clean_text, format_ends, format_number, format_quality
from rightfit.naming import TIMES
from rightfit.ranking.explanation.decisions import (
    Recommendations,
    describe_where_judged,
    find_facts,
    list_decisions,
)

HEADS_BY_METRIC = {
    "latency_p50_ms": "p50 ms",
    "throughput_rows_per_s": "rows/s",
    "peak_memory_mib": "MiB",
}


def tabulate_winners(recommendations: Recommendations) -> Table:
    """Build the table that ends a run: one line per application and dataset.

    Its figures are those of the models that are shipped, the quality by rows that chose nothing,
    as far as there are such rows.

    Returns:
        A rich table that fits 80 columns. Where no candidate is within the limits, the line says
        so and the caption names the nearest miss. It names refits that are worse or not made
        yet, and what deadlines mean.
    """
    decisions = list_decisions(recommendations)
    caption = [
        f"Quality: {describe_where_judged(recommendations)}, with its 95 % interval.",
        *(  # why there is no winner, or that another candidate may be better on a quiet machine
            f"{application}, {dataset}: {fact.text}"
            for application, dataset, decision in decisions
            for fact in find_facts(decision, "Not known" if decision.winner else "Decision")
        ),
    ]
    caption += sorted(
        {
            f"{dataset}: {decision.winner.candidate} is shipped {fact.text}"
            for _, dataset, decision in decisions
            if decision.winner and decision.shipped and decision.shipped.is_notable
            for fact in find_facts(decision, "Shipped")
        }
    )
    for application, recommendation in recommendations.items():
        deadlines = [
            f"  {dataset}: {fact.text}"
            for dataset, decision in recommendation.datasets.items()
            for fact in find_facts(decision, "Deadline")
        ]
        caption += [f"Deadline of {application}:", *deadlines] if deadlines else []
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
            winner = decision.headline
            if winner is None:
                table.add_row(f"  {_show(dataset)}", f"[red]{decision.without_winner}[/red]")
                continue
            tie = f" [yellow]{decision.tie}[/yellow]" if decision.tie else ""
            serving = winner.serving
            device = "" if serving.device == "cpu" else f" {_show(serving.device)}"
            metrics, found = winner.metrics, decision.quality
            if found:
                ends = format_ends(found.raw_low, found.raw_high)
                quality = f"{format_quality(found.raw)}\n{ends}".rstrip()
            else:
                quality = f"{format_quality(metrics.get('quality_raw'))}\nwhen chosen"
            table.add_row(
                f"  {_show(dataset)}",
                f"{_show(winner.candidate)} {serving.runtime} {TIMES}{serving.n_threads}"
                f"{device}{tie}",
                quality,
                *(format_number(metrics.get(name)) for name in HEADS_BY_METRIC),
                _show(winner.hardware_tier or NOT_MEASURED),
            )
    return table


def _show(text: str) -> str:
    """Escape what rich takes for markup, and what a terminal takes for commands."""
    return escape(clean_text(text))
