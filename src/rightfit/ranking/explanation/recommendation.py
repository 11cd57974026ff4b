"""Recommendations: the winner per application and dataset in one sentence, or the nearest miss.

And what would change the winner, a sentence each, the smallest change first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
import polars as pl

from rightfit._core.formatting import (
    add_unit,
    count,
    format_duration,
    format_number,
    format_quality,
    format_share,
)
from rightfit._core.spelling import name_some
from rightfit._core.typed_tables import read_rows
from rightfit.measuring.naming import (
    describe_limit,
    format_metric,
    listing,
    metric_name,
    metric_unit,
    objective_name,
)
from rightfit.measuring.profile import Profile
from rightfit.ranking.application_ranking import ApplicationRanking, Winners
from rightfit.ranking.applications.applications import (
    S_PER_HOUR,
    THROUGHPUT,
    Application,
)
from rightfit.ranking.applications.constraints import measure_excess
from rightfit.ranking.applications.utility import Ints
from rightfit.ranking.assessment.assessment import Assessment, find_twins
from rightfit.ranking.assessment.profile_table import DISTURBED, ProfileKey
from rightfit.ranking.explanation.decisions import (
    P50,
    AcrossDatasets,
    Decision,
    Fleet,
    LimitOutcome,
    MetricChange,
    NearestMiss,
    NearestProfile,
    RankedCandidate,
    Recommendation,
    Recommendations,
    Relaxation,
    Replacement,
    Reversal,
    Segments,
    read_recommendations,
    write_values,
)
from rightfit.ranking.explanation.findings import Finding, find, name_subject, skip
from rightfit.ranking.explanation.rankings import (
    FamilyComparison,
    place_candidates,
    tabulate_robust_choices,
)
from rightfit.ranking.explanation.selection_bias import correct_winner
from rightfit.ranking.sensitivity.limit_effects import LimitEffect, list_limit_effects
from rightfit.ranking.sensitivity.weights import WeightInterval, find_weight_intervals

ARROW = "\N{RIGHTWARDS ARROW}"
MAX_FACTOR = 10  # a weight that must grow or shrink more tells nobody how sure the winner is
MOST_FEEDING = 0.5  # of the median latency
LEAST_GAIN = 0.02  # of the way from guessing to the best, below which a model is hardly worth it
FEW_ROWS_HALF_WIDTH = 0.02  # of the scaled quality: twice the default of practical equality
NO_SMALL_CHANGE = (
    "No single weight up to ten times as large or as small, and no single limit moved by {:g} %, "
    "changes"
)


def recommend(
    ranked: list[ApplicationRanking],
    *,
    imported: Collection[str] = (),
    segments: Mapping[str, Mapping[str, Segments]] = MappingProxyType({}),
    fleets: Mapping[str, Mapping[str, Fleet]] = MappingProxyType({}),
) -> Recommendations:
    """Recommend a candidate per application and dataset, and say what would change it.

    ``segments`` holds the winners per value of a column, ``fleets`` those on each kind of machine,
    by application and dataset.
    """
    recommendations = {}
    for ranking in ranked:
        assessment = ranking.assessment
        name, application = assessment.name, assessment.application
        rows = _RankedRows(ranking)
        effects = list_limit_effects(ranking)
        decisions: dict[str, Decision] = {
            dataset: _decide(
                rows,
                position,
                effects=[row for row in effects if row.dataset == dataset],
                imported=imported,
            ).model_copy(
                update={
                    "segments": segments.get(name, {}).get(dataset),
                    "fleet": fleets.get(name, {}).get(dataset),
                    "batch_sizes": application.batch_sizes,
                    "threshold": application.quality and application.quality.threshold,
                }
            )
            for position, dataset in enumerate(assessment.table.datasets)
        }
        families = read_rows(tabulate_robust_choices(rows.places), FamilyComparison)
        recommendations[name] = Recommendation(
            description=application.description or name.replace("_", " "),
            scenario=application.scenario,
            datasets=decisions,
            across_datasets=_compare_datasets(decisions, families),
        )
    return recommendations


def read_winners(document: object) -> Winners:
    """Read the winners of recommendations from plain JSON types.

    Raises:
        ValueError: If the document has another form; names the place.
    """
    return {
        name: {
            dataset: ProfileKey(winner.model, winner.candidate, winner.serving)
            for dataset, decision in recommendation.datasets.items()
            if (winner := decision.winner) is not None
        }
        for name, recommendation in read_recommendations(document).items()
    }


@dataclass(frozen=True)
class _RankedRows:
    """The candidates of a ranking, by number, as they are published."""

    ranked: ApplicationRanking

    @cached_property
    def places(self) -> pl.DataFrame:
        """The candidates' rows of the rankings table, with their profiles."""
        return place_candidates(self.ranked)[np.argsort(self.ranked.order)]

    def profile(self, number: int) -> Profile:
        """Return the profile that was chosen for a candidate."""
        return Profile.from_row(self.places.row(number, named=True))

    def candidate(self, number: int) -> RankedCandidate:
        """Return a candidate as it is published."""
        figures = {"metrics": self.profile(number).figures}
        return RankedCandidate(**self.places.row(number, named=True) | figures)

    def violations(self, number: int) -> list[LimitOutcome]:
        """Return the limits that a candidate breaks, or was not measured for."""
        return [limit for limit in judge_limits(self.ranked.assessment, number) if not limit.is_met]


