"""Ranking: the candidates of each dataset in order, with bounds for the measuring errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from rightfit.ranking.applications.applications import (
    UTILITY,
    Applications,
    Constraint,
    RankingRules,
)
from rightfit.ranking.applications.constraints import meets
from rightfit.ranking.applications.utility import Bools, Floats, Ints, place_between_bounds
from rightfit.ranking.assessment.assessment import (
    Assessment,
    Incumbent,
    assess_candidates,
)
from rightfit.ranking.assessment.configurations import (
    is_practically_equal,
    orient,
    tie_preference,
)
from rightfit.ranking.assessment.pareto import find_pareto_front
from rightfit.ranking.assessment.profile_table import ProfileKey, ProfileTable
from rightfit.ranking.uncertainty.selection_probability import simulate
from rightfit.ranking.uncertainty.spread import bound_utilities

DatasetWinners = Mapping[str, ProfileKey]  # an application's, by dataset
Winners = Mapping[str, DatasetWinners]  # by application
NO_WINNERS: Winners = {}


@dataclass(frozen=True)
class ApplicationRanking:
    """An application's ranking. Arrays have the shape (n_candidates,), numbered as in the table.

    Args:
        assessment: The candidates as one application sees them.
        order: Candidate numbers, dataset after dataset, best first.
        rank: 1 for the first of its dataset.
        may_be_best: The best of its dataset within the measuring errors.
        utility_low: Lower end of the utility's interval.
        utility_high: Its upper end.
        p_best: Probability that it is feasible, and no other feasible one is better by more than
            ``equal_within``.
        pareto: On the front of the feasible candidates in the application's objectives.
    """

    assessment: Assessment
    order: Ints
    rank: Ints
    may_be_best: Bools
    utility_low: Floats
    utility_high: Floats
    p_best: Floats
    pareto: Bools

    def winner(self, dataset: str) -> ProfileKey | None:
        """Return the profile that is recommended on a dataset; ``None``: none qualifies."""
        table = self.assessment.table
        row = find_winning_rows(self.assessment, self.order)[table.datasets.index(dataset)]
        return None if row is None else table.read_key(row)


def rank_applications(
    table: ProfileTable,
    applications: Applications,
    rules: RankingRules,
    earlier: Winners = NO_WINNERS,
    judged: Mapping[str, ProfileTable] = MappingProxyType({}),
) -> list[ApplicationRanking]:
    """Rank all candidates, dataset by dataset, for every application in the YAML's order.

    Args:
        table: Their profiles.
        applications: What is asked for.
        rules: Rules of ranking.
        earlier: Winners of an earlier ranking, by application.
        judged: The profiles with another quality, of the applications that have a metric of theirs.
    """
    return [
        rank_application(
            assess_candidates(judged.get(name, table), name, application, rules),
            earlier.get(name, {}),
        )
        for name, application in applications.items()
    ]


def rank_application(assessment: Assessment, earlier: DatasetWinners) -> ApplicationRanking:
    """Rank assessed candidates, dataset by dataset, after an earlier ranking with its winners."""
    assessment = keep_winners(assessment, earlier)
    order, rules = order_candidates(assessment), assessment.rules
    low, high = bound_utilities(assessment, rules.confidence_level)
    rank = np.empty(len(order), dtype=np.int64)
    may_be_best: Bools = np.zeros(len(assessment.chosen), dtype=np.bool_)
    p_best: Floats = np.zeros(len(assessment.chosen))
    pareto: Bools = np.zeros(len(assessment.chosen), dtype=np.bool_)
    for position, part in enumerate(assessment.table.candidate_slices):
        rank[order[part]] = np.arange(1, part.stop - part.start + 1)
        candidates = find_possible_winners(assessment, low, high, part)
        rng = np.random.default_rng([rules.seed, position])
        simulated = simulate(assessment, candidates, n_draws=rules.n_draws, rng=rng)
        p_best[candidates] = simulated.p_best
        may_be_best[candidates] = simulated.find_possible_best(
            assessment.utility[candidates], rules.confidence_level
        )
        candidates = part.start + np.flatnonzero(assessment.feasible[part])
        pareto[candidates] = find_pareto_front(place_in_objectives(assessment, candidates))
    return ApplicationRanking(
        assessment=assessment,
        order=order,
        rank=rank,
        may_be_best=may_be_best,
        utility_low=low,
        utility_high=high,
        p_best=p_best,
        pareto=pareto,
    )


def keep_winners(assessment: Assessment, earlier: DatasetWinners) -> Assessment:
    """Let earlier winners stand that are feasible and closer to the best than ``prefer_within``.

    Returns:
        The assessment, in which they have their earlier serving configurations, where these may
        still be chosen.
    """
    table = assessment.table
    if not assessment.rules.keep_winner or not earlier:
        return assessment
    firsts = find_winning_rows(assessment, order_candidates(assessment))
    chosen, incumbents = assessment.chosen.copy(), {}
    utility, within = assessment.judgement.utility, assessment.rules.prefer_within
    for position, (dataset, first) in enumerate(zip(table.datasets, firsts, strict=True)):
        row = table.find_row(dataset, earlier[dataset]) if dataset in earlier else None
        if row is not None and not assessment.choice.is_allowed[row]:
            row = int(chosen[table.candidate_of_row[row]])
        if row is None or first is None or not assessment.judgement.feasible[row] or row == first:
            continue
        part = table.candidate_slices[position]
        highest = assessment.utility[part][assessment.feasible[part]].max()
        if is_practically_equal(utility[row], highest, within):
            candidate = int(table.candidate_of_row[row])
            chosen[candidate] = row
            incumbents[position] = Incumbent(candidate, otherwise=first)
    return replace(assessment, chosen=chosen, kept=incumbents) if incumbents else assessment


def find_winning_rows(assessment: Assessment, order: Ints) -> list[int | None]:
    """Return the row of each dataset's winner by the order of all; ``None``: none qualifies."""
    firsts = [int(order[part.start]) for part in assessment.table.candidate_slices]
    return [
        int(assessment.chosen[candidate]) if assessment.feasible[candidate] else None
        for candidate in firsts
    ]


