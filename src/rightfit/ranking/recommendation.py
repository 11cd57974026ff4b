"""Recommendations: per application and dataset the winner in one sentence, or the nearest miss."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl

from rightfit.ranking.ranked import Ranked
from rightfit.ranking.rankings import tabulate_rankings

Json = dict[str, Any]

KEYS = (
    *("candidate", "model", "runtime", "n_threads", "device", "hardware_tier"),
    *("utility", "utility_low", "utility_high", "p_best", "rank_low", "rank_high", "reason"),
)


def recommend(ranked: list[Ranked]) -> Json:
    """Recommend a candidate per application and dataset.

    Returns:
        Plain JSON types: ``{application: {description, scenario, datasets: {dataset: decision}}}``.
        A decision holds ``outcome`` (``winner`` or ``none_qualifies``), ``sentence``, ``winner``,
        ``runner_up``, ``tied_with``, ``nearest_miss`` and ``relax``.
    """
    return {one.contest.name: _recommend_for(one) for one in ranked}


def _recommend_for(ranked: Ranked) -> Json:
    contest = ranked.contest
    rows = _describe_candidates(ranked)
    decisions = {
        dataset: _decide([rows[number] for number in ranked.order[part]], dataset)
        for dataset, part in zip(
            contest.table.datasets, contest.table.candidate_slices, strict=True
        )
    }
    return {
        "description": contest.application.description,
        "scenario": contest.application.scenario,
        "datasets": decisions,
    }


def _decide(places: list[Json], dataset: str) -> Json:
    """Decide for one dataset.

    Args:
        places: Its candidates, best first.
        dataset: Its name.
    """
    feasible = [place for place in places if place["feasible"]]
    if not feasible:
        return _report_miss(places, dataset)
    winner, others = feasible[0], feasible[1:]
    tied = [place["candidate"] for place in others if place["outcome"] == "tied"]
    return {
        "outcome": "winner",
        "sentence": f"{_name(winner)} fits best for {dataset}: {winner['reason']}.",
        "winner": _public(winner),
        "runner_up": _public(others[0]) if others else None,
        "tied_with": tied,
        "flips": [],
        "nearest_miss": None,
        "relax": None,
    }


def _report_miss(places: list[Json], dataset: str) -> Json:
    miss = min(places, key=lambda place: place["excess"])
    easiest = min(places, key=lambda place: (len(place["violations"]), place["excess"]))
    return {
        "outcome": "none_qualifies",
        "sentence": f"No candidate qualifies for {dataset}. Nearest is {_name(miss)}: "
        f"{miss['reason']}.",
        "winner": None,
        "runner_up": None,
        "tied_with": [],
        "flips": [],
        "nearest_miss": {**_public(miss), "violations": miss["violations"]},
        "relax": [
            {**violation, "candidate": easiest["candidate"]} for violation in easiest["violations"]
        ],
    }


def _name(place: Json) -> str:
    n_threads = place["n_threads"]
    threads = f"{n_threads} thread{'' if n_threads == 1 else 's'}"
    return f"{place['candidate']} ({place['runtime']}, {threads})"


def _public(place: Json) -> Json:
    return {key: place[key] for key in (*KEYS, "metrics")}


def _describe_candidates(ranked: Ranked) -> list[Json]:
    """Return for each candidate, by number, its ranking, its measured metrics and its excess."""
    contest = ranked.contest
    rows = tabulate_rankings([ranked])[np.argsort(ranked.order)].to_dicts()
    frame = contest.table.frame
    metrics = [
        name
        for name in frame.columns
        if frame[name].dtype == pl.Float64 and not name.endswith(("_low", "_high"))
    ]
    values = frame.select(metrics)[contest.chosen].to_dicts()
    excess = contest.judgement.excess[contest.chosen].tolist()
    return [
        row | {"violations": json.loads(row["violations"]), "metrics": value, "excess": amount}
        for row, value, amount in zip(rows, values, excess, strict=True)
    ]
