"""The answer of a ranking for one application and dataset, with where it comes from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rightfit.profiling.hardware.environment import Environment
from rightfit.profiling.profile import Profile
from rightfit.ranking.explanation.decisions import (
    Decision,
    Recommendation,
    Recommendations,
)
from rightfit.spelling import find_nearest


@dataclass(frozen=True)
class Origin:
    """Which run an answer comes from, and on which machine it was measured.

    Args:
        ranked_in: Version of the ranking.
        measured_in: Version of the profiles it ranked.
        newer_profiles: Version of profiles that were stored later and are not ranked yet.
        environment: Fingerprint of machine and libraries; ``None`` when it was not stored.
    """

    ranked_in: str
    measured_in: str
    newer_profiles: str | None
    environment: Environment | None


@dataclass(frozen=True)
class Answer:
    """The decision for one application and dataset, with what was measured."""

    application: str
    dataset: str
    purpose: str
    decision: Decision
    profiles: tuple[Profile, ...]
    origin: Origin

    @property
    def profile(self) -> Profile | None:
        """The profile that decided, with its intervals and how it was measured."""
        subject = self.decision.subject
        mine = (one for one in self.profiles if subject and one.serving == subject.serving)
        return next(mine, None)


def find_application(recommendations: Recommendations, application: str) -> Recommendation:
    """Return what is recommended to an application.

    Raises:
        ValueError: If it was not ranked; names those that were.
    """
    _require_ranked("application", application, recommendations)
    return recommendations[application]


def find_datasets(recommendation: Recommendation, dataset: str | None) -> Sequence[str]:
    """Return the datasets to answer for: one, or all of them.

    Raises:
        ValueError: If the dataset was not ranked; names those that were.
    """
    if dataset is None:
        return list(recommendation.datasets)
    _require_ranked("dataset", dataset, recommendation.datasets)
    return [dataset]


def _require_ranked(kind: str, name: str, ranked: Collection[str]) -> None:
    if name in ranked:
        return
    near = find_nearest(name, ranked)
    hint = f" (did you mean {near}?)" if near else ""
    raise ValueError(
        f"The last ranking has no {kind} {name!r}{hint}; ranked are {', '.join(sorted(ranked))}. "
        "To rank it, add it to the configuration and run: kedro run --pipelines "
        f"{'ranking' if kind == 'application' else 'perf'}"
    )
