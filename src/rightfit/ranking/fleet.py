"""A fleet: the kinds of machine that candidates were measured on, and what one model for all costs.

Each kind is ranked by its own figures alone, an application's limits included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rightfit._core.formatting import format_number, format_quality
from rightfit.ranking.application_ranking import (
    ApplicationRanking,
    find_winning_rows,
    order_candidates,
)
from rightfit.ranking.applications.applications import (
    S_PER_HOUR,
    THIS_MACHINE,
    THROUGHPUT,
    Application,
    RankingRules,
)
from rightfit.ranking.assessment.assessment import Assessment, assess_candidates
from rightfit.ranking.assessment.profile_table import ProfileTable, select_profiles
from rightfit.ranking.explanation.decisions import Fleet, FleetMember

HOURS_PER_MONTH = 730
ROWS = 1e6  # predictions that a price is for

Utilities = dict[str, float]  # of the feasible candidates of a kind, by name


def rank_fleet(
    ranking: ApplicationRanking, table: ProfileTable, rules: RankingRules
) -> dict[str, Fleet]:
    """Rank an application on every kind of machine, by dataset.

    Args:
        ranking: The application's ranking.
        table: Profiles of all kinds.
        rules: Rules of ranking, with the prices.

    Returns:
        Empty where there is one kind, or the application names one.
    """
    application, name = ranking.assessment.application, ranking.assessment.name
    kinds = {*(kind or THIS_MACHINE for kind in table.environments), *rules.environments}
    if len(kinds) < 2 or application.environment is not None:
        return {}
    assessed = {
        kind or THIS_MACHINE: assess_candidates(table, name, on_kind, rules)
        for kind in table.environments
        if _is_measured(table, on_kind := application.model_copy(update={"environment": kind}))
    }
    return {
        dataset: _compare(
            {kind: one for kind, one in assessed.items() if dataset in one.table.datasets},
            dataset,
            rules,
        )
        for dataset in ranking.assessment.table.datasets
    }


def _is_measured(table: ProfileTable, application: Application) -> bool:
    """Tell whether profiles of an application's kind and request path have all that it asks for."""
    return select_profiles(table, application).n_rows > 0


def _compare(assessed: Mapping[str, Assessment], dataset: str, rules: RankingRules) -> Fleet:
    members = [
        FleetMember(kind=kind, is_measured=False)
        for kind in rules.environments
        if kind not in assessed
    ]
    utilities = {}
    for kind, assessment in assessed.items():
        position = assessment.table.datasets.index(dataset)
        part = assessment.table.candidate_slices[position]
        row = find_winning_rows(assessment, order_candidates(assessment))[position]
        members.append(_describe(kind, assessment, row, rules))
        utilities[kind] = {
            assessment.table.read_key(int(assessment.chosen[number])).candidate: float(
                assessment.utility[number]
            )
            for number in range(part.start, part.stop)
            if assessment.feasible[number]
        }
    one, cost = _find_one_for_all(list(utilities.values()))
    affordable = [
        member for member in members if member.candidate and member.price_per_month is not None
    ]
    cheapest = min(affordable, key=lambda member: member.price_per_month or 0.0, default=None)
    return Fleet(
        kinds=members,
        one_for_all=one,
        utility_cost=cost,
        cheapest=cheapest and cheapest.kind,
        sentence=_word(one, cost, len(utilities), cheapest),
    )


def _describe(
    kind: str, assessment: Assessment, row: int | None, rules: RankingRules
) -> FleetMember:
    price_per_hour = rules.environments[kind].price_per_hour if kind in rules.environments else None
    month = None if price_per_hour is None else price_per_hour * HOURS_PER_MONTH
    if row is None:
        return FleetMember(kind=kind, price_per_month=month)
    table = assessment.table
    rate = float(table.values(THROUGHPUT)[row]) if THROUGHPUT in table.frame.columns else np.nan
    key = table.read_key(row)
    has_price = price_per_hour is not None and rate > 0
    return FleetMember(
        kind=kind,
        candidate=key.candidate,
        serving=key.serving.label,
        utility=float(assessment.judgement.utility[row]),
        price_per_month=month,
        price_per_1m=(price_per_hour or 0.0) / S_PER_HOUR / rate * ROWS if has_price else None,
    )


def _find_one_for_all(utilities: Sequence[Utilities]) -> tuple[str | None, float | None]:
    """Find the candidate that is feasible on all kinds and of the highest mean utility.

    Returns:
        Its name, and by how much that mean is below the one of each kind's best; ``None`` twice
        where no candidate is feasible on all.
    """
    common = set.intersection(*(set(one) for one in utilities)) if utilities else set()
    if not common:
        return None, None
    means = {name: float(np.mean([one[name] for one in utilities])) for name in sorted(common)}
    best = max(means, key=lambda name: means[name])
    return best, float(np.mean([max(one.values()) for one in utilities])) - means[best]


def _word(one: str | None, cost: float | None, n_kinds: int, cheapest: FleetMember | None) -> str:
    sentence = f"no candidate meets the limits on all {n_kinds} kinds of machine"
    if one is not None and cost is not None:
        sentence = (
            f"{one} for all {n_kinds} kinds of machine costs {format_quality(cost)} of utility on "
            "average"
        )
    if cheapest is None:
        return sentence
    price = f"{format_number(cheapest.price_per_month)} a month"
    if cheapest.price_per_1m is not None:
        price += f", {format_number(cheapest.price_per_1m)} a million predictions at full load"
    return f"{sentence}; the cheapest kind that meets the limits is {cheapest.kind} ({price})"
