"""An answer in words and as JSON: what to use, what would change it, how reliable it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rightfit.formatting import format_number, format_quality, format_share
from rightfit.naming import describe_limit, format_metric, listing, metric_unit
from rightfit.processes.codec import to_plain
from rightfit.profiling.profile import NOT_COMPARED, Profile
from rightfit.ranking.explanation.decisions import Decision, NearestProfile, RankedCandidate
from rightfit.request_path.paths import MODEL
from rightfit.serving.answer import Answer, Origin

P50 = "latency_p50_ms"
UNSTORED = "on a machine whose description was not stored"
MIB_PER_GIB = 1024


def describe_answer(answer: Answer) -> list[str]:
    """Write an answer as a paragraph of short lines, for the terminal and for a file."""
    decision, origin = answer.decision, answer.origin
    facts: list[tuple[str, object]] = [
        ("settings", decision.winner and decision.winner.settings),
        ("quality", describe_quality(decision)),
        *(("limit", limit) for limit in decision.limits),
        ("under load", answer.load and answer.load.describe_breach(decision.limits)),
        ("runner-up", decision.runner_up and _describe_candidate(decision.runner_up)),
        ("kept", decision.kept),
        ("shipped", decision.shipped and decision.shipped.sentence),
        *(("in use", one.sentence) for one in decision.replacements),
        ("deadline", decision.deadline),
        ("sensitivity", decision.flip),
        ("would qualify", decision.relax and describe_relaxation(decision.relax)),
        ("request", describe_request(answer.profile)),
        ("measured", describe_disturbance(answer.profile)),
        ("", describe_origin(origin)),
    ]
    lines = [decision.sentence, *(f"  {name:<14} {fact}" for name, fact in facts if fact)]
    if origin.newer_profiles:
        newer = format_version(origin.newer_profiles)
        lines.append(
            f"  out of date    profiles of {newer} are not ranked yet; run: "
            "kedro run --pipelines ranking"
        )
    return lines


def answer_to_json(answer: Answer) -> dict[str, object]:
    """Return an answer as plain JSON types, for other programs."""
    profile, origin = answer.profile, answer.origin
    return {
        "application": answer.application,
        "dataset": answer.dataset,
        **answer.decision.model_dump(mode="json", exclude={"flips"}),
        "disturbed": profile and profile.disturbed,
        "under_load": answer.load and answer.load.describe_breach(answer.decision.limits),
        "ranked_in": origin.ranked_in,
        "measured_in": origin.measured_in,
        "newer_profiles": origin.newer_profiles,
        "environment_id": profile and profile.environment_id,
        "environment": origin.environment and to_plain(origin.environment),
    }


def profile_to_json(profile: Profile) -> dict[str, object]:
    """Return a profile as plain JSON types.

    A metric is ``{"value", "low", "high"}``; the ends of the 95 % interval are ``None`` where none
    is known, the value where it was not measured (``null_reasons`` says why).
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
        "encoding_ms": profile.encoding_ms,
        "final_quality_raw": profile.final_quality.value,
        "metrics": {
            column: {"value": figure.value, "low": figure.low, "high": figure.high}
            for column, figure in profile.figures.items()
        },
        "null_reasons": dict(_explain_nulls(profile)),
        "measured_how": profile.how and to_plain(profile.how),
    }


def _explain_nulls(profile: Profile) -> Iterator[tuple[str, str]]:
    for column, figure in profile.figures.items():
        if figure.value is None:
            yield column, figure.reason
    if profile.encoding_ms is None:
        yield "encoding_ms", NOT_COMPARED
    if profile.final_quality.value is None:
        yield "final_quality_raw", profile.final_quality.reason


def describe_quality(decision: Decision) -> str:
    """Say the quality of the model that is shipped, and the one that chose; empty: not known."""
    found, final = decision.quality, decision.final_quality
    if found is None:
        return ""
    if final is None:
        return str(found)
    before = "" if decision.refit is None else "before it was refitted, "
    return f"{found}; {before}{format_quality(final.chosen_by)} on the rows used"


def describe_request(profile: Profile | None) -> str:
    """Say what the measured requests held, and what encoding took of the median latency."""
    if profile is None:
        return "not known"
    if profile.serving.request_path == MODEL:
        return "encoded rows; encoding is not included"
    encoding_ms, whole_ms = profile.encoding_ms, profile.latency_p50_ms.value
    if encoding_ms is None or not whole_ms:
        return "raw columns, encoder included"
    share = format_share(min(1.0, encoding_ms / whole_ms))
    return (
        f"raw columns; encoding takes {format_metric(P50, encoding_ms)} of the median latency of "
        f"{format_metric(P50, whole_ms)} ({share})"
    )


def describe_relaxation(nearest: NearestProfile) -> str:
    """Say which limits would have to change so that a candidate qualifies."""
    serving = nearest.serving.label
    limits = [
        f"{describe_limit(limit.metric, limit.kind, limit.needed)} instead of "
        f"{format_number(limit.limit)} {metric_unit(limit.metric)}".rstrip()
        for limit in nearest.limits
    ]
    return f"{nearest.candidate} ({serving}), with {listing(limits)}"


def describe_disturbance(profile: Profile | None) -> str:
    """Say whether another process took the cores while a profile was timed."""
    if profile is None:
        return "the profile behind it is no longer stored"
    if profile.disturbed is None:
        return "not known whether undisturbed"
    if profile.disturbed:
        return "DISTURBED: another process used the cores while it was timed; measure again"
    return "undisturbed"


def describe_origin(origin: Origin) -> str:
    """Say when and where an answer was measured."""
    when = f"in the run of {format_version(origin.measured_in)}"
    environment = origin.environment
    if environment is None:
        return f"{when}, {UNSTORED}"
    gpus = environment.gpus
    gpu = f"{len(gpus)} GPU" if gpus else "no GPU"
    return (
        f"{when}, on {environment.cpu}, {environment.n_cores} cores, "
        f"{environment.memory_mib / MIB_PER_GIB:.0f} GiB, {gpu}, {environment.system} "
        f"{environment.kernel} (environment {environment.environment_id})"
    )


def format_version(version: str) -> str:
    """Write a version as a time, where it is one.

    >>> format_version("2026-11-24T17.26.45.228Z"), format_version("nightly-7")
    ('2026-11-24 17:26 UTC', 'nightly-7')
    """
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d)\.(\d\d)\.\d\d\.\d+Z", version)
    return f"{found[1]} {found[2]}:{found[3]} UTC" if found else version


def _describe_candidate(candidate: RankedCandidate) -> str:
    return f"{candidate.label}, utility {format_quality(candidate.utility)}"
