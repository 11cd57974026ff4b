"""Recommendations: per application and dataset the winner in one sentence, or the nearest miss.

The document is ``{application: {description, scenario, datasets: {dataset: decision},
across_datasets}}``. A decision holds

- ``outcome``: ``winner`` or ``none_qualifies``, and ``sentence``,
- ``winner``, ``runner_up`` (``null`` if there is none): keys, utility and metrics of a candidate,
- ``tied_with``: names of the candidates that cannot be told from the winner,
- ``flips`` (see :mod:`rightfit.ranking.explanation.flips`) and ``flip``, the easiest one in a
  sentence,
- ``nearest_miss`` (a candidate with its ``violations``) and ``relax`` (``candidate``, serving
  configuration and the ``limits`` to relax), both ``null`` where there is a winner.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from rightfit.ranking.contest.profile_table import SERVING_KEYS
from rightfit.ranking.explanation.flips import list_flips, summarise_flips
from rightfit.ranking.explanation.near_misses import find_nearest_miss, find_relaxations
from rightfit.ranking.explanation.rankings import tabulate_rankings
from rightfit.ranking.ranked import Ranked

Json = dict[str, Any]

KEYS = (
    *("candidate", "model", "runtime", "n_threads", "device", "hardware_tier"),
    *("utility", "utility_low", "utility_high", "p_best", "rank_low", "rank_high", "reason"),
)


@dataclass(frozen=True)
class Sensitivities:
    """Tables that say what a recommendation hangs on.

    Args:
        weight_intervals: See :mod:`rightfit.ranking.sensitivity.weight_intervals`.
        limit_shadows: See :mod:`rightfit.ranking.sensitivity.limit_shadows`.
        robust_choices: See :mod:`rightfit.ranking.sensitivity.robust`.
    """

    weight_intervals: pl.DataFrame
    limit_shadows: pl.DataFrame
    robust_choices: pl.DataFrame


def recommend(ranked: list[Ranked], sensitivities: Sensitivities) -> Json:
    """Recommend a candidate per application and dataset, as plain JSON types."""
    return {one.contest.name: _recommend_for(one, sensitivities) for one in ranked}


def _recommend_for(ranked: Ranked, sensitivities: Sensitivities) -> Json:
    contest = ranked.contest
    candidates = _describe_candidates(ranked)
    decisions = {}
    for position, dataset in enumerate(contest.table.datasets):
        here = pl.col("application") == contest.name, pl.col("dataset") == dataset
        decision = _decide(ranked, position, candidates)
        flips = list_flips(
            sensitivities.weight_intervals.filter(*here),
            sensitivities.limit_shadows.filter(*here),
            winner=decision["winner"] and decision["winner"]["candidate"],
        )
        decisions[dataset] = {
            **decision,
            "flips": flips,
            "flip": summarise_flips(flips, contest.rules.limit_change_pct),
        }
    families = sensitivities.robust_choices.filter(pl.col("application") == contest.name)
    return {
        "description": contest.application.description,
        "scenario": contest.application.scenario,
        "datasets": decisions,
        "across_datasets": _compare_datasets(decisions, families),
    }


def _decide(ranked: Ranked, dataset: int, candidates: list[Json]) -> Json:
    name = ranked.contest.table.datasets[dataset]
    order = ranked.order[ranked.contest.table.candidate_slices[dataset]]
    feasible = [candidates[number] for number in order if candidates[number]["feasible"]]
    if not feasible:
        return _report_miss(ranked, dataset, candidates)
    winner, others = feasible[0], feasible[1:]
    return {
        "outcome": "winner",
        "sentence": f"{_label(winner)} fits {name} best: {winner['reason']}.",
        "winner": _publish(winner),
        "runner_up": _publish(others[0]) if others else None,
        "tied_with": [other["candidate"] for other in others if other["outcome"] == "tied"],
        "nearest_miss": None,
        "relax": None,
    }


def _report_miss(ranked: Ranked, dataset: int, candidates: list[Json]) -> Json:
    nearest = find_nearest_miss(ranked, dataset)
    sentence = f"No candidate qualifies for {ranked.contest.table.datasets[dataset]}"
    if nearest is None:
        first = candidates[ranked.order[ranked.contest.table.candidate_slices[dataset]][0]]
        sentence += ": each lacks a measurement the application needs. "
        sentence += f"Of {_label(first)} was {first['reason']}."
    else:
        sentence += f"; {_label(candidates[nearest])} comes nearest: "
        sentence += f"{candidates[nearest]['reason']}."
    miss = None if nearest is None else candidates[nearest]
    return {
        "outcome": "none_qualifies",
        "sentence": sentence,
        "winner": None,
        "runner_up": None,
        "tied_with": [],
        "nearest_miss": miss and {**_publish(miss), "violations": miss["violations"]},
        "relax": _suggest_relaxing(ranked, dataset),
    }


def _suggest_relaxing(ranked: Ranked, dataset: int) -> Json | None:
    found = find_relaxations(ranked.contest, dataset)
    if found is None:
        return None
    row, relaxations = found
    profile = ranked.contest.table.frame.select("candidate", *SERVING_KEYS).row(row, named=True)
    return {**profile, "limits": [asdict(relaxation) for relaxation in relaxations]}


def _compare_datasets(decisions: dict[str, Json], families: pl.DataFrame) -> Json:
    won_by = {
        dataset: decision["winner"] and decision["winner"]["model"]
        for dataset, decision in decisions.items()
    }
    robust = families.filter("is_robust_choice").to_dicts()
    choice = robust[0] if robust else None
    changes = len(set(won_by.values())) > 1
    return {
        "winning_family": won_by,
        "winner_changes": changes,
        "robust_choice": choice["model"] if choice else None,
        "mean_rank": choice["mean_rank"] if choice else None,
        "worst_rank": choice["worst_rank"] if choice else None,
        "sentence": _say_robust(choice, changes=changes),
    }


def _say_robust(choice: Json | None, *, changes: bool) -> str:
    if choice is None:
        return "No family qualifies on any dataset."
    start = (
        "The winning family changes with the dataset" if changes else "One family wins throughout"
    )
    return (
        f"{start}; the robust choice is {choice['model']}: it qualifies on {choice['n_feasible']} "
        f"of {choice['n_datasets']} datasets, mean rank {choice['mean_rank']:.3g} and worst rank "
        f"{choice['worst_rank']} among the families."
    )


def _label(candidate: Json) -> str:
    n_threads = candidate["n_threads"]
    threads = f"{n_threads} thread{'' if n_threads == 1 else 's'}"
    return f"{candidate['candidate']} ({candidate['runtime']}, {threads})"


def _publish(candidate: Json) -> Json:
    return {key: candidate[key] for key in (*KEYS, "metrics")}


def _describe_candidates(ranked: Ranked) -> list[Json]:
    """Return for each candidate, by number, its row of the rankings and its metrics."""
    contest = ranked.contest
    rows = tabulate_rankings([ranked])[np.argsort(ranked.order)].to_dicts()
    frame = contest.table.frame
    metrics = [
        name
        for name in frame.columns
        if frame[name].dtype == pl.Float64 and not name.endswith(("_low", "_high"))
    ]
    values = frame.select(metrics)[contest.chosen].to_dicts()
    return [
        row | {"violations": json.loads(row["violations"]), "metrics": value}
        for row, value in zip(rows, values, strict=True)
    ]
