"""Which candidates win, and in which serving configurations."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import polars as pl

from rightfit.ranking.application_ranking import NO_WINNERS, Winners, rank_applications
from rightfit.ranking.applications.applications import Applications
from rightfit.ranking.applications.tie_rules import RankingRules
from rightfit.ranking.assessment.profile_table import SERVING_KEYS, read_profiles


@dataclass(frozen=True)
class WinnerToRefit:
    """A candidate that at least one application chooses.

    Args:
        candidate: Its name.
        model: Its model's name in the configuration.
        servings: Runtime, threads and device that it is chosen in, by application; without repeats.
        quality_raw: Its qualities on the rows that chose, without repeats.
    """

    candidate: str
    model: str
    servings: tuple[tuple[str, int, str], ...]
    quality_raw: tuple[float, ...]


def find_winners(
    profiles: pl.DataFrame,
    applications: Applications,
    rules: RankingRules,
    dataset: str,
    earlier: Winners = NO_WINNERS,
) -> list[WinnerToRefit]:
    """Rank the candidates of a dataset; the winner of most applications comes first.

    Args:
        profiles: What was measured, of other datasets too.
        applications: What is asked for.
        rules: Rules of ranking.
        dataset: Its name.
        earlier: Winners of an earlier ranking, by application.
    """
    if profiles.filter(dataset=dataset).is_empty():
        return []
    wins: Counter[str] = Counter()
    servings: dict[str, dict[tuple[str, int, str], None]] = {}
    for ranked in rank_applications(read_profiles(profiles), applications, rules, earlier):
        table, assessment = ranked.assessment.table, ranked.assessment
        if dataset not in table.datasets:
            continue  # not measured in the application's request path
        places = ranked.order[table.candidate_slices[table.datasets.index(dataset)]]
        if not assessment.feasible[places[0]]:
            continue
        row = table.frame.row(int(assessment.chosen[places[0]]), named=True)
        wins[str(row["candidate"])] += 1
        serving = str(row["runtime"]), int(row["n_threads"]), str(row["device"])
        servings.setdefault(str(row["candidate"]), {})[serving] = None
    return [
        _describe(profiles.filter(dataset=dataset, candidate=name), name, tuple(servings[name]))
        for name, _ in wins.most_common()
    ]


def _describe(
    profiles: pl.DataFrame, candidate: str, servings: tuple[tuple[str, int, str], ...]
) -> WinnerToRefit:
    return WinnerToRefit(
        candidate=candidate,
        model=str(profiles["model"][0]),
        servings=servings,
        quality_raw=tuple(profiles["quality_raw"].drop_nulls().unique().sort()),
    )


def list_values(servings: tuple[tuple[str, int, str], ...]) -> dict[str, tuple[object, ...]]:
    """Return the runtimes, threads and devices of serving configurations, each once.

    >>> list_values((("onnx", 1, "cpu"), ("onnx", 2, "cpu")))
    {'runtime': ('onnx',), 'n_threads': (1, 2), 'device': ('cpu',)}
    """
    columns = zip(*servings, strict=True)
    return {
        key: tuple(dict.fromkeys(values)) for key, values in zip(SERVING_KEYS, columns, strict=True)
    }
