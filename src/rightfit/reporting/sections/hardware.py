"""Section: which machine each decision needs, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from rightfit.naming import (
    NOT_MEASURED,
    format_number,
    listing,
    sentence_case,
    serving_label,
    words,
)
from rightfit.profiling.hardware.tiers import Tier
from rightfit.reporting.charts.hardware_chart import best_by_tier, draw_tiers, last_rise
from rightfit.reporting.results import PROFILE_KEYS, Results, select_winners
from rightfit.reporting.sections.section import Chart, Column, Fold, Section, Table

VERDICTS = ("fits", "does not fit", "not measurable")


def build_hardware(results: Results, tiers: Sequence[Tier]) -> Section:
    """Price every winner, say what a larger machine buys, and draw it where it buys anything.

    Args:
        results: The run.
        tiers: The hardware ladder, smallest machine first.
    """
    best = best_by_tier(results.profiles, len(tiers))
    mine = {name: best.filter(pl.col("dataset") == name) for name in results.datasets}
    names = [tier.name for tier in tiers]
    return Section(
        id="hardware",
        title="Which machine it needs, and what it costs",
        sentences=(describe_machines(results, tiers),),
        points=tuple(
            f"{sentence_case(words(name))}: "
            f"{describe_gain(mine[name], names, results.quality_title(name))}"
            for name in results.datasets
        ),
        charts=tuple(
            _draw(results, mine[name], tiers, name)
            for name in results.datasets
            if last_rise(mine[name]) > 1
        ),
        tables=(_tabulate_prices(results, tiers),),
        folds=(Fold("The ladder", (_tabulate_ladder(results, tiers),)),),
    )


def describe_machines(results: Results, tiers: Sequence[Tier]) -> str:
    """Say on how many machines the winners run within their limits and what these cost."""
    winners = select_winners(results.rankings)
    counts = dict(winners["hardware_tier"].value_counts().iter_rows())
    parts = [
        f"{counts[tier.name]} on {tier.name} (US$ {tier.price_per_hour:g} an hour)"
        for tier in tiers
        if tier.name in counts
    ]
    if not parts:
        return "No decision has a winner on the ladder, so none needs a machine."
    return f"The winners run within their limits on the smallest tiers: {listing(parts)}."


def _draw(results: Results, best: pl.DataFrame, tiers: Sequence[Tier], dataset: str) -> Chart:
    quality_title = results.quality_title(dataset)
    names = [tier.name for tier in tiers]
    sentence = describe_gain(best, names, quality_title)
    return Chart(
        figure=draw_tiers(
            best,
            dataset=dataset,
            tier_names=names,
            quality_title=quality_title,
            marks=results.marks,
        ),
        title=f"{sentence_case(words(dataset))}.",
        caption=f"Best {quality_title} of each family by hardware tier.",
        alt=f"Step chart of the best {quality_title} by hardware tier. {sentence}",
    )


def describe_gain(best: pl.DataFrame, tier_names: Sequence[str], quality_title: str) -> str:
    """Say what the best quality is on the smallest tier that runs anything, and beyond it."""
    if not best.height:
        return "Nothing is known of the machines it runs on."
    top = best.group_by("tier", maintain_order=True).agg(
        pl.col("candidate", "quality_raw").sort_by("quality_raw", descending=True).first()
    )
    first = top.row(0, named=True)
    last = top.filter(pl.col("quality_raw") == pl.col("quality_raw").max()).row(0, named=True)
    head = (
        f"{first['candidate']} reaches {quality_title} {first['quality_raw']:.3f} on "
        f"{tier_names[first['tier'] - 1]}"
    )
    if last["tier"] == first["tier"]:
        return f"{head}; larger machines buy no more."
    return (
        f"{head}; it takes {tier_names[last['tier'] - 1]} to reach {last['quality_raw']:.3f} "
        f"with {last['candidate']}."
    )


def _tabulate_prices(results: Results, tiers: Sequence[Tier]) -> Table:
    prices = {tier.name: tier.price_per_hour for tier in tiers}
    winners = select_winners(results.rankings).join(
        results.profiles.select(*PROFILE_KEYS, "cost_usd_per_1m_rows"),
        on=PROFILE_KEYS,
        how="left",
        maintain_order="left",
    )
    return Table(
        caption="What each winner costs, if a machine of its tier is as fast as the measured one",
        columns=(
            Column("Application"),
            Column("Dataset"),
            Column("Winner"),
            Column("Serving"),
            Column("Tier"),
            Column("US$ per hour", numeric=True),
            Column("Billion rows per US$", numeric=True),
        ),
        rows=tuple(
            (
                words(row["application"]),
                words(row["dataset"]),
                row["candidate"],
                serving_label(row["runtime"], row["n_threads"], row["device"]),
                row["hardware_tier"] or NOT_MEASURED,
                format_number(prices.get(row["hardware_tier"])),
                format_number(count_billion_rows(row["cost_usd_per_1m_rows"])),
            )
            for row in winners.to_dicts()
        ),
    )


def count_billion_rows(cost_usd_per_1m_rows: float | None) -> float | None:
    """Return how many billion rows one dollar buys.

    >>> count_billion_rows(0.0005)
    2.0
    """
    return 1e-3 / cost_usd_per_1m_rows if cost_usd_per_1m_rows else None


def _tabulate_ladder(results: Results, tiers: Sequence[Tier]) -> Table:
    judged = results.tables.hardware_tiers.group_by("tier", "verdict").len()
    n_profiles = {(tier, verdict): n for tier, verdict, n in judged.iter_rows()}
    return Table(
        caption="The ladder of the parameters, and how many profiles run on each tier",
        columns=(
            Column("Tier"),
            Column("Cores", numeric=True),
            Column("Memory (MiB)", numeric=True),
            Column("Device"),
            Column("US$ per hour", numeric=True),
            *(Column(sentence_case(verdict), numeric=True) for verdict in VERDICTS),
        ),
        rows=tuple(
            (
                tier.name,
                str(tier.n_cores),
                format_number(tier.memory_mib),
                tier.device,
                format_number(tier.price_per_hour),
                *(str(n_profiles.get((tier.name, verdict), 0)) for verdict in VERDICTS),
            )
            for tier in tiers
        ),
    )
