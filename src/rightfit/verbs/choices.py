"""Read choices, and what is needed to export one, from stored results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rightfit.serving.answer import (
    Choice,
    Json,
    Origin,
    find_application,
    find_datasets,
    subject_of,
)
from rightfit.serving.export import Model
from rightfit.verbs.stored import NothingStoredError, StoredResults


def read_choices(results: StoredResults, application: str, dataset: str | None) -> Iterator[Choice]:
    """Read the last ranking's answers for an application.

    Args:
        results: Stored results.
        application: Name of the application.
        dataset: Name of a dataset; ``None`` for all.

    Raises:
        ValueError: If nothing was ranked yet, or not this application or dataset.
    """
    ranked_in = results.find_version("recommendations")
    recommendations = results.load("recommendations", ranked_in)
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
        decision = found["datasets"][name]
        candidate = subject_of(decision)
        yield Choice(
            application=application,
            dataset=name,
            purpose=found["description"],
            decision=decision,
            profiles=tuple(_rows_of(profiles, name, candidate) if candidate else ()),
            origin=origin,
        )


def read_model(results: StoredResults, choice: Choice) -> Model:
    """Read the winner's bundle and what is needed to feed it, as they were when it was measured.

    Raises:
        ValueError: If one of them is no longer stored, or damaged.
    """
    winner = choice.decision["winner"]
    cell = f"{choice.dataset}.{winner['model']}.candidates"
    version = results.find_version(cell, at_most=choice.origin.measured_in)
    bundles = results.load(cell, version)
    if winner["candidate"] not in bundles:
        raise NothingStoredError(
            f"{winner['candidate']} is not among the candidates of {version}: {sorted(bundles)}. "
            "Run: kedro run --pipelines perf"
        )
    inputs = {}
    for name in ("encoder", "data_card"):
        entry = f"{choice.dataset}.{name}"
        inputs[name] = results.load(entry, results.find_version(entry, at_most=version))
    return Model(bundles[winner["candidate"]], inputs["encoder"], inputs["data_card"])


def _read_environment(results: StoredResults, measured_in: str) -> Json | None:
    try:
        version = results.find_version("environment", at_most=measured_in)
    except NothingStoredError:
        return None
    environment: Json = results.load("environment", version)
    return environment


def _rows_of(profiles: Any, dataset: str, candidate: Json) -> list[Json]:
    import polars as pl

    rows: list[Json] = profiles.filter(
        pl.col("dataset") == dataset,
        pl.col("model") == candidate["model"],
        pl.col("candidate") == candidate["candidate"],
    ).to_dicts()
    return rows