def judge_limits(assessment: Assessment, number: int) -> list[LimitOutcome]:
    """Return how a candidate stands to each limit of its application."""
    table, row = assessment.table, int(assessment.chosen[number])
    scale = table.scale_of_quality(int(table.dataset_of_candidate[number]))
    outcomes = []
    for limit in assessment.judged_limits:
        bound, value, excess, relative = limit.read(number).values()
        metric, (low, high) = limit.metric, (None, None)
        if limit.kind != "max_degradation":  # else both are measured on the same rows
            raw = "quality_raw" if metric == "quality" and scale is not None else metric
            low, high = table.read_ends(raw, row)
        is_below_all = bound is not None and bound < 0  # the best may lose more than it has
        if metric == "quality" and scale is not None and not is_below_all:
            # told in the metric of the dataset
            metric, (factor, offset) = "quality_raw", scale
            bound, value = (
                None if figure is None else factor * figure + offset for figure in (bound, value)
            )
            if excess is not None and bound is not None:
                excess = abs(factor) * excess
                relative = excess / (abs(bound) or 1.0)
        outcomes.append(
            LimitOutcome(
                metric=metric,
                kind="max" if limit.kind == "max" else "min",
                bound=bound,
                value=value,
                excess=excess,
                relative=relative,
                low=low,
                high=high,
            )
        )
    return outcomes


def describe_deadline(assessment: Assessment, candidates: Ints) -> str:
    """Say how long the workload takes with the first candidate and with the one of best quality.

    The first one is named where it is no winner.

    Returns:
        A few words; empty if there is no workload, or no throughput of the first one or no quality
        is known.
    """
    workload, table = assessment.application.workload, assessment.table
    rows = assessment.chosen[candidates]
    rows_per_s, quality = table.values(THROUGHPUT)[rows], table.values("quality_raw")[rows]
    if workload is None or np.isnan(rows_per_s[0]) or np.isnan(quality).all():
        return ""
    best = int(np.nanargmax(quality))
    first_h, best_h = (
        workload.n_rows / float(rows_per_s[index]) / S_PER_HOUR for index in (0, best)
    )
    timed = table.frame[rows[:1]]
    first = "it" if assessment.feasible[candidates[0]] else timed["candidate"][0]
    sentence = f"{format_duration(workload.hours)}; {first} takes {format_duration(first_h)}"
    if quality[best] <= quality[0] or np.isnan(best_h):
        sentence += "; no candidate has a higher quality."
    else:
        timed = table.frame[rows[[0, best]]]
        sentence += f", {timed['candidate'][1]} (best quality) {format_duration(best_h)}"
        sentence += ": too late." if best_h > workload.hours else "."
    disturbed = timed.filter(DISTURBED)["candidate"].to_list()
    if disturbed:
        sentence += (
            f" The machine was disturbed while {listing(disturbed)} "
            f"{'was' if len(disturbed) == 1 else 'were'} timed: it may take less on a quiet one."
        )
    return sentence


