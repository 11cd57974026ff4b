"""Section: which machine each decision needs, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from rightfit.profiling.tiers import Tier
from rightfit.reporting.charts.hardware import best_by_tier, draw_tiers
from rightfit.reporting.naming import format_number, listing, sentence_case, words
from rightfit.reporting.results import Results, select_winners
from rightfit.reporting.sections.section import Chart, Column, Section, Table


def build_hardware(results: Results, tiers: Sequence[Tier]) -> Section:
    """Draw what a larger machine buys and list the ladder with prices and winners.

    Args:
        results: The run.
        tiers: The hardware ladder, smallest machine first.
    """
    best = best_by_tier(results.profiles, len(tiers))
    return Section(
        id="hardware",
        title="Which machine it needs",
        sentences=(describe_machines(results, tiers),),
        charts=tuple(_draw(results, best, tiers, dataset) for dataset in results.datasets),
        tables=(_tabulate_ladder(results, tiers),),
    )


def describe_machines(results: Results, tiers: Sequence[Tier]) -> str:
    """Say on how many machines the winners run and what the dearest of them costs."""
    winners = select_winners(results.rankings)
    names = [tier.name for tier in tiers if tier.name in set(winners["hardware_tier"])]
    if not names:
        return "No decision has a winner, so none needs a machine."
    prices = {tier.name: tier.price_per_hour for tier in tiers}
    dearest = max(names, key=lambda name: prices[name])
    shares = [
        f"{winners.filter(pl.col('hardware_tier') == name).height} on {name}" for name in names
    ]
    return (
        f"Of {winners.height} winners {listing(shares)} hold their limits; the dearest of these "
        f"machines, {dearest}, costs {prices[dearest]:.4g} US dollars an hour in the ladder "
        "of the parameters."
    )


def _draw(results: Results, best: pl.DataFrame, tiers: Sequence[Tier], dataset: str) -> Chart:
    names = [tier.name for tier in tiers]
    quality_title = results.quality_title(dataset)
    sentence = describe_gain(best.filter(pl.col("dataset") == dataset), names, quality_title)
    return Chart(
        figure=draw_tiers(
            best,
            dataset=dataset,
            tier_names=names,
            quality_title=quality_title,
            marks=results.marks,
        ),
        title=f"{sentence_case(words(dataset))}.",
        caption=sentence,
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


def _tabulate_ladder(results: Results, tiers: Sequence[Tier]) -> Table:
    winners = select_winners(results.rankings)
    rows = []
    for position, tier in enumerate(tiers, start=1):
        here = winners.filter(pl.col("hardware_tier") == tier.name)
        n_need = results.profiles.filter(pl.col("min_hardware_tier") == position).height
        decisions = [
            f"{words(row['application'])} on {words(row['dataset'])}" for row in here.to_dicts()
        ]
        rows.append(
            (
                tier.name,
                str(tier.n_cores),
                format_number(tier.memory_mib),
                tier.device,
                f"{tier.price_per_hour:.4g}",
                str(n_need),
                ", ".join(decisions) or "none",
            )
        )
    return Table(
        caption="The ladder: smallest machine on which profiles run, and decisions it serves",
        columns=(
            Column("Tier"),
            Column("Cores", numeric=True),
            Column("Memory MiB", numeric=True),
            Column("Device"),
            Column("US$ per hour", numeric=True),
            Column("Profiles that need it", numeric=True),
            Column("Winners within their limits on it", wide=True),
        ),
        rows=tuple(rows),
    )
