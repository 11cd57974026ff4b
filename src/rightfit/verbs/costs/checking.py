"""Compare the last ranking with a stored baseline: ``rightfit check --against baseline.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from rightfit.parameters.applications import ApplicationsParams
from rightfit.serving.baseline import (
    Baseline,
    Comparison,
    compare_baselines,
    find_other_machine,
    make_baseline,
)
from rightfit.verbs.answers import load_recommendations, read_answers
from rightfit.verbs.stored import StoredResults


def read_present(results: StoredResults, parameters: Mapping[str, object]) -> Baseline:
    """Return the winners of the last ranking, in the form of a baseline.

    Applications that the configuration has no longer are left out.

    Raises:
        ValueError: If nothing was ranked that the configuration asks for.
    """
    applications = ApplicationsParams.model_validate(parameters["applications"]).root
    _, ranked = load_recommendations(results)
    asked = {name: applications[name].needed_metrics() for name in ranked if name in applications}
    if not asked:
        raise ValueError(
            f"The last ranking has applications {sorted(ranked)}, the configuration has "
            f"{sorted(applications)}. Run: kedro run --pipelines ranking"
        )
    answers = [answer for name in asked for answer in read_answers(results, name, None)]
    return make_baseline(answers, asked)


def write_baseline(present: Baseline, path: Path) -> None:
    """Write a baseline; one that is there is replaced."""
    path.write_text(present.model_dump_json(indent=2) + "\n", encoding="utf-8")


def check_against(
    path: Path, present: Baseline, *, margin_pct: float, any_machine: bool
) -> list[Comparison]:
    """Compare the last ranking with a baseline.

    Raises:
        ValueError: If the file is no baseline, or was measured on another machine.
    """
    try:
        before = Baseline.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise ValueError(
            f"There is no baseline {path}. Write one from the last ranking: rightfit check "
            f"--against {path} --write"
        ) from err
    except (UnicodeDecodeError, ValidationError) as err:
        raise ValueError(f"{path} is no baseline of rightfit check: {err}") from err
    other = find_other_machine(before, present)
    if other is not None and not any_machine:
        raise ValueError(
            f"Timings of two machines are not compared: {other}. Write a baseline on this one, or "
            "compare anyway: --any-machine"
        )
    return list(compare_baselines(before, present, margin_pct=margin_pct))


def describe_findings(findings: list[Comparison]) -> list[str]:
    """Write the findings as lines for the terminal."""
    lines = []
    for one in findings:
        verdict = "FAILED" if one.faults else "passed"
        lines.append(f"{verdict}  {one.application} on {one.dataset}")
        lines += [f"        {text}" for text in (*one.faults, *one.notes)]
    n_failed = sum(bool(one.faults) for one in findings)
    return [*lines, f"{n_failed} of {len(findings)} failed"]
