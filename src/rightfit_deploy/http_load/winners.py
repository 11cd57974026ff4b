"""The winners of a ranking, each served and loaded once, however often it wins."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import polars as pl

from rightfit._core.processes.json_store import JsonStore
from rightfit.exporting.model_call import feed_model
from rightfit.measuring.hardware.environment import describe_environment
from rightfit.params.applications import ApplicationsParams
from rightfit.ranking.applications.applications import Application
from rightfit.ranking.explanation.decisions import RankedCandidate, read_recommendations
from rightfit.ranking.records.load_records import LoadCurves, WinnerLoad, find_latency_limit
from rightfit_deploy.http_load.loading import HttpLoadParams, ServedWinner, WinnerBench

logger = logging.getLogger(__name__)

NOT_STORED = "the model is no longer stored"


def load_winners(
    recommendations: dict[str, object],
    applications: ApplicationsParams,
    http_load: HttpLoadParams,
    measurements: JsonStore,
    **stored: Any,
) -> LoadCurves:
    """Load the winners' servers, as far as the time goes.

    ``stored`` holds the ``.rows``, ``.encoder`` and ``.data_card`` of each dataset, and the
    ``.candidates`` of each cell.

    Returns:
        An entry per application and dataset, with the reason where nothing was measured.
    """
    by_name = dict(applications.items())
    rate_per_s = next(filter(None, (one.rate_per_s for one in by_name.values())), None)
    environment_id = describe_environment().environment_id
    bench = WinnerBench(http_load, measurements, environment_id, rate_per_s)
    loads = []
    for name, recommendation in read_recommendations(recommendations).items():
        for dataset, decision in recommendation.datasets.items():
            limit = find_latency_limit(by_name[name], http_load.p99_limit_ms)
            curve, reason = None, _refuse(decision.winner, by_name[name], http_load)
            if decision.winner is not None and not reason:
                served = _find_winner(dataset, decision.winner, stored, measurements)
                curve, reason = bench.load(served, limit) if served else (None, NOT_STORED)
            loads.append(WinnerLoad.of(name, dataset, decision.winner, limit, curve, reason))
    if bench.spent_s:
        logger.info("Loaded the winners over HTTP for %.1f s", bench.spent_s)
    return LoadCurves(tuple(loads))


def _refuse(
    winner: RankedCandidate | None, application: Application, params: HttpLoadParams
) -> str:
    """Say why a winner is not loaded; nothing if it is."""
    if not params.max_s:
        return "loading is off (http_load.max_s is 0)"
    if application.scenario not in params.scenarios:
        return f"http_load.scenarios leaves out its scenario, {application.scenario}"
    if application.environment is not None:
        return f"it was measured on another machine, {application.environment}"
    return "no candidate qualifies" if winner is None else ""


def _find_winner(
    dataset: str, candidate: RankedCandidate, stored: Mapping[str, Any], measurements: JsonStore
) -> ServedWinner | None:
    """Return a winner's model with what is needed to serve it; ``None``: it is gone."""
    bundles = stored.get(f"{dataset}.{candidate.model}.candidates", {})
    bundle = bundles.get(candidate.candidate)
    if bundle is None:
        return None
    encoder, data_card = stored[f"{dataset}.encoder"], stored[f"{dataset}.data_card"]
    model = feed_model(bundle, encoder, data_card, measurements=measurements.folder)
    rows = stored[f"{dataset}.rows"].filter(pl.col("part") == "test")
    return ServedWinner(dataset, candidate, model, rows)