def find_nearest_miss(ranked: ApplicationRanking, dataset: int) -> int | None:
    """Find the candidate that breaks its limits by the least share of them in sum.

    Returns:
        Its number; ``None`` if every candidate lacks a metric the application needs.
    """
    assessment = ranked.assessment
    candidates = ranked.order[assessment.table.candidate_slices[dataset]]
    excess = np.where(
        np.isnan(assessment.utility[candidates]),
        np.inf,
        assessment.judgement.excess[assessment.chosen[candidates]],
    )
    return int(candidates[excess.argmin()]) if np.isfinite(excess).any() else None


def find_relaxations(assessment: Assessment, dataset: int) -> NearestProfile | None:
    """Find the fewest limits to relax so that some profile of a dataset qualifies.

    Of several equally small sets, the one that is broken by the least.

    Returns:
        The profile that would qualify, with what to relax; ``None`` if every profile lacks a
        metric the application needs.
    """
    table, judgement = assessment.table, assessment.judgement
    judgeable = np.isfinite(judgement.excess) & ~np.isnan(judgement.utility)
    rows = np.flatnonzero(judgeable & (table.dataset_of_row == dataset))
    if not len(rows):
        return None
    limits = [limit.at(rows) for limit in assessment.limits]
    excess = np.array([measure_excess(table.values(limit.metric)[rows], limit) for limit in limits])
    nearest = int(np.lexsort((judgement.excess[rows], (excess > 0).sum(axis=0)))[0])
    relaxations = []
    for limit, amount in zip(limits, excess[:, nearest].tolist(), strict=True):
        if amount > 0:
            bound = assessment.application.constraints[limit.metric].limits()[limit.kind]
            value = float(table.values(limit.metric)[rows[nearest]])  # to the last digit
            needed = bound + amount if limit.kind == "max_degradation" else value
            relaxations.append(
                Relaxation(
                    metric=limit.metric,
                    kind=limit.kind,
                    limit=bound,
                    needed=needed,
                    excess=amount,
                )
            )
    profile = table.read_key(int(rows[nearest]))
    return NearestProfile(candidate=profile.candidate, serving=profile.serving, limits=relaxations)


def list_reversals(
    intervals: Iterable[WeightInterval],
    effects: Iterable[LimitEffect],
    *,
    leaders: Collection[str | None],
) -> list[Reversal]:
    """List what would change the winner of one application on one dataset.

    Weights that would have to grow or shrink more than tenfold are left out.

    Args:
        intervals: Its weight intervals on the dataset.
        effects: The effects of its limits on the dataset.
        leaders: The candidate that is recommended now and the one of the highest utility, which may
            be another one, practically equal: that one of them takes the lead is no change.
    """
    reversals = []
    for row in intervals:
        for leader, beyond, verb in (
            (row.leader_below, row.weight_low, "falls below"),
            (row.leader_above, row.weight_high, "exceeds"),
        ):
            if leader is None or beyond is None or leader in leaders:
                continue
            if not 1 / MAX_FACTOR <= beyond / row.weight <= MAX_FACTOR:
                continue
            reversals.append(
                Reversal(
                    kind="weight",
                    metric=row.metric,
                    now=row.weight,
                    beyond=beyond,
                    winner=leader,
                    change_pct=100 * (beyond / row.weight - 1),
                    sentence=f"{leader} has the highest utility once the weight of "
                    f"{objective_name(row.metric)} {verb} {format_number(beyond)} "
                    f"(now {format_number(row.weight)}).",
                )
            )
    for effect in effects:
        metric, kind, limit = effect.metric, effect.kind, effect.limit
        if metric is None or kind is None or limit is None or effect.changed_limit is None:
            continue  # removed, which is no small change
        if not effect.flips:
            continue
        other = effect.winner_changed
        outcome = f"{other} wins" if other else "no candidate qualifies"
        now = add_unit(format_number(limit), metric_unit(metric))
        reversals.append(
            Reversal(
                kind="limit",
                metric=metric,
                now=limit,
                beyond=effect.changed_limit,
                winner=other,
                change_pct=100 * (effect.changed_limit / limit - 1),
                sentence=f"With the limit {effect.change} to "
                f"{describe_limit(metric, kind, effect.changed_limit)} (now {now}), {outcome}.",
            )
        )
    return sorted(reversals, key=lambda reversal: abs(reversal.change_pct))


