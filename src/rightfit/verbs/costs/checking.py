"""Compare the last ranking with a stored baseline: ``rightfit check --against baseline.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from rightfit.parameters.applications import ApplicationsParams
from rightfit.processes.regular_files import require_regular
from rightfit.serving.baseline import (
    Baseline,
    Comparison,
    compare_baselines,
    find_gaps,
    find_other_machine,
    make_baseline,
)
from rightfit.verbs.answers import load_recommendations, read_answers
from rightfit.verbs.stored import StoredResults

MAX_FAULTS = 5  # of a file that are shown


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
    """Write a baseline; one that is there is replaced.

    Raises:
        ValueError: If nothing could be compared with it.
    """
    require_regular(path)
    if gaps := list(find_gaps(present)):
        raise ValueError(
            f"The last ranking makes no baseline: {'; '.join(gaps)}. A check needs winners with "
            "measured metrics: relax the limits in parameters_applications.yml, or run: kedro run "
            "--pipelines perf"
        )
    path.write_text(present.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        ValueError: If the file is none, or holds nothing to compare with.
    """
    require_regular(path)
    anew = f"Write one from the last ranking: rightfit check --against {path} --write"
    try:
        before = Baseline.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise ValueError(f"There is no baseline {path}. {anew}") from err
    except UnicodeDecodeError as err:
        raise ValueError(f"{path} is no baseline of rightfit check: {err}. {anew}") from err
    except ValidationError as err:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in err.errors()]
        raise ValueError(
            f"{path} is no baseline of rightfit check: {'; '.join(faults[:MAX_FAULTS])}. {anew}"
        ) from err
    if gaps := list(find_gaps(before)):
        raise ValueError(f"{path} is no baseline to compare with: {'; '.join(gaps)}. {anew}")
    return before


def check_against(
    before: Baseline, present: Baseline, *, margin_pct: float, any_machine: bool
) -> list[Comparison]:
    """Compare the last ranking with a baseline.

    Raises:
        ValueError: If it was measured on another machine.
    """
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
