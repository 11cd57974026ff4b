"""A choice in words and as JSON: what to use, what would change it, how far to trust it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from rightfit.naming import NOT_MEASURED, format_quality, serving_label
from rightfit.profiling.metrics import METRICS
from rightfit.serving.answer import Choice, Json, Origin

KEPT_AS_TEXT = ("null_reasons", "measured_how")  # columns of a profile that hold JSON
UNSTORED = "on a machine whose description was not stored"


def say_choice(choice: Choice) -> list[str]:
    """Write a choice as a paragraph of short lines, for the terminal and for a file."""
    decision = choice.decision
    lines = [f"{choice.dataset}: {decision['sentence']}"]
    if decision["runner_up"]:
        lines.append(f"  runner-up    {_say_candidate(decision['runner_up'])}")
    if decision["flip"]:
        lines.append(f"  would flip   {decision['flip']}")
    if decision["relax"]:
        lines.append(f"  would do     {say_relaxation(decision['relax'])}")
    lines.append(f"  measured     {say_disturbance(choice.profile)}")
    lines.append(f"               {say_origin(choice.origin)}")
    if choice.origin.newer_profiles:
        newer = format_version(choice.origin.newer_profiles)
        lines.append(
            f"  out of date  profiles of {newer} are not ranked yet: kedro run --pipelines ranking"
        )
    return lines


def describe_choice(choice: Choice) -> Json:
    """Return a choice as plain JSON types, for other programs."""
    decision, origin = choice.decision, choice.origin
    profile = choice.profile
    return {
        "application": choice.application,
        "dataset": choice.dataset,
        "outcome": decision["outcome"],
        "sentence": decision["sentence"],
        "winner": decision["winner"],
        "runner_up": decision["runner_up"],
        "tied_with": decision["tied_with"],
        "flip": decision["flip"],
        "nearest_miss": decision["nearest_miss"],
        "relax": decision["relax"],
        "disturbed": profile and profile["disturbed"],
        "ranked_in": origin.ranked_in,
        "measured_in": origin.measured_in,
        "newer_profiles": origin.newer_profiles,
        "environment_id": profile and profile["environment_id"],
        "environment": origin.environment,
    }


def describe_profile(profile: Mapping[str, Any]) -> Json:
    """Return a profile with each metric's interval beside it, and its JSON columns as JSON.

    A metric is ``{"value", "low", "high"}``; the ends of the 95 % interval are ``None`` where none
    is known, the value where it was not measured (``null_reasons`` says why).
    """
    metrics = {
        metric.column: {
            "value": profile[metric.column],
            "low": profile.get(f"{metric.column}_low"),
            "high": profile.get(f"{metric.column}_high"),
        }
        for metric in METRICS
        if metric.column in profile
    }
    others = {
        name: json.loads(value) if name in KEPT_AS_TEXT and value else value
        for name, value in profile.items()
        if name not in metrics and not name.endswith(("_low", "_high"))
    }
    return others | {"metrics": metrics}


def say_relaxation(relax: Mapping[str, Any]) -> str:
    """Say which limits would have to move so that a candidate qualifies."""
    limits = " and ".join(
        f"{limit['metric']} {limit['kind']} {limit['needed']:.4g} instead of {limit['limit']:.4g}"
        for limit in relax["limits"]
    )
    return f"{relax['candidate']} ({serving_label(relax)}), with {limits}"


def say_disturbance(profile: Mapping[str, Any] | None) -> str:
    """Say whether anything else took the machine while a profile was timed."""
    if profile is None:
        return "the profile behind it is no longer stored"
    if profile["disturbed"] is None:
        return "not known whether undisturbed"
    if profile["disturbed"]:
        return "DISTURBED: something else used the machine while it was timed; measure again"
    return "undisturbed"


def say_origin(origin: Origin) -> str:
    """Say when and where an answer was measured."""
    when = f"in the run of {format_version(origin.measured_in)}"
    return f"{when}, {say_environment(origin.environment)}"


def say_environment(environment: Mapping[str, Any] | None) -> str:
    """Say on which machine something was measured."""
    if environment is None:
        return UNSTORED
    gpus = environment["gpus"]
    gpu = f"{len(gpus)} GPU" if gpus else "no GPU"
    return (
        f"on {environment['cpu']}, {environment['n_cores']} cores, "
        f"{environment['memory_mib'] / 1024:.0f} GiB, {gpu}, {environment['system']} "
        f"{environment['kernel']} (environment {environment['environment_id']})"
    )


def format_version(version: str) -> str:
    """Write a version as a time, where it is one.

    >>> format_version("2026-11-24T17.26.45.228Z"), format_version("nightly-7")
    ('2026-11-24 17:26 UTC', 'nightly-7')
    """
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d)\.(\d\d)\.\d\d\.\d+Z", version)
    return f"{found[1]} {found[2]}:{found[3]} UTC" if found else version


def _say_candidate(candidate: Mapping[str, Any]) -> str:
    utility = candidate["utility"]
    shown = NOT_MEASURED if utility is None else format_quality(utility)
    return f"{candidate['candidate']} ({serving_label(candidate)}), utility {shown}"