def list_winner_keys(ranked: ApplicationRanking) -> DatasetWinners:
    """Return the winners by dataset, where there is one, for a later ranking to keep."""
    winners = {dataset: ranked.winner(dataset) for dataset in ranked.assessment.table.datasets}
    return {dataset: key for dataset, key in winners.items() if key is not None}


def change_limits(
    assessment: Assessment, constraints: Mapping[str, Constraint]
) -> tuple[Assessment, list[int | None]]:
    """Assess the candidates again under other limits, without an earlier ranking.

    Returns:
        The assessment and the row of each dataset's winner. A winner that is kept now stands where
        the limits allow it and do not change who would win otherwise.
    """
    application = assessment.application.model_copy(update={"constraints": dict(constraints)})
    other = assess_candidates(assessment.table, assessment.name, application, assessment.rules)
    winners = find_winning_rows(other, order_candidates(other))
    for position, incumbent in assessment.kept.items():
        row = int(assessment.chosen[incumbent.candidate])
        if winners[position] == incumbent.otherwise and other.judgement.feasible[row]:
            winners[position] = row
    return other, winners


def order_candidates(assessment: Assessment) -> Ints:
    """Order candidates within their datasets, best first: by utility, feasible ones first.

    Among those closer to the best than ``prefer_within`` the tie rule chooses the first one, unless
    an earlier winner stands.

    Returns:
        Candidate numbers, shape (n_candidates,): dataset after dataset.
    """
    order = _order_by_utility(assessment)
    for position, part in enumerate(assessment.table.candidate_slices):
        candidates = order[part]
        if position in assessment.kept:
            (winner,) = np.flatnonzero(candidates == assessment.kept[position].candidate)
        else:
            (winner,) = choose_winners(
                assessment,
                candidates,
                assessment.utility[None, candidates],
                assessment.feasible[candidates],
            )
        if winner > 0:
            order[part] = [candidates[winner], *np.delete(candidates, winner)]
    return order


def find_near_best(assessment: Assessment, part: slice, within: float) -> Bools:
    """Tell which candidates of a dataset are feasible and less than ``within`` below the best."""
    utility, feasible = assessment.utility[part], assessment.feasible[part]
    reached = np.where(feasible, utility, -np.inf)
    return feasible & is_practically_equal(reached, reached.max(initial=-np.inf), within)