def _decide(
    rows: _RankedRows,
    dataset: int,
    *,
    effects: list[LimitEffect],
    imported: Collection[str],
) -> Decision:
    assessment = rows.ranked.assessment
    name = assessment.table.datasets[dataset]
    best_first = rows.ranked.order[assessment.table.candidate_slices[dataset]]
    candidates = best_first.tolist()
    feasible = [number for number in candidates if assessment.feasible[number]]
    winner, runner_up = ([rows.candidate(number) for number in feasible[:2]] + [None, None])[:2]
    outcomes, names = rows.places["outcome"], rows.places["candidate"]
    leaders = [winner.candidate] if winner else []
    if feasible:
        leaders.append(names[max(feasible, key=lambda number: assessment.utility[number])])
    intervals = find_weight_intervals(rows.ranked, dataset)
    reversals = list_reversals(intervals, effects, leaders=leaders)
    equal, open_ = (
        [names[number] for number in feasible[1:] if outcomes[number] == outcome]
        for outcome in ("equal", "open")
    )
    miss = None
    if not winner and (number := find_nearest_miss(rows.ranked, dataset)) is not None:
        miss = NearestMiss(**vars(rows.candidate(number)), violations=rows.violations(number))
        best_first = np.array([number, *best_first[best_first != number]])
    undecided = [
        rows.candidate(number).label for number in candidates if outcomes[number] == "undecided"
    ]
    not_known = _report_undecided(name, undecided, has_winner=bool(winner)) if undecided else ""
    otherwise = None
    if dataset in assessment.kept:
        otherwise = assessment.table.read_key(assessment.kept[dataset].otherwise)
    change_pct = assessment.rules.limit_change_pct
    if reversals:
        reversal = reversals[0].sentence
    elif winner:
        reversal = f"{NO_SMALL_CHANGE.format(change_pct)} the winner."
    else:
        reversal = f"No single limit moved by {change_pct:g} % lets a candidate qualify."
    corrected = correct_winner(rows.ranked, feasible[0]) if feasible else None
    held_out = rows.profile(feasible[0]).final_quality if feasible else None
    decision = Decision(
        outcome="winner" if winner else "undecided" if undecided else "none_qualifies",
        sentence=_word_decision(name, winner, not_known, miss, first=rows.candidate(candidates[0])),
        winner=winner,
        runner_up=runner_up,
        equal_to=equal,
        not_told_apart=open_,
        twins=_name_twins(assessment, feasible[0]) if feasible else [],
        corrected_quality=corrected and corrected[0],
        selection_bias=corrected and corrected[1],
        held_out_quality=held_out if held_out and held_out.value is not None else None,
        nearest_miss=miss,
        relax=None if winner or undecided else find_relaxations(assessment, dataset),
        reversals=reversals,
        reversal=reversal,
        deadline=describe_deadline(assessment, best_first),
        limits=judge_limits(assessment, feasible[0]) if feasible else [],
        replacements=[
            compare_with_winner(
                rows.candidate(number),
                winner,
                assessment.application,
                violations=rows.violations(number),
                is_equal=names[number] in equal,
            )
            for number in candidates
            if rows.places["model"][number] in imported
        ],
    )
    findings = check_decision(
        decision,
        name_subject(assessment.name, name),
        profile=rows.profile(candidates[0]),
        not_known=not_known,
        otherwise=otherwise,
    )
    return decision.model_copy(update={"findings": list(findings)})


def _name_twins(assessment: Assessment, number: int) -> list[str]:
    """Name the candidates that are the same graph as another one, with other weights."""
    names = assessment.table.frame["candidate"].gather(assessment.chosen)
    twins: list[str] = names.filter(find_twins(assessment, assessment.chosen[number])).to_list()
    return twins


