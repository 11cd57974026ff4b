"""The answer of a ranking for one application and dataset, with where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rightfit.spelling import find_nearest

Json = dict[str, Any]

SERVING_KEYS = ("runtime", "n_threads", "device")


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
    environment: Json | None


@dataclass(frozen=True)
class Choice:
    """What a ranking says for one application and dataset.

    Args:
        application: Name of the application.
        dataset: Name of the dataset.
        purpose: The application's description.
        decision: The recommendation: winner or nearest miss (``ranking.recommendation``).
        profiles: Profiles of the candidate that the decision is about, one per serving
            configuration.
        origin: Where the answer comes from.
    """

    application: str
    dataset: str
    purpose: str
    decision: Json
    profiles: tuple[Json, ...]
    origin: Origin

    @property
    def candidate(self) -> Json | None:
        """The winner, else the nearest miss; ``None`` when nobody could be judged."""
        return subject_of(self.decision)

    @property
    def profile(self) -> Json | None:
        """The profile that decided, with its intervals and how it was measured."""
        candidate = self.candidate
        if candidate is None:
            return None
        wanted = [candidate[key] for key in SERVING_KEYS]
        return next(
            (row for row in self.profiles if [row[key] for key in SERVING_KEYS] == wanted), None
        )


def subject_of(decision: Mapping[str, Any]) -> Json | None:
    """Return whom a decision is about: the winner, else the nearest miss."""
    subject: Json | None = decision["winner"] or decision["nearest_miss"]
    return subject


def find_application(recommendations: Mapping[str, Any], application: str) -> Json:
    """Return what is recommended for an application.

    Raises:
        ValueError: If it was not ranked; names those that were.
    """
    if application not in recommendations:
        raise ValueError(
            f"There is no application {application!r} in the last ranking"
            f"{_guess(application, recommendations)}; ranked are {_list(recommendations)}. A new "
            "one is ranked by: kedro run --pipelines ranking"
        )
    found: Json = recommendations[application]
    return found


def find_datasets(recommendation: Mapping[str, Any], dataset: str | None) -> Sequence[str]:
    """Return the datasets asked for: one, or all of them.

    Raises:
        ValueError: If the dataset was not ranked; names those that were.
    """
    ranked = recommendation["datasets"]
    if dataset is None:
        return list(ranked)
    if dataset not in ranked:
        raise ValueError(
            f"There is no dataset {dataset!r} in the last ranking{_guess(dataset, ranked)}; "
            f"ranked are {_list(ranked)}."
        )
    return [dataset]


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _guess(name: str, names: Iterable[str]) -> str:
    near = find_nearest(name, names)
    return f" (did you mean {near}?)" if near else ""