def _order_by_utility(assessment: Assessment) -> Ints:
    """Order candidates by feasibility and utility; of exactly equal ones the tie rule decides."""
    level = np.where(assessment.feasible, assessment.utility, assessment.utility - 2.0)
    level = np.nan_to_num(level, nan=-4.0)
    order = np.concatenate(
        [part.start + np.argsort(-level[part]) for part in assessment.table.candidate_slices]
    )
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (np.diff(level[order]) != 0) | (
        np.diff(assessment.table.dataset_of_candidate[order]) != 0
    )
    run = np.cumsum(new)  # of equal ones
    equal = np.flatnonzero(np.bincount(run)[run] > 1)
    if len(equal):
        candidates = order[equal]
        rows = assessment.chosen[candidates]
        keys = [
            -tie_preference(assessment.table, key, rows)
            for key in assessment.tie_rule
            if key.by != UTILITY
        ]
        order[equal] = candidates[np.lexsort((candidates, *reversed(keys), run[equal]))]
    return order


def choose_winners(
    assessment: Assessment,
    candidates: Ints,
    utility: Floats,
    allowed: Bools,
    measured: Mapping[str, Floats] = MappingProxyType({}),
) -> Ints:
    """Choose the winner among candidates by the tie rule, once for each of several measurements.

    Args:
        assessment: The candidates.
        candidates: Numbers of those of one dataset.
        utility: As measured, shape (n_measurements, n_candidates).
        allowed: Whether each is feasible, of a shape that goes with ``utility``.
        measured: Values of the metrics that differ between the measurements, of the same shape.

    Returns:
        Positions in ``candidates``, of equal ones the first; -1 where none is allowed.
    """
    reached = np.where(allowed, utility, -np.inf)
    highest = reached.max(axis=1, keepdims=True)
    tied = allowed & is_practically_equal(utility, highest, assessment.rules.prefer_within)
    several = {UTILITY: utility, **measured}
    for key in assessment.tie_rule:
        if key.by in several:
            preference = orient(several[key.by], key)
        else:
            preference = tie_preference(assessment.table, key, assessment.chosen[candidates])
        among = np.where(tied, preference, -np.inf)
        tied &= among == among.max(axis=1, keepdims=True)
    return np.where(tied.any(axis=1), tied.argmax(axis=1), -1)


def place_in_objectives(assessment: Assessment, candidates: Ints) -> Floats:
    """Return where candidates lie between each objective's bounds, unclipped.

    Returns:
        Shape (n_candidates, n_objectives), higher is better.
    """
    rows = assessment.chosen[candidates]
    return np.column_stack(
        [
            place_between_bounds(assessment.table.values(metric)[rows], goal)
            for metric, goal in assessment.application.weighted().items()
        ]
    )


def find_possible_winners(assessment: Assessment, low: Floats, high: Floats, part: slice) -> Ints:
    """Find the candidates that may be practically the best, even if all err by twice as much.

    Args:
        assessment: All candidates.
        low: Lower ends of their utilities.
        high: Upper ends.
        part: Those of the dataset.

    Returns:
        Their numbers; the others are not worth a simulation.
    """
    table, rows = assessment.table, assessment.chosen[part]
    may_qualify, surely_qualifies = np.ones((2, len(rows)), dtype=np.bool_)
    for limit in assessment.limits:
        values = table.values(limit.metric)
        ends = table.interval(limit.metric) or (values, values)
        # the best, to which a degradation relates, errs as well
        factor = 4 if limit.kind == "max_degradation" else 2
        worst, best = (
            meets(limit.at(rows), (values + factor * np.nan_to_num(end - values))[rows])
            for end in (ends if limit.is_floor else ends[::-1])
        )
        may_qualify, surely_qualifies = may_qualify & best, surely_qualifies & worst
    lowest, highest = ((2 * end - assessment.utility)[part] for end in (low, high))
    least = (
        np.fmax.reduce(lowest[surely_qualifies], initial=-np.inf) - assessment.rules.equal_within
    )
    numbers: Ints = part.start + np.flatnonzero(may_qualify & (highest >= least))
    return numbers
