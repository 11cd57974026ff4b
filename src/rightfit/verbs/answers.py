"""Read answers from stored results."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from rightfit.profiling.hardware.environment import Environment
from rightfit.ranking.explanation.decisions import RankedCandidate, read_recommendations
from rightfit.serving.answer import Answer, Origin, StoredProfile, find_application, find_datasets
from rightfit.verbs.stored import NothingStoredError, StoredResults


def read_answers(results: StoredResults, application: str, dataset: str | None) -> Iterator[Answer]:
    """Read the last ranking's answers for an application.

    Raises:
        ValueError: If nothing was ranked yet, or not this application or dataset.
    """
    ranked_in = results.find_version("recommendations")
    stored = results.load("recommendations", ranked_in)
    with results.reading("recommendations", ranked_in):
        recommendations = read_recommendations(stored)
    found = find_application(recommendations, application)
    datasets = find_datasets(found, dataset)
    measured_in = results.find_version("resource_profiles", at_most=ranked_in)
    newest = results.find_version("resource_profiles")
    origin = Origin(
        ranked_in=ranked_in,
        measured_in=measured_in,
        newer_profiles=newest if newest > ranked_in else None,
        environment=_read_environment(results, measured_in),
    )
    profiles = results.load("resource_profiles", measured_in)
    for name in datasets:
        decision = found.datasets[name]
        subject = decision.subject
        with results.reading("resource_profiles", measured_in):
            selected = tuple(select_profiles(profiles, name, subject) if subject else ())
        yield Answer(
            application=application,
            dataset=name,
            purpose=found.description,
            decision=decision,
            profiles=selected,
            origin=origin,
        )


def read_all_answers(results: StoredResults) -> Iterator[Answer]:
    """Read the last ranking's answers for all applications.

    Raises:
        ValueError: If nothing was ranked yet.
    """
    ranked_in = results.find_version("recommendations")
    stored = results.load("recommendations", ranked_in)
    with results.reading("recommendations", ranked_in):
        names = list(read_recommendations(stored))
    for name in names:
        yield from read_answers(results, name, None)


def _read_environment(results: StoredResults, measured_in: str) -> Environment | None:
    try:
        version = results.find_version("environment", at_most=measured_in)
    except NothingStoredError:
        return None
    found: Environment = results.load("environment", version)
    return found


def select_profiles(
    profiles: pl.DataFrame, dataset: str, candidate: RankedCandidate
) -> Iterator[StoredProfile]:
    """Yield the profiles of a candidate."""
    for row in profiles.filter(
        dataset=dataset, model=candidate.model, candidate=candidate.candidate
    ).to_dicts():
        yield StoredProfile(
            runtime=row["runtime"],
            n_threads=row["n_threads"],
            device=row["device"],
            disturbed=row["disturbed"],
            environment_id=row["environment_id"],
            columns=row,
        )
