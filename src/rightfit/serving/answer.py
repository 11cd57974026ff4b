"""The answer of a ranking for one application and dataset, with where it comes from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from rightfit.http_load.load_records import WinnerLoad
from rightfit.profiling.hardware.environment import Environment
from rightfit.profiling.metrics import METRICS_BY_COLUMN, Figure, MetricTable, columns_from
from rightfit.profiling.profile import Profile
from rightfit.ranking.explanation.decisions import (
    Decision,
    Recommendation,
    Recommendations,
)
from rightfit.ranking.explanation.refits import Refit, Shipped
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
    """The decision for one application and dataset, with what was measured of the winner.

    ``load`` is the winner's test over HTTP, ``None`` where there was none.
    """

    application: str
    dataset: str
    purpose: str
    decision: Decision
    profiles: tuple[Profile, ...]
    origin: Origin
    load: WinnerLoad | None = None

    @property
    def profile(self) -> Profile | None:
        """The profile of the model that is shipped, in the serving configuration that decided."""
        subject, refit = self.decision.subject, self.decision.refit
        for one in self.profiles:
            if subject and one.serving == subject.serving:
                return one if refit is None else profile_refit(one, refit)
        return None

    def as_chosen(self, reason: str) -> Answer:
        """Return the answer for the model that was chosen, also if it was refitted."""
        refit = self.decision.shipped and self.decision.shipped.refit
        shipped = Shipped(is_refitted=False, sentence=f"as it was chosen: {reason}", refit=refit)
        return replace(self, decision=self.decision.model_copy(update={"shipped": shipped}))


def profile_refit(chosen: Profile, refit: Refit) -> Profile:
    """Return the profile of a refitted model in the serving configuration that was chosen.

    Costs that were not measured again are those of the chosen model, costs of training too.
    """
    row = refit.find_profile(chosen.serving)
    found = chosen if row is None else Profile.from_row(row)
    figures = {**found.figures, **{name: chosen[name] for name in columns_from("training")}}
    quality = refit.quality
    if quality is None:
        return replace(found, figures=figures)
    if row is None and quality.columns:
        found_on = quality.columns
        figures |= {
            name: Figure(metric, found_on[name], found_on[f"{name}_low"], found_on[f"{name}_high"])
            for name, metric in METRICS_BY_COLUMN.items()
            if metric.source == "answers"
        }
    final = found.final_quality
    if quality.chose_nothing:
        ends = quality.refitted.low, quality.refitted.high
        final = Figure(MetricTable.quality_raw, quality.refitted.raw, *ends)
    return replace(found, figures=figures, final_quality=final)


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
