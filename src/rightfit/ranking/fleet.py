"""A fleet: the kinds of machine that candidates were measured on, and what one model for all costs.

Each kind is ranked by its own figures alone, an application's limits included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rightfit._core.formatting import format_number, format_quality
from rightfit.measuring.profile import Profile
from rightfit.measuring.serving import THIS_MACHINE
from rightfit.ranking.application_ranking import ApplicationRanking, order_candidates
from rightfit.ranking.applications.applications import (
    S_PER_HOUR,
    THROUGHPUT,
    RankingRules,
)
from rightfit.ranking.assessment.assessment import Assessment, assess_candidates
from rightfit.ranking.assessment.profile_table import ProfileTable, select_profiles
from rightfit.ranking.explanation.decisions import Fleet, FleetMember
from rightfit.ranking.explanation.recommendation import judge_limits

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
    kinds = dict.fromkeys(
        [*(kind or THIS_MACHINE for kind in table.environments), *rules.environments]
    )
    if len(kinds) < 2 or application.environment is not None:
        return {}
    assessed = {THIS_MACHINE: ranking.assessment} | {  # a winner that is kept stands here, too
        kind: assess_candidates(table, name, on_kind, rules)
        for kind in table.environments
        if kind is not None
        and select_profiles(
            table, on_kind := application.model_copy(update={"environment": kind})
        ).n_rows
    }
    return {
        dataset: _compare({kind: assessed.get(kind) for kind in kinds}, dataset, rules)
        for dataset in ranking.assessment.table.datasets
    }


def _compare(assessed: Mapping[str, Assessment | None], dataset: str, rules: RankingRules) -> Fleet:
    members, utilities = [], {}
    for kind, assessment in assessed.items():
        if assessment is None or dataset not in assessment.table.datasets:
            members.append(FleetMember(kind=kind, is_measured=False))
            continue
        position = assessment.table.datasets.index(dataset)
        part = assessment.table.candidate_slices[position]
        first = int(order_candidates(assessment)[part.start])
        members.append(_describe(kind, assessment, first, rules))
        utilities[kind] = {
            assessment.table.read_key(int(assessment.chosen[number])).candidate: float(
                assessment.utility[number]
            )
            for number in range(part.start, part.stop)
            if assessment.feasible[number]
        }
    winners = {member.candidate for member in members if member.is_measured}
    one, cost = _find_one_for_all(list(utilities.values()))
    if one is not None and len(winners) == 1:  # though another may be a little better somewhere
        (one,), cost = winners, 0.0
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


def _describe(kind: str, assessment: Assessment, first: int, rules: RankingRules) -> FleetMember:
    price_per_hour = rules.environments[kind].price_per_hour if kind in rules.environments else None
    month = None if price_per_hour is None else price_per_hour * HOURS_PER_MONTH
    table, row = assessment.table, int(assessment.chosen[first])
    key = table.read_key(row)
    path = key.serving.request_path
    if not assessment.feasible[first]:
        return FleetMember(kind=kind, request_path=path, price_per_month=month)
    rate = float(table.values(THROUGHPUT)[row]) if THROUGHPUT in table.frame.columns else np.nan
    figures = Profile.from_row(table.frame.row(row, named=True)).figures
    needed = {"quality_raw", *assessment.application.needed_metrics()}
    has_price = price_per_hour is not None and rate > 0
    return FleetMember(
        kind=kind,
        request_path=path,
        model=key.model,
        candidate=key.candidate,
        serving=key.serving,
        utility=float(assessment.judgement.utility[row]),
        metrics={name: figure for name, figure in figures.items() if name in needed},
        limits=judge_limits(assessment, first),
        price_per_month=month,
        price_per_1m=(price_per_hour or 0.0) / S_PER_HOUR / rate * ROWS if has_price else None,
    )


def _find_one_for_all(utilities: Sequence[Utilities]) -> tuple[str | None, float | None]:
    """Find the candidate that is feasible on all kinds and of the highest mean utility.

    Returns:
        Its name, and by how much that mean is below the one of each kind's best; ``None`` twice
        where no candidate is feasible on all, or there is a single kind.
    """
    common = set.intersection(*map(set, utilities))
    if not common or len(utilities) == 1:
        return None, None
    means = {name: float(np.mean([one[name] for one in utilities])) for name in sorted(common)}
    best = max(means, key=lambda name: means[name])
    return best, float(np.mean([max(one.values()) for one in utilities])) - means[best]


def _word(one: str | None, cost: float | None, n_kinds: int, cheapest: FleetMember | None) -> str:
    sentence = f"no candidate meets the limits on all {n_kinds} kinds of machine"
    if n_kinds == 1:
        sentence = "a single kind of machine was measured"
    elif one is not None and not cost:
        sentence = f"{one} wins on all {n_kinds} kinds of machine"
    elif one is not None:
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
