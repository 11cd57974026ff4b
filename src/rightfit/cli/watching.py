"""Measure the winners again, and compare them with their stored figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from rightfit.api.candidate_measuring import (
    RawTest,
    Release,
    Remeasured,
    remeasure,
    trust_written,
)
from rightfit.cli.export import read_winning_model
from rightfit.cli.stored_answers import read_answers
from rightfit.kedro_project.stored_results import StoredResults
from rightfit.measuring.profiles.measured import Measured, compare_in_blocks
from rightfit.measuring.serving import Serving, split_device
from rightfit.models.bundle import ONNX_ONLY
from rightfit.params.applications import ApplicationsParams
from rightfit.params.evaluation import EvaluationParams
from rightfit.params.grid import Grid, read_grid
from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.explanation.answer import Answer, read_candidate_profiles
from rightfit.ranking.records.baseline import (
    WATCH_KEY,
    Watch,
    compare_winners,
    make_baseline,
    tell_ratios,
)

WinnersMeasured = dict[tuple[str, str], Measured]  # by application and dataset


def watch_winners(
    results: StoredResults,
    parameters: Mapping[str, object],
    *,
    margin_pct: float,
    before: str | None = None,
) -> Watch:
    """Measure the winners again, compare with their stored figures, and keep what was found.

    Nothing is ranked: a machine that got slower would favour the candidates that are not measured
    again. Winners that another machine has measured, or that are imported, are left out and named.

    Args:
        results: The stored results.
        parameters: Those of the project, the library's values included.
        margin_pct: Change of a metric that counts, in percent.
        before: Version of an earlier ranking, whose winners are timed beside those of today and
            compared with them; ``None``: the stored figures are compared.

    Raises:
        ValueError: If nothing was ranked yet, or there is no winner to measure here.
    """
    params = EvaluationParams.model_validate(parameters["evaluation"])
    applications = ApplicationsParams.model_validate(parameters["applications"])
    grid = read_grid(parameters)
    ranked = list(read_answers(results))
    left_out: dict[tuple[str, str], str] = {}
    answers = list(_select(ranked, applications, grid, left_out))
    if not answers:
        raise ValueError(
            "There is no winner to measure again: none qualifies for an application of the "
            "configuration, or all are imported or were measured on another machine."
        )
    earlier, lost = [], []
    if before is not None:
        selected = _select(read_answers(results, ranked_in=before), applications, grid, left_out)
        earlier = [one for one in selected if (one.application, one.dataset) not in left_out]
        lost = [one for one in ranked if one.decision.winner is None]
    now: list[Answer] = []
    beside: list[Answer] = []
    measured: tuple[WinnersMeasured, WinnersMeasured] = ({}, {})  # now, and beside it
    for dataset in dict.fromkeys(answer.dataset for answer in (*answers, *earlier)):
        its, rivals = (
            [one for one in listed if one.dataset == dataset] for listed in (answers, earlier)
        )
        if not its:  # it has no winner any more, which is told without measuring
            beside += rivals
            continue
        releases = [its, rivals] if rivals else [its]
        remeasured = _measure(results, params, releases, grid)
        for listed, again, by_winner, release in zip(
            releases, (now, beside), measured, remeasured, strict=False
        ):
            for one in listed:
                profiles = read_candidate_profiles(release.profiles, dataset, one.decision)
                again.append(replace(one, profiles=profiles))
                if (winner := one.decision.winner) is not None:
                    key = (winner.candidate, winner.serving)
                    by_winner[one.application, dataset] = release.measured[key]
    metrics = {name: application.needed_metrics() for name, application in applications.items()}
    expected = make_baseline(answers if before is None else earlier, metrics)
    present = make_baseline([*now, *lost], metrics)
    for application, datasets in make_baseline(beside, metrics).winners.items():
        for dataset, old in datasets.items():
            stored = expected.winners[application][dataset]
            if old is None or stored is None:
                continue
            figures = stored.metrics | old.metrics  # what fails now is told by its loss
            new = present.winners.get(application, {}).get(dataset)
            if new is not None:
                pair = (by_winner[application, dataset] for by_winner in measured)
                ratios = compare_in_blocks(*pair)
                told_now, told_before = tell_ratios(new.metrics, figures, ratios)
                present.winners[application][dataset] = new.model_copy(update={"metrics": told_now})
                figures = told_before
            expected.winners[application][dataset] = old.model_copy(update={"metrics": figures})
    watch = Watch(
        watched_at=datetime.now(UTC).isoformat(timespec="seconds"),
        ranked_in=now[0].origin.ranked_in,
        winners=tuple(
            compare_winners(
                expected,
                present,
                applications,
                margin_pct=margin_pct,
                disturbed={
                    (answer.application, answer.dataset)
                    for answer in now
                    if answer.profile and answer.profile.disturbed
                },
            )
        ),
        left_out=tuple(left_out.values()),
    )
    results.load_current("watches").put_record(WATCH_KEY, watch)
    return watch


def _select(
    answers: Iterable[Answer],
    applications: Applications,
    grid: Grid,
    left_out: dict[tuple[str, str], str],
) -> Iterator[Answer]:
    """Yield the answers whose winner can be measured here; why not the others is added."""
    for answer in answers:
        winner = answer.decision.winner
        if winner is None or answer.application not in applications:
            continue
        _, elsewhere = split_device(winner.serving.device)
        if winner.model in grid.imported or elsewhere is not None:
            reason = "imported" if elsewhere is None else f"measured on {elsewhere}"
            subject = f"{answer.application} on {answer.dataset}"
            left_out[answer.application, answer.dataset] = (
                f"{winner.candidate}, {subject}: {reason}"
            )
        else:
            yield answer


def _measure(
    results: StoredResults,
    params: EvaluationParams,
    rankings: Sequence[Sequence[Answer]],
    grid: Grid,
) -> list[Remeasured]:
    """Measure the winners of a dataset again, those of some rankings beside each other."""
    dataset, measured_in = rankings[0][0].dataset, rankings[0][0].origin.measured_in
    rows, data_card = (
        results.load_newest(f"{dataset}.{kind}", at_most=measured_in)
        for kind in ("rows", "data_card")
    )
    test = rows.filter(part="test")
    releases = []
    for answers in rankings:
        bundles = {}
        servings: dict[str, list[Serving]] = {}
        for answer in answers:
            winner = answer.decision.winner
            if winner is not None:
                bundle = read_winning_model(results, answer).bundle
                family = grid.families.get(winner.model, ONNX_ONLY)  # a cascade is ONNX alone
                bundle = replace(bundle, family=family)
                bundle = trust_written(bundle, dataset, results.load_current("studies"))
                bundles[winner.candidate] = bundle
                servings.setdefault(winner.candidate, []).append(winner.serving)
        origin = answers[0].origin
        encoder = results.load_newest(f"{dataset}.encoder", at_most=origin.measured_in)
        raw = RawTest(test, encoder.to_json())
        releases.append(Release(bundles, servings, raw, origin.ranked_in))
    return remeasure(
        releases,
        test["label"],
        data_card,
        measurements=results.load_current("measurements"),
        params=params,
    )
