"""Measure the winners again, and compare them with their stored figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from rightfit.api.candidate_measuring import RawTest, remeasure, trust_written
from rightfit.cli.export import read_winning_model
from rightfit.cli.stored_answers import read_answers, read_candidate_profiles
from rightfit.kedro_project.stored_results import StoredResults
from rightfit.measuring.serving import Serving, split_device
from rightfit.models.bundle import ONNX_ONLY
from rightfit.params.applications import ApplicationsParams
from rightfit.params.evaluation import EvaluationParams
from rightfit.params.grid import read_grid
from rightfit.ranking.explanation.answer import Answer
from rightfit.ranking.records.baseline import WATCH_KEY, Watch, compare_winners, make_baseline


def watch_winners(
    results: StoredResults, parameters: Mapping[str, object], *, margin_pct: float
) -> Watch:
    """Measure the winners again, compare with their stored figures, and keep what was found.

    Nothing is ranked: a machine that got slower would favour the candidates that are not measured
    again. Winners that another machine has measured, or that are imported, are left out and named.

    Raises:
        ValueError: If nothing was ranked yet, or there is no winner to measure here.
    """
    params = EvaluationParams.model_validate(parameters["evaluation"])
    applications = ApplicationsParams.model_validate(parameters["applications"])
    grid = read_grid(parameters)
    answers, left_out = [], []
    for answer in read_answers(results):
        winner = answer.decision.winner
        if winner is None or answer.application not in applications:
            continue
        _, elsewhere = split_device(winner.serving.device)
        if winner.model in grid.imported or elsewhere is not None:
            reason = "imported" if elsewhere is None else f"measured on {elsewhere}"
            subject = f"{answer.application} on {answer.dataset}"
            left_out.append(f"{winner.candidate}, {subject}: {reason}")
        else:
            answers.append(answer)
    if not answers:
        raise ValueError(
            "There is no winner to measure again: none qualifies for an application of the "
            "configuration, or all are imported or were measured on another machine."
        )
    by_dataset: dict[str, list[Answer]] = {}
    for answer in answers:
        by_dataset.setdefault(answer.dataset, []).append(answer)
    fresh = {
        dataset: _measure(results, params, of_dataset, grid.families)
        for dataset, of_dataset in by_dataset.items()
    }
    now = [
        replace(
            answer,
            profiles=read_candidate_profiles(
                fresh[answer.dataset], answer.dataset, answer.decision.subject
            ),
        )
        for answer in answers
    ]
    metrics = {name: application.needed_metrics() for name, application in applications.items()}
    watch = Watch(
        watched_at=datetime.now(UTC).isoformat(timespec="seconds"),
        ranked_in=answers[0].origin.ranked_in,
        winners=tuple(
            compare_winners(
                make_baseline(answers, metrics),
                make_baseline(now, metrics),
                applications,
                margin_pct=margin_pct,
                disturbed={
                    (answer.application, answer.dataset)
                    for answer in now
                    if answer.profile and answer.profile.disturbed
                },
            )
        ),
        left_out=tuple(left_out),
    )
    results.load_current("watches").put_record(WATCH_KEY, watch)
    return watch


def _measure(
    results: StoredResults,
    params: EvaluationParams,
    answers: Sequence[Answer],
    families: Mapping[str, str],
) -> pl.DataFrame:
    """Return fresh profiles of winners of a dataset."""
    models = {}
    servings: dict[str, list[Serving]] = {}
    for answer in answers:
        winner = answer.decision.winner
        if winner is not None:
            model = read_winning_model(results, answer)
            family = families.get(winner.model, ONNX_ONLY)  # a cascade is ONNX alone
            bundle = replace(model.bundle, family=family)
            bundle = trust_written(bundle, answer.dataset, results.load_current("studies"))
            models[winner.candidate] = replace(model, bundle=bundle)
            servings.setdefault(winner.candidate, []).append(winner.serving)
    dataset, measured_in = answers[0].dataset, answers[0].origin.measured_in
    test, rows, encoder = (
        results.load_newest(f"{dataset}.{kind}", at_most=measured_in)
        for kind in ("test", "rows", "encoder")
    )
    return remeasure(
        {name: model.bundle for name, model in models.items()},
        servings,
        test,
        next(iter(models.values())).data_card,
        raw=RawTest(rows.filter(part="test"), encoder.to_json()),
        measurements=results.load_current("measurements"),
        params=params,
    )
