"""Sections: the hardware tier each winner needs, the winner on each kind of machine, and prices."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from rightfit._core.formatting import NOT_MEASURED, format_number, format_quality
from rightfit.measuring.hardware.tiers import ROWS_PRICED, Tier
from rightfit.measuring.naming import listing, sentence_case
from rightfit.ranking.explanation.decisions import list_decisions
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.section import (
    Column,
    Section,
    Table,
    figure,
    keys,
    number,
    sentence,
    tabulate,
    text,
)

VERDICTS = ("fits", "does not fit", "not measurable")


def build_hardware(results: Results, tiers: Sequence[Tier]) -> Section:
    """Price every winner, and say where larger machines improve the best quality."""
    profiles = results.profiles
    names = [tier.name for tier in tiers]
    wins = dict(results.list_winners()["hardware_tier"].value_counts().iter_rows())
    kept_on = [
        f"{tier.name} for {wins[tier.name]} (US$ {tier.price_per_hour:g} per hour)"
        for tier in tiers
        if tier.name in wins
    ]
    judged = results.hardware_tiers.group_by("tier", "verdict").len()
    n_profiles = {(tier, verdict): n for tier, verdict, n in judged.iter_rows()}

    def count_profiles(verdict: str) -> Column:
        return number(
            sentence_case(verdict), lambda tier: str(n_profiles.get((tier.name, verdict), 0))
        )

    return Section(
        id="hardware",
        title="Hardware tiers and costs",
        sentences=(
            f"Smallest tiers on which the winners meet their limits: {listing(kept_on)}."
            if kept_on
            else "No winner fits a tier of the ladder.",
        ),
        points=tuple(
            f"{name}: "
            f"{describe_gain(profiles.filter(dataset=name), names, results.quality_title(name))}"
            for name in results.datasets
        ),
        tables=(
            _tabulate_prices(results, tiers),
            tabulate(
                "Hardware tiers of the parameters, and how many profiles run on each",
                tiers,
                text("Tier", lambda tier: tier.name),
                number("Cores", lambda tier: str(tier.n_cores)),
                figure("Memory (MiB)", "memory_mib"),
                text("Device", lambda tier: tier.device),
                figure("US$ per hour", "price_per_hour"),
                *map(count_profiles, VERDICTS),
            ),
        ),
    )


def describe_gain(profiles: pl.DataFrame, tier_names: Sequence[str], quality_title: str) -> str:
    """Say what the best quality is on the smallest tier that runs any profile, and above it.

    Args:
        profiles: Of one dataset: ``candidate``, ``min_hardware_tier`` (from 1) and ``quality_raw``.
        tier_names: The ladder, smallest first.
        quality_title: What the quality is called.
    """
    judged = profiles.drop_nulls(["min_hardware_tier", "quality_raw"])
    ordered = judged.sort("quality_raw", descending=True, maintain_order=True)
    best = {}  # on each tier that runs any profile, the smallest first
    for rank, name in enumerate(tier_names, start=1):
        fitting = ordered.filter(pl.col("min_hardware_tier") <= rank)
        if fitting.height:
            candidate, quality = fitting.select("candidate", "quality_raw").row(0)
            best[name] = candidate, format_quality(quality)
    if not best:
        return "the hardware tiers it runs on are not known."
    smallest = next(iter(best))
    candidate, quality = best[smallest]
    head = f"{candidate} reaches {quality_title} {quality} on {smallest}"
    _, highest = best[tier_names[-1]]
    enough = next(name for name, (_, reached) in best.items() if reached == highest)
    if enough == smallest:
        return f"{head}; larger tiers do not improve it."
    candidate, _ = best[enough]
    return f"{head}; {candidate} reaches {highest} on {enough}."


def _tabulate_prices(results: Results, tiers: Sequence[Tier]) -> Table:
    prices = {tier.name: tier.price_per_hour for tier in tiers}
    return tabulate(
        "Cost of each winner, if a machine of its tier is as fast as the measured one",
        results.list_winners().to_dicts(),
        *keys("application", "dataset"),
        text("Winner", lambda row: row["candidate"]),
        *keys("serving"),
        text("Tier", lambda row: row["hardware_tier"] or NOT_MEASURED),
        number("US$ per hour", lambda row: format_number(prices.get(row["hardware_tier"]))),
        number(
            "Rows per US$",
            lambda row: format_number(rows_per_usd(row["cost_usd_per_1m_rows"])),
        ),
    )


def rows_per_usd(cost_usd_per_1m_rows: float | None) -> float | None:
    """Return how many rows one US dollar buys.

    >>> rows_per_usd(0.5)
    2000000.0
    """
    return ROWS_PRICED / cost_usd_per_1m_rows if cost_usd_per_1m_rows else None


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
