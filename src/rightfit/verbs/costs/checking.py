"""Compare the last ranking with a stored baseline: ``rightfit check --against baseline.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from rightfit.api.profiles import Profiles
from rightfit.api.ranking import Ranking
from rightfit.parameters.applications import ApplicationsParams
from rightfit.parameters.ranking import RankingParams
from rightfit.processes.regular_files import require_regular
from rightfit.profiling.serving import Serving
from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.contest.profile_table import ProfileKey
from rightfit.ranking.explanation.decisions import RankedCandidate
from rightfit.ranking.rank_candidates import Winners
from rightfit.serving.answer import Answer
from rightfit.serving.baseline import (
    Baseline,
    Comparison,
    compare_baselines,
    find_gaps,
    find_other_machine,
    keep_utility,
    make_baseline,
)
from rightfit.verbs.answers import load_recommendations, read_answers
from rightfit.verbs.stored import StoredResults

MAX_FAULTS = 5  # of a file that are shown


@dataclass(frozen=True)
class Present:
    """The last ranking, to compare with a baseline.

    Args:
        winners: Its winners.
        standing: The baseline's winners, by application and dataset, that others have replaced
            though nothing is surely better.
    """

    winners: Baseline
    standing: Mapping[tuple[str, str], RankedCandidate]


def read_present(
    results: StoredResults, parameters: Mapping[str, object], before: Baseline | None
) -> Present:
    """Read the winners of the last ranking.

    Applications that the configuration has no longer are left out.

    Args:
        results: The stored results.
        parameters: Those of the project, the library's values included.
        before: The baseline; ``None`` where there is none yet.

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
    winners = make_baseline(answers, asked)
    replaced = {} if before is None else _find_replaced(before, answers)
    if not replaced:
        return Present(winners, {})
    ranking = Ranking(
        Profiles(results.load("resource_profiles", answers[0].origin.measured_in)),
        Applications({name: applications[name] for name in replaced}),
        RankingParams.model_validate(parameters["ranking"]),
        earlier=replaced,
    )
    standing = {
        (name, dataset): ranking.decision(name, dataset).winner
        for name, keys in replaced.items()
        for dataset, key in keys.items()
        if ranking.winners[name].get(dataset) == key
    }
    return Present(winners, {place: found for place, found in standing.items() if found})


def _find_replaced(before: Baseline, answers: Iterable[Answer]) -> Winners:
    """Return the winners of a baseline that others have replaced."""
    found: dict[str, dict[str, ProfileKey]] = {}
    for answer in answers:
        kept = before.winners.get(answer.application, {}).get(answer.dataset)
        winner = answer.decision.winner
        if kept is None or winner is None:
            continue
        serving = Serving(kept.runtime, kept.n_threads, kept.device, winner.serving.request_path)
        if (kept.candidate, serving) != (winner.candidate, winner.serving):
            key = ProfileKey(kept.model, kept.candidate, serving)
            found.setdefault(answer.application, {})[answer.dataset] = key
    return found


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
    before: Baseline, present: Present, *, margin_pct: float, any_machine: bool
) -> list[Comparison]:
    """Compare the last ranking with a baseline.

    Raises:
        ValueError: If it was measured on another machine.
    """
    other = find_other_machine(before, present.winners)
    if other is not None and not any_machine:
        raise ValueError(
            f"Timings of two machines are not compared: {other}. Write a baseline on this one, or "
            "compare anyway: --any-machine"
        )
    utilities = {place: keep_utility(one) for place, one in present.standing.items()}
    return list(compare_baselines(before, present.winners, utilities, margin_pct=margin_pct))


def describe_findings(findings: list[Comparison]) -> list[str]:
    """Write the findings as lines for the terminal."""
    lines = []
    for one in findings:
        verdict = "FAILED" if one.faults else "passed"
        lines.append(f"{verdict}  {one.application} on {one.dataset}")
        lines += [f"        {text}" for text in (*one.faults, *one.notes)]
    n_failed = sum(bool(one.faults) for one in findings)
    return [*lines, f"{n_failed} of {len(findings)} failed"]