def check_decision(
    decision: Decision,
    subject: str,
    *,
    profile: Profile,
    not_known: str,
    otherwise: ProfileKey | None,
) -> Iterator[Finding]:
    """Check a decision by every rule that needs no more than the ranking.

    Args:
        decision: The decision, without findings.
        subject: Its application and dataset.
        profile: The first candidate's profile.
        not_known: Which candidates disturbed timings leave open, in a sentence; empty: none.
        otherwise: Who would win without the earlier ranking; ``None``: the winner itself.
    """
    winner = decision.winner
    if winner is None:
        yield find(
            "RF003" if decision.outcome == "undecided" else "RF001", subject, decision.sentence
        )
        for code in ("RF002", "RF004", "RF008", "RF009"):
            yield skip(code, subject, "There is no winner.")
        return
    if profile.disturbed:
        yield find("RF002", subject, f"{winner.label} was disturbed while it was timed.")
    if not_known:
        yield find("RF003", subject, not_known)
    for limit in decision.limits:
        if limit.is_within_error:
            yield find("RF004", subject, f"{limit}, which is within its 95 % interval.")
    if not any(limit.has_interval for limit in decision.limits):
        yield skip("RF004", subject, "No limit is on a figure whose interval is known.")
    may_be_best = [] if decision.mark == "clear" else decision.not_told_apart
    for code, rivals, relation in (
        ("RF005", decision.equal_to, "is practically equal to"),
        ("RF006", may_be_best, "is not told apart from"),
    ):
        if rivals:
            yield find(code, subject, f"{winner.candidate} {relation} {name_some(rivals)}.")
    if profile.how and profile.how.unlike:
        yield find(
            "RF019",
            subject,
            f"{winner.candidate} is the same graph as {name_some(profile.how.unlike)}, with other "
            "weights, but their samples contradict each other: each has its own figures.",
        )
    feeding_ms, whole_ms = winner.feeding_ms, profile.latency_p50_ms.value
    if feeding_ms is not None and whole_ms and feeding_ms > MOST_FEEDING * whole_ms:
        yield find(
            "RF020",
            subject,
            f"Feeding takes {format_share(min(1.0, feeding_ms / whole_ms))} of the median latency "
            f"of {winner.candidate}.",
        )
    if otherwise:
        yield find(
            "RF007",
            subject,
            f"The winner of the last run stands; {otherwise.candidate} "
            f"({otherwise.serving.label}), practically equal, would be chosen otherwise.",
        )
    settings = winner.settings
    if settings is None or not settings.searched:
        yield skip("RF008", subject, f"No setting of {winner.candidate} was searched.")
    elif settings.at_edge:
        values = write_values({key: settings.searched[key] for key in settings.at_edge})
        yield find("RF008", subject, f"Settings at an end of their range: {values}.")
    yield from _check_quality(winner, subject)


def _check_quality(winner: RankedCandidate, subject: str) -> Iterator[Finding]:
    scaled = winner.metrics["quality"]
    low, high = scaled.low, scaled.high
    if low is None or high is None:
        yield skip("RF009", subject, "The interval of the quality is not known.")
    elif high - low > 2 * FEW_ROWS_HALF_WIDTH and winner.quality:
        yield find("RF009", subject, f"The 95 % interval is wide: {winner.quality}.")
    if scaled.value is None or not winner.quality:
        return
    if (is_weak := scaled < LEAST_GAIN) or (low is not None and low <= 0):
        compares = "is hardly" if is_weak else "may not be"
        yield find(
            "RF013",
            subject,
            f"{winner.candidate} {compares} better than guessing: {winner.quality}.",
        )


def _word_decision(
    dataset: str,
    winner: RankedCandidate | None,
    not_known: str,
    miss: NearestMiss | None,
    *,
    first: RankedCandidate,
) -> str:
    if winner:
        return f"{winner.label} fits {dataset} best: {winner.reason}."
    if not_known:
        return not_known
    if miss:
        return f"No candidate qualifies for {dataset}. The nearest, {miss.label}, {miss.reason}."
    return (
        f"No candidate qualifies for {dataset}: each lacks a measurement the application needs. "
        f"{first.label}: {first.reason}."
    )


def _report_undecided(dataset: str, labels: list[str], *, has_winner: bool) -> str:
    """Say what is not known, as other work disturbed the timing of some candidates."""
    names = labels if len(labels) <= 3 else [*labels[:2], f"{len(labels) - 2} others"]
    are, they, were = ("is", "it", "was") if len(names) == 1 else ("are", "they", "were")
    if has_winner:
        return (
            f"It is not known whether {listing(names)} {are} better: other work disturbed the "
            f"machine while {they} {were} timed. Measure again on a quiet machine."
        )
    return (
        f"It is not known whether a candidate qualifies for {dataset}: other work disturbed the "
        f"machine while {listing(names)} {were} timed. Measure again on a quiet machine."
    )


