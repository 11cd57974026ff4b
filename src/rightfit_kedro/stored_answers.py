"""Read answers from stored results."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from rightfit._core.errors import RightfitError
from rightfit._core.spelling import suggest
from rightfit.measuring.hardware.environment import Environment
from rightfit.ranking.explanation.answer import Answer, Origin, read_candidate_profiles
from rightfit.ranking.explanation.decisions import (
    Recommendation,
    Recommendations,
    read_recommendations,
)
from rightfit.ranking.records.load_records import LoadCurves
from rightfit_kedro.stored_results import StoredResults


def read_answers(
    results: StoredResults,
    application: str | None = None,
    dataset: str | None = None,
) -> Iterator[Answer]:
    """Read the last ranking's answers.

    Args:
        results: The stored results.
        application: One application; ``None``: all of them.
        dataset: One dataset; ``None``: all that were ranked for the application.

    Raises:
        ValueError: If nothing was ranked yet, or not this application or dataset.
    """
    ranked_in, recommendations = load_recommendations(results)
    if application is not None:
        require_ranked("application", application, recommendations)
        recommendations = {application: recommendations[application]}
    cases: list[tuple[str, Recommendation, str]] = []
    for name, recommendation in recommendations.items():
        if dataset is not None:
            require_ranked("dataset", dataset, recommendation.datasets)
        cases += [
            (name, recommendation, dataset_name)
            for dataset_name in recommendation.datasets
            if dataset in (None, dataset_name)
        ]
    measured_in = results.find_version("resource_profiles", at_most=ranked_in)
    newest = results.find_version("resource_profiles")
    profiles = results.load("resource_profiles", measured_in)
    with results.reading("resource_profiles", measured_in):
        measured_on = set(profiles["environment_id"])
    versions = results.list_versions("environment")
    early = [version for version in versions if version <= measured_in]
    environment: Environment | None = None  # of the profiles; a later run may have made it anew
    for version in (*reversed(early), *versions[len(early) :]):
        stored: Environment = results.load("environment", version)
        if version <= measured_in or stored.environment_id in measured_on:
            environment = stored
            break
    origin = Origin(
        ranked_in=ranked_in,
        measured_in=measured_in,
        newer_profiles=newest if newest > ranked_in else None,
        environment=environment,
    )
    loads = read_loads(results)
    for name, recommendation, dataset_name in cases:
        decision = recommendation.datasets[dataset_name]
        load_finding = loads.check_decision(name, dataset_name, decision)
        with results.reading("resource_profiles", measured_in):
            selected = read_candidate_profiles(profiles, dataset_name, decision)
        yield Answer(
            application=name,
            dataset=dataset_name,
            purpose=recommendation.description,
            decision=decision,
            profiles=selected,
            origin=origin,
            load_findings=(load_finding,) if load_finding else (),
        )


def require_ranked(kind: str, name: str, ranked: Collection[str]) -> None:
    """Refuse an application or dataset that was not ranked.

    Raises:
        RightfitError: Naming those that were.
    """
    if name in ranked:
        return
    raise RightfitError(
        f"The last ranking has no {kind} {name!r}{suggest(name, ranked)}; ranked are "
        f"{', '.join(sorted(ranked))}. To rank it, add it to the configuration and run: "
        f"kedro run --pipelines {'ranking' if kind == 'application' else 'perf'}"
    )


def load_recommendations(results: StoredResults) -> tuple[str, Recommendations]:
    """Return the version of the last ranking, and what it recommends.

    Raises:
        ValueError: If nothing was ranked yet, or it is damaged.
    """
    ranked_in = results.find_version("recommendations")
    stored = results.load("recommendations", ranked_in)
    with results.reading("recommendations", ranked_in):
        return ranked_in, read_recommendations(stored)


def read_loads(results: StoredResults) -> LoadCurves:
    """Read what the last run has found of the winners over HTTP; empty if nothing."""
    if not results.list_versions("load_curves"):
        return LoadCurves(())
    loads: LoadCurves = results.load_newest("load_curves")
    return loads
