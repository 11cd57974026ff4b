"""Section: the hardware tier each winner needs, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from rightfit.formatting import NOT_MEASURED, format_number, format_quality
from rightfit.naming import listing, round_quality, sentence_case, words
from rightfit.profiling.hardware.tiers import ROWS_PRICED, Tier
from rightfit.ranking.assessment.profile_table import PROFILE_KEYS
from rightfit.reporting.run_results import Results, select_winners, show_unseen
from rightfit.reporting.sections.section import (
    Column,
    Section,
    Table,
    figure,
    keys,
    number,
    tabulate,
    text,
)

VERDICTS = ("fits", "does not fit", "not measurable")


def build_hardware(results: Results, tiers: Sequence[Tier]) -> Section:
    """Price every winner, and say where larger machines improve the best quality."""
    best = best_by_tier(show_unseen(results.profiles), len(tiers))
    names = [tier.name for tier in tiers]
    wins = dict(select_winners(results.rankings)["hardware_tier"].value_counts().iter_rows())
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
            f"Smallest tiers on which the winners keep their limits: {listing(kept_on)}."
            if kept_on
            else "No winner fits a tier of the ladder.",
        ),
        points=tuple(
            f"{sentence_case(words(name))}: "
            f"{describe_gain(best.filter(dataset=name), names, results.quality_title(name))}"
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


def best_by_tier(profiles: pl.DataFrame, n_tiers: int) -> pl.DataFrame:
    """Find the best profile by quality of each dataset and family that runs on each tier.

    Returns:
        One row per dataset, family and tier on which any profile of the family runs:
        ``dataset``, ``model``, ``tier`` (1-based), ``candidate``, ``quality_raw``.
    """
    known = profiles.drop_nulls(["min_hardware_tier", "quality_raw"])
    tiers = pl.DataFrame({"tier": range(1, n_tiers + 1)}, schema={"tier": pl.Int64})
    return (
        known.join(tiers, how="cross")
        .filter(pl.col("min_hardware_tier") <= pl.col("tier"))
        .sort("quality_raw", descending=True, maintain_order=True)
        .unique(["dataset", "model", "tier"], keep="first", maintain_order=True)
        .select("dataset", "model", "tier", "candidate", "quality_raw")
        .sort("tier", maintain_order=True)
    )


def describe_gain(best: pl.DataFrame, tier_names: Sequence[str], quality_title: str) -> str:
    """Say what the best quality is on the smallest tier that runs any profile, and above it."""
    if not best.height:
        return "the hardware tiers it runs on are not known."
    top = best.group_by("tier", maintain_order=True).agg(
        pl.col("candidate", "quality_raw").sort_by("quality_raw", descending=True).first()
    )
    first = top.row(0, named=True)
    shown = round_quality("quality_raw")  # as it is written
    last = top.filter(shown == shown.max()).row(0, named=True)
    head = (
        f"{first['candidate']} reaches {quality_title} {format_quality(first['quality_raw'])} on "
        f"{tier_names[first['tier'] - 1]}"
    )
    if last["tier"] == first["tier"]:
        return f"{head}; larger tiers do not improve it."
    return (
        f"{head}; {last['candidate']} reaches {format_quality(last['quality_raw'])} on "
        f"{tier_names[last['tier'] - 1]}."
    )


def _tabulate_prices(results: Results, tiers: Sequence[Tier]) -> Table:
    prices = {tier.name: tier.price_per_hour for tier in tiers}
    winners = select_winners(results.rankings).join(
        results.profiles.select(*PROFILE_KEYS, "cost_usd_per_1m_rows"),
        on=PROFILE_KEYS,
        how="left",
        maintain_order="left",
    )
    return tabulate(
        "Cost of each winner, if a machine of its tier is as fast as the measured one",
        winners.to_dicts(),
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
