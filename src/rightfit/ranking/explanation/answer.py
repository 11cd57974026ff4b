"""The answer of a ranking for one application and dataset: in words, as JSON, and where from."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from rightfit._core.formatting import format_version
from rightfit._core.processes.codec import to_plain
from rightfit.data.request_path import REQUEST
from rightfit.measuring.hardware.environment import Environment
from rightfit.measuring.profile import Profile
from rightfit.ranking.applications.batch_sizes import serve_batches
from rightfit.ranking.explanation.decisions import (
    Decision,
    Fact,
    decision_facts,
)
from rightfit.ranking.explanation.findings import Finding, find, name_subject
from rightfit.ranking.figures import write_figure, write_figures

UNSTORED = "on a machine whose description was not stored"
OUT_OF_DATE = "Profiles of {} are not ranked yet; run: kedro run --pipelines ranking"
NO_PROFILE = "The winner's profile is no longer stored."


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

    ``load_findings`` are those of a test of the winner over HTTP, ``learnt_since`` says from which
    rows the delivered model has learnt after it was measured.
    """

    application: str
    dataset: str
    purpose: str
    decision: Decision
    profiles: tuple[Profile, ...]
    origin: Origin
    load_findings: tuple[Finding, ...] = ()
    learnt_since: str | None = None

    @property
    def profile(self) -> Profile | None:
        """The profile in the serving configuration that decided."""
        subject = self.decision.subject
        return next((p for p in self.profiles if subject and p.serving == subject.serving), None)

    @property
    def graph_sha256(self) -> str | None:
        """Hash of the graph that answered raw columns and ships; ``None``: another one ships."""
        profile = self.profile
        if profile is None or self.learnt_since or profile.serving.request_path != REQUEST:
            return None
        return profile.graph_sha256

    @property
    def findings(self) -> list[Finding]:
        """The findings of the decision, and of what was stored before and after it."""
        subject, newer = name_subject(self.application, self.dataset), self.origin.newer_profiles
        findings = [*self.decision.findings, *self.load_findings]
        if self.profile is None:
            findings.append(find("RF017", subject, NO_PROFILE))
        if newer:
            findings.append(find("RF016", subject, OUT_OF_DATE.format(format_version(newer))))
        return findings

    def list_facts(self) -> list[Fact]:
        """List the facts of the decision, and when and where they were measured."""
        decision = self.decision.model_copy(update={"findings": self.findings})
        facts = decision_facts(decision, self.profile)
        return [*facts, Fact("origin", describe_origin(self.origin))]


def read_candidate_profiles(
    profiles: pl.DataFrame, dataset: str, decision: Decision
) -> tuple[Profile, ...]:
    """Return the profiles of the candidate that a decision is about, if there is one.

    Their figures are those of the batch sizes that its application can send.
    """
    candidate = decision.subject
    if candidate is None:
        return ()
    its = profiles.filter(dataset=dataset, model=candidate.model, candidate=candidate.candidate)
    return tuple(map(Profile.from_row, serve_batches(its, decision.batch_sizes).to_dicts()))


def answer_to_json(answer: Answer) -> dict[str, object]:
    """Return an answer as plain JSON types, for other programs."""
    profile, origin = answer.profile, answer.origin
    return {
        "application": answer.application,
        "dataset": answer.dataset,
        **answer.decision.model_dump(mode="json", exclude={"reversals", "findings"}),
        "findings": [finding.model_dump(mode="json") for finding in answer.findings],
        "disturbed": profile and profile.disturbed,
        "learnt_since": answer.learnt_since,
        "ranked_in": origin.ranked_in,
        "measured_in": origin.measured_in,
        "newer_profiles": origin.newer_profiles,
        "environment_id": profile and profile.environment_id,
        "environment": origin.environment and to_plain(origin.environment),
    }


def profile_to_json(profile: Profile) -> dict[str, object]:
    """Return a profile as plain JSON types.

    A figure is ``{"value", "low", "high"}``; the ends of the 95 % interval are ``None`` where none
    is known, the value where it was not measured, with the ``reason`` beside it.
    """
    return {
        "dataset": profile.dataset,
        "model": profile.model,
        "candidate": profile.candidate,
        **to_plain(profile.serving),
        "environment_id": profile.environment_id,
        "min_hardware_tier_name": profile.hardware_tier,
        "best_batch_size": profile.best_batch_size,
        "n_latency_samples": profile.n_latency_samples,
        "disturbed": profile.disturbed,
        "quality_metric": profile.quality_metric,
        "model_sha256": profile.model_sha256,
        "graph_sha256": profile.graph_sha256,
        "parts": write_figures(profile.parts),
        "final_quality_raw": write_figure(profile.final_quality),
        "metrics": write_figures(profile.figures),
        "measured_how": profile.how and to_plain(profile.how),
    }


def describe_origin(origin: Origin) -> str:
    """Say when and where an answer was measured."""
    when = f"in the run of {format_version(origin.measured_in)}"
    environment = origin.environment
    if environment is None:
        return f"{when}, {UNSTORED}"
    return (
        f"{when}, on {environment.machine}, {environment.system} {environment.kernel} "
        f"(environment {environment.environment_id})"
    )