def _compare_datasets(
    decisions: Mapping[str, Decision], families: list[FamilyComparison]
) -> AcrossDatasets:
    won_by = {
        dataset: decision.winner.model if decision.winner else None
        for dataset, decision in decisions.items()
    }
    choice = next((family for family in families if family.is_robust_choice), None)
    n_families = len({family for family in won_by.values() if family})
    sentence = "No family qualifies on any dataset."
    if choice is not None:
        start = "One family wins on every dataset"
        if n_families > 1:
            start = "The winning family differs between datasets"
        elif None in won_by.values():
            start = f"{start} that has a winner"
        sentence = (
            f"{start}; the robust choice is {choice.model}: it qualifies on {choice.n_feasible} of "
            f"{count(choice.n_datasets, 'dataset')}, with mean rank {choice.mean_rank:.3g} and "
            f"worst rank {choice.worst_rank} among the families."
        )
    return AcrossDatasets(
        winning_family=won_by,
        winner_changes=n_families > 1,
        robust_choice=choice.model if choice else None,
        mean_rank=choice.mean_rank if choice else None,
        worst_rank=choice.worst_rank if choice else None,
        sentence=sentence,
    )


def compare_with_winner(
    incumbent: RankedCandidate,
    winner: RankedCandidate | None,
    application: Application,
    *,
    violations: Sequence[LimitOutcome],
    is_equal: bool,
) -> Replacement:
    """Compare an imported model with the winner."""
    is_winner = winner is not None and winner.candidate == incumbent.candidate
    metrics = [
        "quality_raw" if metric == "quality" else metric for metric in application.needed_metrics()
    ]
    changes = [
        MetricChange(
            metric=metric,
            now=incumbent.metrics[metric].value,
            then=winner.metrics[metric].value,
        )
        for metric in dict.fromkeys(metrics)
        if winner is not None and not is_winner
        if metric in incumbent.metrics and metric in winner.metrics
    ]
    breaks = sorted(
        {metric_name(violation.metric) for violation in violations if violation.value is not None}
    )
    unknown = sorted(
        {metric_name(violation.metric) for violation in violations if violation.value is None}
    )
    name = incumbent.candidate
    fault = f" {name} breaks the application's limit on {listing(breaks)}." if breaks else ""
    fault += f" {name} lacks a measurement of {listing(unknown)}." if unknown else ""
    gain = None
    if winner is None:
        sentence = f"{incumbent.label}, imported, is not to be replaced: none qualifies.{fault}"
    else:
        if winner.utility is not None and incumbent.utility is not None:
            gain = winner.utility - incumbent.utility
        figures = [
            f"utility {format_quality(incumbent.utility)} {ARROW} {format_quality(winner.utility)}",
            *(
                f"{metric_name(change.metric)} {format_metric(change.metric, change.now)} {ARROW} "
                f"{format_metric(change.metric, change.then)}"
                for change in changes
            ),
        ]
        equal = " The two are practically equal." if is_equal else ""
        sentence = (
            f"{incumbent.label}, imported, fits best: there is nothing to gain by changing."
            if is_winner
            else f"{describe_kept(incumbent, winner)}Changing from {incumbent.label}, imported, to "
            f"{winner.label}: {listing(figures)}.{equal}{fault}"
        )
    return Replacement(
        incumbent=incumbent,
        violations=list(violations),
        utility_gain=gain,
        is_equal=is_equal,
        changes=changes,
        sentence=sentence,
    )


def describe_kept(incumbent: RankedCandidate, winner: RankedCandidate) -> str:
    """Say what a winner keeps of an imported model's quality, and at which part of its latency.

    Returns:
        A sentence and a space; empty where quality or latency of one of them is not known.
    """
    kept, whole = winner.quality, incumbent.quality
    now, then = (row.metrics[P50].value for row in (incumbent, winner))
    if kept is None or whole is None or not now or not then:
        return ""
    figures = [format_quality(kept.value), format_quality(whole.value)]
    if min(kept, whole) > 0:
        share = f"keeps {100 * float(kept) / float(whole):.1f} % of {incumbent.candidate}'s"
        quality = f"{share} {kept.name} ({' of '.join(figures)})"
    else:  # a loss, or worse than guessing: no share of anything
        quality = f"has {kept.name} {' for '.join(figures)}"
    ratio = now / then
    cost = f"1/{format_number(ratio)} of" if ratio > 1 else f"{format_number(1 / ratio)} times"
    return f"{winner.candidate} {quality} at {cost} its {metric_name('latency_p50_ms')}. "
